import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type LocalWorker, startWorker } from "../../infra/local/start-worker.ts";
import { EdgefuseClient } from "../../shared/api/index.ts";
import {
  AgentProcess,
  hasState,
  isOver,
  jobWhere,
  LONG_TRAINING,
  madeBy,
  trainByHand,
} from "../support/agent-process.ts";
import { writeShardFolder } from "../support/shard-folder.ts";

const TOKEN = "agent-restart-test";
let root: string;
let worker: LocalWorker | undefined;
let agent: AgentProcess | undefined;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "edgefuse-agent-restart-"));
  await writeShardFolder(join(root, "data"));
});
afterAll(async () => {
  await agent?.kill();
  await worker?.stop();
  await rm(root, { recursive: true, force: true });
});

it("a job goes on while its worker is killed and started again, and ends as if nothing had happened", async () => {
  const options = {
    stateDirectory: join(root, "state"),
    adminToken: TOKEN,
    // Until the agent has found the worker again, nobody looks at the job, so its lease lasts.
    variables: { EDGEFUSE_HEARTBEAT_SECONDS: "3" },
  };
  worker = await startWorker(options);
  const client = new EdgefuseClient({ url: worker.url, token: TOKEN });
  const { id } = await client.jobs.create({ spec: { version: 1, kind: "train", options: LONG_TRAINING } });
  const place = { url: worker.url, token: TOKEN, data: join(root, "data"), workFolder: join(root, "work") };
  agent = new AgentProcess(place, "--once");
  await jobWhere(() => client.jobs.get(id), hasState);

  await worker.kill();
  await until(() => agent?.output.includes("the deployment does not answer") === true);
  worker = await startWorker({ ...options, port: Number(new URL(place.url).port) });
  expect(await agent.ended, agent.output).toBe(0);

  const ended = await client.jobs.get(id);
  expect(ended, agent.output).toMatchObject({ state: "succeeded", attempt: 1, failures: 0 });
  expect(isOver(ended)).toBe(true);
  expect(madeBy(ended)).toEqual((await trainByHand(place, join(root, "by-hand"))).digests);
  // Not a line of the log was lost, nor is one there twice.
  const lines = (await client.jobs.log(id)).text.split("\n");
  const said = agent.output.split("\n").filter((line) => line.startsWith(`${id}: attempt 1`));
  expect(lines.filter((line) => line.startsWith("agent: attempt 1"))).toHaveLength(said.length);
  expect(lines.filter((line) => line.includes('"event":"checkpoint"'))).toHaveLength(1);
}, 300_000);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(50);
}
