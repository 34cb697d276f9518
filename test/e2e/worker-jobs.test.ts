import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalWorker, startWorker } from "../../infra/local/start-worker.ts";
import { EdgefuseClient, type JobDescription } from "../../shared/api/index.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { jsonOf } from "../support/conformance-world.ts";
import { JobAgent } from "../support/job-agent.ts";
import { checkpointOf, near, type Network, permuted, TEACHER, teacherShard } from "../support/permuted-networks.ts";

const TOKEN = "jobs-test";
let stateDirectory: string;
let worker: LocalWorker;
let client: EdgefuseClient;

const start = async () => {
  const variables = { EDGEFUSE_HEARTBEAT_SECONDS: "1", EDGEFUSE_STALL_SECONDS: "2", EDGEFUSE_CALLBACKS: "local" };
  worker = await startWorker({ stateDirectory, adminToken: TOKEN, variables });
  client = new EdgefuseClient({ url: worker.url, token: TOKEN });
};
const send = (path: string, init: RequestInit = {}) => {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${TOKEN}`);
  return fetch(new URL(path, worker.url), { ...init, headers });
};
const agent = (name: string) => new JobAgent(send, name);

const train = { version: 1, kind: "train", queueSeconds: 600 } as const;
const gate = { accuracyBarrier: { max: 0.03 } };
const pipeline = { version: 1, kind: "pipeline", train: { models: 2 }, dataset: "teacher" } as const;
let seeds = 500;

/** Does the jobs of a pipeline as agents do, several at a time; what each trains is given by its member. */
async function trainMembers(id: JobId, networks: readonly Network[]): Promise<void> {
  const mine = new Set<number>();
  await Promise.all(
    ["a", "b"].map(async (name) => {
      while (mine.size < networks.length) {
        const held = await agent(`${id}-${name}`).claim();
        if (held === undefined) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          continue;
        }
        const { job } = held.claimed;
        if (job.parent !== id || job.spec.kind !== "train") throw new Error(`another test's job ${job.id}`);
        const member = job.spec.member ?? 0;
        mine.add(member);
        const network = networks[member - 1];
        if (network === undefined) throw new Error(`no member ${member}`);
        await held.log(0, `training member ${member}\n`);
        const checkpoint = await held.output(checkpointOf(network), `teacher-${member}.safetensors`);
        await held.complete({ exitCode: 0, outputs: [checkpoint] });
      }
    }),
  );
}

beforeAll(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), "edgefuse-jobs-"));
  await start();
  const { id } = await client.uploadShard(teacherShard(120, 1));
  await client.putDataset("teacher", { shards: [id] });
});
afterAll(async () => {
  await worker.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

describe("jobs over HTTP", () => {
  it("are posted once with one key, and taken once by 20 agents that ask at once", async () => {
    const [first, second] = await Promise.all([
      client.jobs.create({ spec: train }, "run-77"),
      client.jobs.create({ spec: train }, "run-77").catch(() => client.jobs.create({ spec: train }, "run-77")),
    ]);
    expect(second?.id).toBe(first?.id);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, number) => agent(`agent-${number}`).claim()));
    const taken = answers.filter((held) => held !== undefined);
    expect(taken.map(({ claimed }) => claimed.job.id)).toEqual([first?.id]);
    await taken[0]?.complete({ exitCode: 0 });
    expect(await client.jobs.wait(first.id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });

  it("tell whoever they name of their end, once, signed", async () => {
    const heard: { readonly body: string; readonly signature: string }[] = [];
    const receiver = createServer(async (request, response) => {
      heard.push({ body: await text(request), signature: String(request.headers["edgefuse-signature"]) });
      response.writeHead(204).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = receiver.address() as AddressInfo;
      const callback = `http://127.0.0.1:${port}/ended`;
      const job = await client.jobs.create({ spec: { ...train, callback } });
      const held = await agent("told").next();
      await held.complete({ exitCode: 6 });
      await held.complete({ exitCode: 6 });
      const [told, ...more] = heard;
      expect(more).toEqual([]);
      expect(JSON.parse(told?.body ?? "")).toMatchObject({ id: job.id, state: "failed", reason: "diverged" });
      const hmac = createHmac("sha256", job.callbackKey ?? "").update(told?.body ?? "");
      expect(told?.signature).toBe(`sha256=${hmac.digest("hex")}`);
      expect((await client.jobs.get(job.id)).callback).toMatchObject({ state: "sent", status: 204 });
    } finally {
      receiver.close();
    }
  });

  it("go on over a restart of the worker, and are taken from who does not come back", async () => {
    const lives = await client.jobs.create({ spec: { ...train, labels: { test: "restart" } } });
    const held = await agent("survivor").next();
    await held.beat();
    await held.log(0, "before\n");
    const dies = await client.jobs.create({ spec: train });
    const zombie = await agent("zombie").next();
    await zombie.beat();
    const whole = await client.jobs.create({ spec: { ...pipeline, dataset: undefined } });
    const member = await agent("member").next();
    await worker.stop();
    await start();
    await held.beat();
    await member.beat();
    await held.log(7, "after\n");
    expect((await held.complete({ exitCode: 0 })).status).toBe(200);
    expect(await client.jobs.get(lives.id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect((await client.jobs.log(lives.id)).text).toBe("before\nafter\n");

    await member.output(checkpointOf(near(TEACHER, ++seeds, 0.05)), "x-1.safetensors");
    await member.complete({ exitCode: 0 });
    const waiting = new Set<string>([dies.id, whole.id]);
    while (waiting.size > 0) {
      const next = await agent("heir").next();
      const { id, parent, attempt } = next.claimed.job;
      if (id === dies.id) expect(attempt).toBe(2);
      else await next.output(checkpointOf(near(TEACHER, ++seeds, 0.05)), "x-2.safetensors");
      waiting.delete(parent ?? id);
      await next.complete({ exitCode: 0 });
    }
    expect((await zombie.send("heartbeat", jsonOf("POST", {}))).status).toBe(409);
    expect((await zombie.log(0, "late")).status).toBe(409);
    expect((await zombie.complete({ exitCode: 0 })).status).toBe(409);
    const job = await client.jobs.wait(whole.id);
    expect(job).toMatchObject({ state: "succeeded", result: { gate: null, alias: null, probe: null } });
    expect(job.result?.model).not.toBeNull();
  }, 200_000);
});

describe("jobs of the deployment's own", () => {
  it("fuse and measure without an agent, and say why where they cannot", async () => {
    const files = [near(TEACHER, ++seeds, 0.05), near(TEACHER, ++seeds, 0.05)].map(checkpointOf);
    const [a, b] = await Promise.all(files.map(async (file) => (await client.uploadCheckpoint(file)).id));
    const inputs = [{ checkpoint: a }, { checkpoint: b }] as never;
    const fuse = await client.jobs.create({
      spec: { version: 1, kind: "fuse", fusion: { recipe: { method: "linear", inputs } as never } },
    });
    const question = { kind: "path", a: String(a), b: String(b), dataset: "teacher" as never, points: 3 } as const;
    const probe = await client.jobs.create({ spec: { version: 1, kind: "probe", question } });
    const lost = { ...question, b: "0".repeat(64) };
    const refused = await client.jobs.create({ spec: { version: 1, kind: "probe", question: lost } });
    const made = await client.jobs.wait(fuse.id);
    expect(made).toMatchObject({ state: "succeeded", result: { members: [], probe: null, gate: null } });
    expect((await client.describeFusion(made.result?.model as never)).state).toBe("succeeded");
    const measured = await client.jobs.wait(probe.id);
    expect(measured).toMatchObject({ state: "succeeded", agent: "workflow" });
    expect(await client.probes.get(measured.result?.probe as never)).toMatchObject({ kind: "path" });
    const end = await client.jobs.wait(refused.id);
    expect(end).toMatchObject({ state: "failed", reason: "refused", attempt: 1, result: { problem: { status: 404 } } });
  });
});

describe("a pipeline", () => {
  it("trains its members side by side, fuses, measures, passes its gate and moves the alias: one run", async () => {
    const spec = { ...pipeline, gate, alias: "digits" as never, labels: { pr: "7" }, commit: "0123abc" };
    const { id } = await client.jobs.create({ spec });
    await trainMembers(id, [near(TEACHER, ++seeds, 0.05), near(TEACHER, ++seeds, 0.05)]);
    const job: JobDescription = await client.jobs.wait(id);
    expect(job).toMatchObject({ state: "succeeded", reason: "done", kind: "pipeline" });
    expect(job.children.map(({ member, state, labels }) => [member, state, labels])).toEqual([
      [1, "succeeded", { pr: "7" }],
      [2, "succeeded", { pr: "7" }],
    ]);
    const { result } = job;
    expect(result?.members).toHaveLength(2);
    expect(result).toMatchObject({ gate: { state: "passed" }, alias: { name: "digits", model: result?.model } });
    expect(result?.probe).toBe(result?.gate?.probe);
    expect((await fetch(new URL(`/models/${result?.model}/model.safetensors`, worker.url))).status).toBe(200);
    const log = await client.jobs.log(job.children[0]?.id as JobId);
    expect(log.text).toBe("training member 1\n");
  });

  it("fails at its gate, and leaves the alias where it was", async () => {
    const before = await (await send("/v1/aliases/digits")).json();
    const { id } = await client.jobs.create({ spec: { ...pipeline, gate, alias: "digits" as never } });
    await trainMembers(id, [near(TEACHER, ++seeds, 0.01), permuted(near(TEACHER, ++seeds, 0.01))]);
    const job = await client.jobs.wait(id);
    expect(job).toMatchObject({ state: "failed", reason: "gate-refused", attempt: 1 });
    expect(job.message).toContain("The gate refused");
    expect(job.result).toMatchObject({ gate: { state: "refused" }, alias: null, problem: { code: "gate-refused" } });
    expect(await (await send("/v1/aliases/digits")).json()).toEqual(before);
  });

  it("fails with the reason of the member that failed, and stops the others", async () => {
    const spec = { ...pipeline, train: { models: 3 } };
    const { id } = await client.jobs.create({ spec });
    const [first, second] = [await agent("one").next(), await agent("two").next()];
    await second.beat();
    await first.complete({ exitCode: 6, message: "the loss is NaN at step 12" });
    const job = await client.jobs.wait(id);
    expect(job).toMatchObject({ state: "failed", reason: "diverged", exitCode: 6 });
    expect(job.message).toContain("the loss is NaN at step 12");
    expect(job.children.map(({ state, cancelRequested }) => [state, cancelRequested])).toEqual([
      ["failed", false],
      ["running", true],
      ["cancelled", false],
    ]);
    expect(await second.beat()).toMatchObject({ cancel: true, reason: "parent-ended" });
    await second.complete({ exitCode: 75 });
    const { children } = await client.jobs.get(id);
    expect(children[1]).toMatchObject({ state: "cancelled", reason: "parent-ended" });
  });

  it("is cancelled as a whole", async () => {
    const { id } = await client.jobs.create({ spec: pipeline });
    const held = await agent("cancelled").next();
    expect(await client.jobs.cancel(id)).toMatchObject({ state: "cancelled" });
    expect(await held.beat()).toMatchObject({ cancel: true, reason: "parent-ended" });
    await held.complete({ exitCode: 75 });
    const { children } = await client.jobs.get(id);
    expect(children.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  });
});
