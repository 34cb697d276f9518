import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EdgefuseClient, type JobDescription } from "../../shared/api/index.ts";
import type { CreatedToken } from "../../shared/api/tokens.ts";
import { jobId } from "../../shared/jobs/job-id.ts";
import { FakeRunner } from "../support/action-world.ts";
import { jsonOf } from "../support/conformance-world.ts";
import { type FakeGitHub, startFakeGitHub } from "../support/fake-github.ts";
import { type OidcIssuer, startOidcIssuer } from "../support/oidc-issuer.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";
import { MAIN, runCli } from "../trainer/commands/run-cli.ts";

const ACTION = join(import.meta.dirname, "../../infra/github-action/dist/index.js");
const golden = (name: string) => join(import.meta.dirname, "goldens", `github-action-${name}.md`);

/** Between two heartbeats, in seconds. */
const HEARTBEAT = 1;

let worker: WorkerHarness;
let issuer: OidcIssuer;
let github: FakeGitHub;
let client: EdgefuseClient;
let folder: string;
const agents: { readonly process: ChildProcess; readonly ended: Promise<unknown>; output: string }[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-ci-"));
  issuer = await startOidcIssuer();
  github = await startFakeGitHub((aud) => issuer.token({ aud, ref: "refs/pull/12/merge" }));
  const rule = {
    ...{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: "edgefuse", repository: "owner/name" },
    ...{ workflows: ["owner/name/.github/workflows/train.yml"], scopes: ["jobs", "fuse", "publish"] },
  };
  worker = await startWorker({
    vars: {
      EDGEFUSE_OIDC_RULES: JSON.stringify([rule]),
      EDGEFUSE_HEARTBEAT_SECONDS: String(HEARTBEAT),
      EDGEFUSE_STALL_SECONDS: "2",
    },
  });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const cut = await runCli(["shard", "--dataset", "glyphs", "--limit", "300", "--out", folder]);
  expect(cut.code, cut.stderr).toBe(0);
  const name = (await readdir(folder)).find((file) => file.endsWith(".safetensors"));
  const shard = await client.uploadShard(new Uint8Array(await readFile(join(folder, name ?? ""))));
  await client.putDataset("glyphs", { shards: [shard.id] });
  const request = jsonOf("POST", { name: "agents", scopes: ["agent"] });
  const { token } = (await (await worker.fetch("/v1/tokens", request)).json()) as CreatedToken;
  for (const box of ["box-1", "box-2"]) startAgent(box, token);
});
afterAll(async () => {
  for (const agent of agents) agent.process.kill("SIGKILL");
  await Promise.all(agents.map(({ ended }) => ended));
  await Promise.all([worker.close(), github.close(), issuer.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** An agent as it is deployed, with a token that does nothing else. */
function startAgent(name: string, token: string): void {
  const words = [
    "agent",
    "--name",
    name,
    "--backend",
    "wasm",
    "--work-dir",
    join(folder, "work"),
    "--state-every",
    "1s",
  ];
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { PATH: process.env["PATH"] ?? "", EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: token },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const agent = { process: child, ended: once(child, "close"), output: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (agent.output += text));
  }
  agents.push(agent);
}

/** A tiny family: each member is trained in a second or two. */
const TRAIN = { dataset: "glyphs", hidden: "32", batch: 200, epochs: 1, "fixed-ratio": 0.5, seed: 7 } as const;
const PIPELINE = { version: 1, kind: "pipeline", train: { ...TRAIN, models: 4 }, dataset: "glyphs" } as const;
let runs = 100;

/** A run of the workflow, whose step is the bundled action. */
async function openRun(spec: object, inputs: Readonly<Record<string, string>> = {}) {
  const runner = await FakeRunner.open(worker.url, github);
  onTestFinished(() => runner.close());
  runs++;
  Object.assign(
    runner.environment,
    { GITHUB_RUN_ID: String(1_000_000 + runs), GITHUB_RUN_NUMBER: String(runs) },
    inputs,
  );
  await writeFile(join(runner.folder, "job.json"), JSON.stringify(spec));
  const start = () => {
    const step = spawn(process.execPath, [ACTION], { env: runner.environment, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [step.stdout, step.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (runner.log += text));
    }
    return { step, ended: once(step, "close").then(([code]: unknown[]) => code) };
  };
  /** Both steps, as the runner has them. @returns the exit code of the main one */
  const carryOut = async () => {
    const code = await start().ended;
    await runner.toPostStep();
    expect(await start().ended, runner.log).toBe(0);
    return code;
  };
  const job = async (): Promise<JobDescription> => client.jobs.get(jobId.parse((await runner.values("state"))["job"]));
  return { runner, start, carryOut, job };
}

/** Text with all that differs from run to run named alike; figures too, which are not the reports' own. */
function anonymous(text: string): string {
  const names = new Map<string, string>();
  const nameOf = (digest: string) => {
    const short = digest.slice(0, 12);
    if (!names.has(short)) names.set(short, `<digest ${names.size + 1}>`);
    return names.get(short) ?? "";
  };
  return text
    .replaceAll(worker.url, "<url>")
    .replaceAll(/\b[0-9a-f]{64}\b|(?<=`)[0-9a-f]{12}(?=`)/g, nameOf)
    .replaceAll(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, "<job>")
    .replaceAll(/\brun \d{3}\b|\[\d{3}\]|runs\/\d+|edgefuse-run \d+/g, (found) => found.replace(/\d+/, "<run>"))
    .replaceAll(/(?<=bar |y-axis "accuracy, %" ).*/g, "<figures>")
    .replaceAll(/(?<![\w.])[+-]?\d+\.\d+\b/g, "<figure>")
    .replaceAll(/\b(\d+ min )?\d+ s\b/g, "<time>")
    .replaceAll(/`box-[12]`/g, "<box>");
}

/** Agents hear with their next heartbeat that their job is of no use any more. */
const isOver = async (run: { job(): Promise<JobDescription> }) =>
  (await run.job()).children.every(({ finishedAt }) => finishedAt !== null);
const POLL = { timeout: 120_000, interval: 300 };

const comment = () => github.comments.get(12)?.[0]?.body ?? "";

describe("a pull request that asks for a pipeline", { timeout: 300_000 }, () => {
  it("has four members trained by two agents at once, fused, probed and gated, and the alias moves", async () => {
    const gate = { accuracyBarrier: { max: 0.5 }, accuracyDrop: { max: 0.5 } };
    const run = await openRun({ ...PIPELINE, gate, alias: "glyphs-best" });
    expect(await run.carryOut(), run.runner.log + agents.map(({ output }) => output).join("\n")).toBe(0);

    const job = await run.job();
    expect(job).toMatchObject({
      state: "succeeded",
      reason: "done",
      commit: "abcdef0123456789abcdef0123456789abcdef01",
    });
    expect(job.createdBy).toBe("oidc:owner/name:refs/pull/12/merge");
    expect(job.labels).toMatchObject({ repo: "owner/name", pr: "12", run: run.runner.environment["GITHUB_RUN_ID"] });
    expect(job.children.map(({ state, attempt }) => [state, attempt])).toEqual(Array(4).fill(["succeeded", 1]));
    expect(new Set(job.children.map(({ agent }) => agent))).toEqual(new Set(["box-1", "box-2"]));
    // At once: somebody began before somebody else had ended.
    const [first, second] = job.children
      .map(({ startedAt, finishedAt }) => [Date.parse(startedAt ?? ""), Date.parse(finishedAt ?? "")] as const)
      .sort(([a], [b]) => a - b);
    expect(second?.[0]).toBeLessThan(first?.[1] ?? 0);

    const { result } = job;
    expect(new Set(result?.members).size).toBe(4);
    expect(result?.gate).toMatchObject({ state: "passed", measured: { samples: 300 } });
    // The gate has them in its own order.
    expect(result?.gate?.measured?.parents.map(({ id }) => id).sort()).toEqual([...(result?.members ?? [])].sort());
    expect(result?.probe).toBe(result?.gate?.probe);
    expect(await client.aliases.get("glyphs-best")).toMatchObject({ model: result?.model, version: 1 });

    const outputs = await run.runner.values("output");
    expect(outputs).toMatchObject({ job: job.id, gate: "passed", alias: "glyphs-best", "alias-version": "1" });
    expect(JSON.parse(outputs["checkpoints"] ?? "")).toEqual(result?.members);
    // Anybody can have the model and its picture: they are what the comment shows.
    expect((await fetch(outputs["model-url"] ?? "")).status).toBe(200);
    const [, picture = ""] = /!\[[^\]]*\]\(([^)]+)\)/.exec(comment()) ?? [];
    expect(picture).toBe(`${worker.url}/models/${result?.model}/barrier.svg`);
    expect((await fetch(picture)).headers.get("content-type")).toMatch(/^image\/svg\+xml/);

    await expect(anonymous(await run.runner.text("summary"))).toMatchFileSnapshot(golden("summary"));
    await expect(anonymous(comment())).toMatchFileSnapshot(golden("comment"));
    // The log of every member went by.
    const logged = [1, 2, 3, 4].map((member) => new RegExp(`member ${member} \\| .*epoch 1/1 .* done`));
    expect(logged.filter((line) => !line.test(run.runner.log))).toEqual([]);
  });

  it("fails with 9 where the gate refuses, and the alias stays", async () => {
    const before = await client.aliases.get("glyphs-best");
    const gate = { accuracyBarrier: { max: -0.99 } };
    const train = { ...PIPELINE.train, models: 2, seed: 8 };
    const run = await openRun({ ...PIPELINE, train, gate, alias: "glyphs-best" });
    expect(await run.carryOut(), run.runner.log).toBe(9);
    expect(await client.aliases.get("glyphs-best")).toEqual(before);
    expect(await run.runner.values("output")).toMatchObject({
      state: "failed",
      reason: "gate-refused",
      gate: "refused",
    });
    await expect(anonymous(comment())).toMatchFileSnapshot(golden("comment-refused"));
    expect(github.comments.get(12)).toHaveLength(1);
  });

  it("fails with 6 where training diverges, shows why, and stops the siblings", async () => {
    const train = { ...PIPELINE.train, models: 2, "learning-rate": 1e30 };
    const run = await openRun({ ...PIPELINE, train });
    expect(await run.carryOut(), run.runner.log).toBe(6);
    const job = await run.job();
    expect(job).toMatchObject({ state: "failed", reason: "diverged", exitCode: 6 });
    await expect.poll(() => isOver(run), POLL).toBe(true);
    expect((await run.job()).children.every(({ state }) => state === "failed" || state === "cancelled")).toBe(true);
    expect(comment()).toMatch(/<summary>Last \d+ lines of the log of member \d<\/summary>[^<]*diverged/);
    expect(run.runner.log).toMatch(/::error title=edgefuse::The pipeline failed: training diverged/);
  });

  it("ends with 124 when the step's time is over, and nothing waits any more", async () => {
    const run = await openRun({ ...PIPELINE, resources: { labels: ["nobody-has-this"] } }, { INPUT_TIMEOUT: "3s" });
    expect(await run.carryOut(), run.runner.log).toBe(124);
    const job = await run.job();
    expect(job.state).toBe("cancelled");
    expect(new Set(job.children.map(({ state }) => state))).toEqual(new Set(["cancelled"]));
    expect(comment()).toContain("took longer than the step allows");
  });

  it("ends with 130 when the run is cancelled, and training stops with a state to go on from", async () => {
    const train = { ...PIPELINE.train, models: 2, epochs: 100_000, "checkpoint-every": "1s" };
    const run = await openRun({ ...PIPELINE, train });
    const { step, ended } = run.start();
    for (const line of [/member 1 \| .* epoch +\d+\//, /member 2 \| .* epoch +\d+\//]) {
      await expect.poll(() => run.runner.log, POLL).toMatch(line);
    }
    step.kill("SIGINT");
    expect(await ended, run.runner.log).toBe(130);
    await run.runner.toPostStep();
    expect(await run.start().ended, run.runner.log).toBe(0);

    await expect.poll(() => isOver(run), POLL).toBe(true);
    const job = await run.job();
    expect(job.state).toBe("cancelled");
    expect(comment()).toContain("The pipeline was cancelled");
    for (const { id } of job.children) {
      const member = await client.jobs.get(id);
      expect(member).toMatchObject({ state: "cancelled", reason: "parent-ended", attempt: 1 });
      const names = member.files.map(({ name }) => name);
      expect(names, (await client.jobs.log(id)).text).toContainEqual(expect.stringMatching(/\.state\.safetensors$/));
    }
    // The agents are free, and do the next job.
    const next = await openRun({ version: 1, kind: "train", options: { ...TRAIN, models: 1 } });
    expect(await next.carryOut(), next.runner.log).toBe(0);
    expect(JSON.parse((await next.runner.values("output"))["checkpoints"] ?? "[]")).toHaveLength(1);
  });
});

describe("a run that the deployment has no rule for", () => {
  it("is not let in, and nothing is begun", async () => {
    const before = await client.jobs.queue();
    const run = await openRun(PIPELINE, { INPUT_AUDIENCE: "https://elsewhere.example" });
    expect(await run.start().ended).toBe(4);
    expect(run.runner.log).toContain("no rule of this deployment accepts its aud");
    expect((await client.jobs.queue()).queued).toBe(before.queued);
  });
});
