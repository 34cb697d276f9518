import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type LocalWorker, startWorker } from "../../infra/local/start-worker.ts";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { PendingProbe, ProbeDescription } from "../../shared/api/probes.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { linearModel } from "../support/checkpoint-files.ts";

const SHARDS = 6;
const POINTS = 5;
let stateDirectory: string;
let worker: LocalWorker | undefined;

beforeAll(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), "edgefuse-probe-restart-"));
});
afterAll(async () => {
  await worker?.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

async function start(): Promise<EdgefuseClient> {
  worker = await startWorker({
    stateDirectory,
    adminToken: "probe-restart-test",
    // Every point of every shard is a unit of its own.
    variables: { EDGEFUSE_INLINE_PROBE_OPERATIONS: "1", EDGEFUSE_STALL_SECONDS: "2" },
  });
  return new EdgefuseClient({ url: worker.url, token: "probe-restart-test" });
}

const shardOf = (seed: number) =>
  encodeShard({
    count: 20,
    inputShape: [2, 2],
    x: Float32Array.from({ length: 80 }, (_, index) => Math.sin(seed + 0.77 * index)),
    y: Int32Array.from({ length: 20 }, (_, index) => (index + seed) % 2),
    scale: 1,
    offset: 0,
  });

const isPending = (probe: ProbeDescription | PendingProbe): probe is PendingProbe => "state" in probe;

it("a probe whose worker is killed half-way goes on after a restart with the shards that are left", async () => {
  let client = await start();
  const a = (await client.uploadCheckpoint(linearModel([0.5, -1, 2, 0.25, -0.5, 1, 1.5, -2], [0.5, -0.5]))).id;
  const b = (await client.uploadCheckpoint(linearModel([-2, 1.5, 0.5, -1, 1, 2, -0.25, 0.75], [-1, 0.25]))).id;
  const shards = [];
  for (let seed = 0; seed < SHARDS; seed++) shards.push((await client.uploadShard(shardOf(seed))).id);
  const { id } = await client.probes.start({ a, b, shards, points: POINTS });
  let before = await client.probes.get(id);
  while (isPending(before) && before.progress.shardsDone < 1) {
    await sleep(5);
    before = await client.probes.get(id);
  }
  await worker?.kill();
  if (!isPending(before)) throw new Error("the probe was done before it could be killed");
  const { shardsDone } = before.progress;
  expect(shardsDone).toBeLessThan(SHARDS);

  client = await start();
  const after = await client.probes.get(id);
  // What was evaluated before is still there, and told.
  if (isPending(after)) {
    expect(after.progress.shardsDone).toBeGreaterThanOrEqual(shardsDone);
    expect(after.partial?.samples).toBe(20 * after.progress.shardsDone);
  }
  const answer = await client.probes.wait(id);
  expect(answer).toMatchObject({ kind: "path", samples: 20 * SHARDS, shards });
  const headers = { authorization: "Bearer probe-restart-test" };
  expect((await fetch(`${worker?.url}/v1/probes/${id}`, { method: "DELETE", headers })).status).toBe(204);
  const anew = await client.probes.start({ a, b, shards, points: POINTS });
  const { createdAt: _first, ...expected } = await client.probes.wait(anew.id);
  const { createdAt: _second, ...found } = answer;
  expect(found).toEqual(expected);
}, 300_000);
