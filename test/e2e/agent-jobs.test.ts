import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { JobDescription } from "../../shared/api/jobs.ts";
import {
  AgentProcess,
  hasState,
  isOver,
  jobWhere,
  LONG_STEPS,
  LONG_TRAINING,
  madeBy,
  trainByHand,
} from "../support/agent-process.ts";
import { writeShardFolder } from "../support/shard-folder.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";
import { runCli } from "../trainer/commands/run-cli.ts";

/** Seconds between two heartbeats; a lease ends after two and a half of them. */
const HEARTBEAT = 3;

let worker: WorkerHarness;
let root: string;
let data: string;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "edgefuse-agents-"));
  data = join(root, "data");
  await writeShardFolder(data);
  worker = await startWorker({ vars: { EDGEFUSE_HEARTBEAT_SECONDS: String(HEARTBEAT) } });
});
afterAll(async () => {
  await worker.close();
  await rm(root, { recursive: true, force: true });
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.kill();
});

/** Starts an agent; it is gone after the test. */
function startAgent(...words: readonly string[]): AgentProcess {
  const place = { url: worker.url, token: worker.token, data, workFolder: join(root, "work") };
  const agent = new AgentProcess(place, ...words);
  agents.push(agent);
  return agent;
}

async function post(spec: object): Promise<JobDescription> {
  const body = JSON.stringify({ spec: { version: 1, kind: "train", options: LONG_TRAINING, ...spec } });
  const response = await worker.fetch("/v1/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const job = (await response.json()) as JobDescription;
  expect(response.status, JSON.stringify(job)).toBe(201);
  return job;
}

async function look({ id }: Job): Promise<JobDescription> {
  return (await (await worker.fetch(`/v1/jobs/${id}`)).json()) as JobDescription;
}

type Job = Pick<JobDescription, "id">;
const waitFor = (job: Job, holds: (job: JobDescription) => boolean) => jobWhere(() => look(job), holds);
const logOf = async ({ id }: Job) => (await worker.fetch(`/v1/jobs/${id}/log`)).text();

describe("an agent of the real worker", { timeout: 240_000 }, () => {
  let expected: Record<string, string>;
  beforeAll(async () => {
    expected = (await trainByHand({ data }, join(root, "undisturbed"))).digests;
    expect(Object.keys(expected)).toHaveLength(2);
  });

  it("does a job, to the bytes of the same command line run by hand", async () => {
    const job = await post({ labels: { pr: "12" } });
    const agent = startAgent("--once");
    const ended = await waitFor(job, isOver);
    expect(ended, agent.output).toMatchObject({ state: "succeeded", reason: "done", exitCode: 0, attempt: 1 });
    expect(madeBy(ended)).toEqual(expected);
    expect(ended.progress).toMatchObject({ done: LONG_STEPS, total: LONG_STEPS, unit: "steps" });
    expect(await agent.ended).toBe(0);
    const log = await logOf(job);
    expect(log).toMatch(/fam-1 +epoch 25\/25 +step 750\/750 .* done\n/);
    expect(log).not.toContain(worker.token);
    expect(agent.output).not.toContain("not this agent's any more");
    expect(await readdir(join(root, "work", ended.agent ?? ""))).toEqual([]);
  });

  it("is killed outright in mid-training, and another one goes on to the same bytes", async () => {
    const job = await post({});
    const first = startAgent("--name", "first");
    await waitFor(job, hasState);
    await first.kill();
    const second = startAgent("--name", "second");
    const ended = await waitFor(job, isOver);
    expect(ended, second.output).toMatchObject({ state: "succeeded", attempt: 2, failures: 1, agent: "second" });
    expect(madeBy(ended)).toEqual(expected);
    const log = await logOf(job);
    expect(log).toMatch(/goes on from \.fam-1\.state\.safetensors/);
    const [, step] = /fam-1 goes on from step (\d+)\n/.exec(log) ?? [];
    expect(Number(step)).toBeGreaterThan(0);
    // The record of the losses has every step once, whichever attempt took it.
    const record = await (await worker.fetch(`/v1/jobs/${job.id}/files/metrics.jsonl`)).text();
    const steps = record
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { step: number }).step);
    expect(steps).toEqual(Array.from({ length: 75 }, (_, index) => 10 * (index + 1)));
  });

  it("that was out of the world loses the job, and nothing of what it still sends is taken", async () => {
    const job = await post({});
    const zombie = startAgent("--name", "zombie");
    await waitFor(job, hasState);
    zombie.signal("SIGSTOP");
    await waitFor(job, ({ state, reason }) => state === "queued" && reason === "lease-lost");
    const living = startAgent("--name", "living", "--once");
    await waitFor(job, ({ agent }) => agent === "living");
    zombie.signal("SIGCONT");
    const ended = await waitFor(job, isOver);
    expect(ended, living.output).toMatchObject({ state: "succeeded", attempt: 2, agent: "living" });
    expect(madeBy(ended)).toEqual(expected);
    expect(ended.outputs.every(({ attempt }) => attempt === 2)).toBe(true);
    // Its process went on: whether a heartbeat or the report of its end comes first depends on how fast it trained.
    await expect
      .poll(() => zombie.output, { timeout: 20_000 })
      .toMatch(/(the job is not this agent's any more|the job is given up): .*lease-lost/);
    await expect.poll(() => zombie.output).toContain("lost to another agent, or to none");
    // It is of use again.
    const next = await post({ options: { ...LONG_TRAINING, epochs: 1 } });
    expect(await waitFor(next, isOver)).toMatchObject({ state: "succeeded", agent: "zombie" });
  });

  it("stops the training when the job is cancelled, and leaves a state that can be gone on from", async () => {
    // Beyond the next heartbeat, however fast the machine.
    const epochs = 80;
    const job = await post({ options: { ...LONG_TRAINING, epochs } });
    const agent = startAgent("--once");
    await waitFor(job, hasState);
    const asked = await (await worker.fetch(`/v1/jobs/${job.id}`, { method: "DELETE" })).json();
    expect(asked).toMatchObject({ state: "running", cancelRequested: true });
    const ended = await waitFor(job, isOver);
    expect(ended, agent.output).toMatchObject({ state: "cancelled", reason: "cancelled", exitCode: 75, attempt: 1 });
    const log = await logOf(job);
    const [, stopped] = /The state is saved \(fam-1 at step (\d+) of 2400\)/.exec(log) ?? [];
    const out = join(root, "after-cancel");
    await mkdir(out);
    for (const { name } of ended.files) {
      const response = await worker.fetch(`/v1/jobs/${job.id}/files/${name}`);
      await writeFile(join(out, name), new Uint8Array(await response.arrayBuffer()));
    }
    const { stderr, digests } = await trainByHand({ data }, out, { epochs });
    expect(stderr).toContain(`fam-1 goes on from step ${stopped}\n`);
    expect(digests).toEqual((await trainByHand({ data }, join(root, "never-cancelled"), { epochs })).digests);
    expect(await agent.ended).toBe(0);
  });

  it("hands its job back on SIGTERM, which is nobody's failure", async () => {
    const job = await post({ retry: { attempts: 1 } });
    const first = startAgent("--once");
    await waitFor(job, hasState);
    first.signal("SIGTERM");
    expect(await first.ended, first.output).toBe(75);
    expect(await look(job)).toMatchObject({ state: "queued", reason: "agent-stopped", exitCode: 75, failures: 0 });
    const second = startAgent("--once", "--max-idle", "30s");
    const ended = await waitFor(job, isOver);
    expect(ended, second.output).toMatchObject({ state: "succeeded", attempt: 2, failures: 0 });
    expect(madeBy(ended)).toEqual(expected);
    expect(await second.ended).toBe(0);
  });

  it("does an experiment, whose report is kept with the job", async () => {
    const options = { dataset: "shards", hidden: "8", batch: 40, epochs: 1, pairs: 1, ratios: "0,0.4" };
    const job = await post({ kind: "experiment", options });
    const agent = startAgent("--once");
    const ended = await waitFor(job, isOver);
    expect(ended, agent.output + (await logOf(job))).toMatchObject({ state: "succeeded", outputs: [] });
    const names = ended.files.map(({ name }) => name).sort();
    expect(names).toEqual(["measurements.jsonl", "ratio-curves.svg", "ratio.svg", "report.md", "results.json"]);
    const report = await worker.fetch(`/v1/jobs/${job.id}/files/report.md`);
    expect(await report.text()).toContain("# Barriers between models trained on shards");
  });

  it("is what edgefuse jobs submit --wait waits for: the log, and the exit code of the job", async () => {
    const environment = { EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: worker.token };
    const agent = startAgent();
    const submit = async (options: object) => {
      const file = join(root, "spec.json");
      await writeFile(file, JSON.stringify({ version: 1, kind: "train", options }));
      return runCli(["jobs", "submit", file, "--wait", "--json"], environment);
    };
    const good = await submit({ ...LONG_TRAINING, epochs: 1 });
    expect(good, agent.output).toMatchObject({ code: 0 });
    expect(JSON.parse(good.stdout)).toMatchObject({ event: "ended", state: "succeeded" });
    expect(good.stderr).toMatch(/\nfam-1 +epoch 1\/1 +step 30\/30 .* done\n/);
    const [diverged, impossible] = [
      await submit({ ...LONG_TRAINING, optimizer: "sgd", "learning-rate": 1e30, "fixed-ratio": 0 }),
      await submit({ ...LONG_TRAINING, momentum: 0.5 }),
    ];
    expect(diverged).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/failed \(diverged\): .*lower --learning-rate/),
    });
    expect(impossible).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/failed \(bad-spec\): the option --momentum belongs/),
    });
  });
});
