import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeShardFolder } from "../support/shard-folder.ts";
import { type Ended, MAIN, runCli } from "../trainer/commands/run-cli.ts";

/** Moments of the run at which it is killed: evenly spread, so that every phase is hit, each moved at random. */
const KILLS = 10;

let root: string;
let data: string;
/** SHA-256 of every file of the undisturbed run. */
let expected: ReadonlyMap<string, string>;
/** How long that took, in milliseconds. */
let duration: number;

const words = (out: string, checkpointEvery = "20") => [
  ...["train", "--dataset", "shards", "--data-dir", data, "--backend", "wasm", "--name", "fam", "--out", out],
  ...["--hidden", "24,16", "--batch", "8", "--epochs", "25", "--checkpoint-every", checkpointEvery, "--keep-best"],
  ...["--optimizer", "adamw", "--schedule", "cosine", "--warmup", "9", "--crop", "1", "--flip"],
  ...["--metrics", join(out, "metrics.jsonl")],
];

async function digests(directory: string): Promise<Map<string, string>> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".safetensors") && !name.startsWith("."));
  const files = names.map(async (name) => {
    const bytes = await readFile(join(directory, name));
    return [name, createHash("sha256").update(bytes).digest("hex")] as const;
  });
  return new Map((await Promise.all(files)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Everything of a run's record but its speed. */
async function recordOf(directory: string): Promise<string[]> {
  const text = await readFile(join(directory, "metrics.jsonl"), "utf8");
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => line.replace(/"samplesPerSecond":[^,}]+,?/, "")).sort();
}

/**
 * Starts the command, saving its state at every step so that it is slow enough to be caught, and kills it outright.
 * @param milliseconds after its start, or after its first state is there
 */
async function runAndKill(out: string, milliseconds: number, fromState: boolean): Promise<boolean> {
  const environment = { PATH: process.env["PATH"] ?? "" };
  const child = spawn(process.execPath, [MAIN, ...words(out, "1")], { env: environment, stdio: "ignore" });
  const ended = new Promise<boolean>((resolve) => {
    child.on("close", (_, signal) => resolve(signal === "SIGKILL"));
  });
  const isDue = () => !fromState || child.exitCode !== null || existsSync(join(out, ".fam-1.state.safetensors"));
  while (!isDue()) await sleep(2);
  await Promise.race([sleep(milliseconds), ended]);
  child.kill("SIGKILL");
  return ended;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "edgefuse-kill-"));
  data = join(root, "data");
  await writeShardFolder(data);
  const began = performance.now();
  const whole = await runCli(words(join(root, "whole")));
  duration = performance.now() - began;
  expect(whole).toMatchObject({ code: 0 });
  expected = await digests(join(root, "whole"));
});
afterAll(() => rm(root, { recursive: true }));

async function expectWhole(out: string, { code, stderr }: Ended): Promise<void> {
  expect(code, stderr).toBe(0);
  expect(await digests(out)).toEqual(expected);
  const hidden = (await readdir(out)).filter((name) => name.startsWith("."));
  expect(hidden, "states and temporary files").toEqual([]);
}

describe("a training run", () => {
  it("makes four files, last and best of two members", () => {
    expect([...expected.keys()]).toEqual(
      ["fam-1", "fam-2"].flatMap((name) => [`${name}.best.safetensors`, `${name}.safetensors`]),
    );
    expect(new Set(expected.values()).size).toBe(4);
  });

  it(`ends with the same files after a kill at any of ${KILLS} moments`, { timeout: 240_000 }, async () => {
    const record = await recordOf(join(root, "whole"));
    let [killed, resumed] = [0, 0];
    for (let index = 0; index < KILLS; index++) {
      const out = join(root, `killed-${index}`);
      // By turns anywhere, which is mostly while it starts, and between its first steps and its end.
      const fromState = index % 2 === 1;
      const moment = fromState ? 400 * Math.random() : (duration * (index + Math.random())) / KILLS;
      if (await runAndKill(out, moment, fromState)) killed++;
      // What is there under a checkpoint's name is whole and right, at any moment.
      const there = await digests(out).catch(() => new Map<string, string>());
      for (const [name, digest] of there) expect(digest, `${name}, killed after ${moment} ms`).toBe(expected.get(name));
      const rerun = await runCli(words(out));
      if (/goes on from step \d+/.test(rerun.stderr)) resumed++;
      await expectWhole(out, rerun);
      expect(await recordOf(out), `record, killed after ${moment} ms`).toEqual(record);
    }
    expect(killed).toBeGreaterThan(KILLS / 2);
    expect(resumed).toBeGreaterThan(2);
  });

  it.each([
    ["SIGTERM", 75],
    ["SIGINT", 130],
  ] as const)("saves its state on %s, ends with its code, and goes on to the same files", async (signal, code) => {
    const out = join(root, signal);
    // Saved at every step, as above.
    const stopped = await runCli(words(out, "1"), {}, { matches: /step +\d+\/750/, signal });
    expect(stopped.code, stopped.stderr).toBe(code);
    // Either member may be the first to take a step.
    expect(stopped.stderr).toMatch(
      new RegExp(
        `edgefuse: Stopped by ${signal}\\. The state is saved \\(fam-[12] at step \\d+ of 750.*\\); run the same command again`,
      ),
    );
    expect(stopped.stdout).toBe("");
    expect([...(await digests(out)).keys()]).toEqual([]);
    const rerun = await runCli(words(out));
    expect(rerun.stderr).toMatch(/fam-[12] goes on from step \d+\n/);
    await expectWhole(out, rerun);

    const done = await runCli(words(out));
    expect(done.stderr).toContain(`${join(out, "fam-2.safetensors")} is trained already`);
    await expectWhole(out, done);
  });
});
