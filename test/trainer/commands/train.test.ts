import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runCommandLine } from "../../../trainer/command-line/run-command.ts";
import { readArchitecture } from "../../../shared/models/architecture.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { COMMANDS } from "../../../trainer/commands/registry.ts";
import { Failure } from "../../../trainer/failure.ts";
import { writeShardFolder } from "../../support/shard-folder.ts";

let data: string;
let out: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "edgefuse-train-data-"));
  await writeShardFolder(data);
});
afterAll(() => rm(data, { recursive: true }));
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "edgefuse-train-"));
});
afterEach(() => rm(out, { recursive: true }));

/** `edgefuse train` in this process, on the tiny dataset. */
const runTrain = (...words: readonly string[]) => runStopped(words);

/** The same, with a SIGTERM once it trains. */
async function runStopped(
  words: readonly string[],
  onStep?: () => Promise<void>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ["", ""];
  const stop = new AbortController();
  const hear = (text: string) => {
    stderr += text;
    if (onStep === undefined || stop.signal.aborted || !/step +\d/.test(stderr)) return;
    const wait = onStep;
    onStep = undefined;
    void wait().then(() => stop.abort(new Failure("terminated", "Stopped by SIGTERM; nothing half-written is left.")));
  };
  const given = words.includes("--dataset") ? [] : ["--dataset", "shards", "--data-dir", data, "--backend", "wasm"];
  const line = [...given, ...words].map((word) => (word === "EMPTY" ? out : word));
  const code = await runCommandLine(COMMANDS, ["train", ...line], {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: hear },
    environment: {},
    fetch,
    signal: stop.signal,
  });
  return { code, stdout, stderr };
}

describe("edgefuse train", () => {
  it.each<[string, string[], number, RegExp]>([
    ["a momentum of 1", ["--momentum", "1"], 2, /--momentum "1" is not valid: .*\[0, 1\)/],
    ["a momentum for Adam", ["--optimizer", "adam", "--momentum", "0.9"], 2, /belongs to SGD/],
    ["Adam's betas for SGD", ["--betas", "0.9,0.99"], 2, /--betas belongs to Adam/],
    ["one beta", ["--optimizer", "adam", "--betas", "0.9"], 2, /two numbers in \[0, 1\)/],
    ["Nesterov alone", ["--nesterov", "--momentum", "0"], 2, /--nesterov needs a --momentum/],
    ["a schedule that is none", ["--schedule", "cosin"], 2, /constant, step, step:EPOCHS:FACTOR/],
    ["a smoothing of 1", ["--label-smoothing", "1"], 2, /a number in \[0, 1\)/],
    ["an unknown model", ["--model", "resent"], 2, /one of mlp, cnn, lenet, vgg, resnet/],
    [
      "a setting that a model lacks",
      ["--model", "resnet", "--set", "dept=20"],
      2,
      /--model resnet is not possible: .*dept/,
    ],
    [
      "a depth that no ResNet has",
      ["--model", "resnet", "--set", "depth=21"],
      2,
      /depth: a ResNet's depth is 6 n \+ 2/,
    ],
    ["hidden layers of a CNN", ["--model", "cnn", "--hidden", "8"], 2, /--hidden belongs to an mlp/],
    ["a model and JSON", ["--model", "cnn", "--architecture", "{}"], 2, /--architecture says it all/],
    ["JSON that is none", ["--architecture", "{"], 2, /--architecture is not JSON/],
    ["a crop beyond the image", ["--crop", "4"], 2, /4 pixels of padding does not fit/],
    ["a partition that is none", ["--partition", "dirichlet"], 2, /dirichlet:ALPHA/],
    [
      "a partition that leaves less than a batch",
      ["--partition", "iid", "--batch", "130"],
      2,
      /batch is 130; .*part of shards has 120/,
    ],
    ["a time that is none", ["--checkpoint-every", "soon"], 2, /a number of steps such as 200/],
    ["a pattern without text", ["--scope", "first,,last"], 2, /patterns such as hidden_\*/],
    ["no training data in a folder", ["--dataset", "shards", "--data-dir", "."], 3, /no train shards/],
    ["--upload-only alone", ["--upload-only"], 2, /--upload-only belongs to --push/],
    ["a member beyond the family", ["--member", "3"], 2, /--member 3 is none of 2 --models/],
  ])("refuses %s in one line, with its exit code, and writes nothing", async (_, words, code, message) => {
    const ended = await runTrain("--out", join(out, "x"), ...words);
    expect(ended.stderr).toMatch(/^edgefuse: [^\n]+\n$/);
    expect(ended.stderr).toMatch(message);
    expect(ended.stdout).toBe("");
    expect(ended.code).toBe(code);
    expect(await readdir(out)).toEqual([]);
  });

  it("never replaces a file of another run unasked", async () => {
    const line = ["--hidden", "8", "--epochs", "1", "--models", "1", "--name", "fam", "--out", out];
    await writeFile(join(out, "fam-1.safetensors"), "mine");
    const foreign = await runTrain(...line);
    expect(foreign.code).toBe(2);
    expect(foreign.stderr).toMatch(
      /fam-1\.safetensors is there and was not trained by this command\. Take another --name/,
    );
    expect(await readFile(join(out, "fam-1.safetensors"), "utf8")).toBe("mine");

    expect(await runTrain(...line, "--fresh")).toMatchObject({ code: 0 });
    const other = await runTrain(...line, "--learning-rate", "0.05");
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(
      /is of another run: regime\.learningRate is 0\.05, was 0\.1\. Take another --name or --out/,
    );
  });

  it("discards with --fresh all that has the name, also best weights that are not kept any more", async () => {
    const line = ["--hidden", "8", "--epochs", "1", "--models", "1", "--name", "fam", "--out", out];
    expect(await runTrain(...line, "--keep-best")).toMatchObject({ code: 0 });
    expect((await readdir(out)).sort()).toEqual(["fam-1.best.safetensors", "fam-1.safetensors"]);
    expect(await runTrain(...line, "--learning-rate", "0.05", "--fresh")).toMatchObject({ code: 0 });
    expect(await readdir(out)).toEqual(["fam-1.safetensors"]);
  });

  it("says after --fresh to go on without it, which works over files of another run", async () => {
    const line = ["--hidden", "8", "--models", "1", "--name", "fam", "--out", out];
    expect(await runTrain(...line, "--epochs", "1")).toMatchObject({ code: 0 });
    const long = [...line, "--epochs", "1000000"];
    const stopped = await runStopped([...long, "--fresh"], () => Promise.resolve());
    expect(stopped.code, stopped.stderr).toBe(75);
    expect(stopped.stderr).toMatch(/Stopped by SIGTERM\. The state is saved .*; run the same command without --fresh/);
    const again = await runStopped(long, () => Promise.resolve());
    expect(again.code, again.stderr).toBe(75);
    expect(again.stderr).toMatch(/fam-1 goes on from step \d+\n[^]*; run the same command again to go on\.\n$/);
  });

  it("tells of a state that it could not save when it was stopped, and does not say that it may be run again", async () => {
    const line = ["--hidden", "8", "--models", "1", "--name", "fam", "--out", out, "--epochs", "1000000"];
    // No file can take the name of a folder that has something in it.
    const below = join(out, ".fam-1.state.safetensors", "below");
    const stopped = await runStopped(line, async () => void (await mkdir(below, { recursive: true })));
    expect(stopped.stderr).toMatch(/\nedgefuse: Stopped by SIGTERM, but not in good order: EISDIR[^\n]*\n$/);
    expect(stopped.code).toBe(3);
  });

  it("refuses to train what another run trains, and leaves that one alone", async () => {
    const line = ["--hidden", "8", "--name", "fam", "--out", out, "--epochs", "1000000"];
    let second: Awaited<ReturnType<typeof runTrain>> | undefined;
    const first = await runStopped(line, async () => {
      second = await runTrain(...line, "--member", "2", "--fresh");
      expect(await readdir(out)).toEqual([".fam-1.lock", ".fam-2.lock"]);
    });
    expect(second).toMatchObject({ code: 2, stdout: "" });
    expect(second?.stderr).toMatch(
      /\nedgefuse: \S+fam-2\.safetensors is being trained by another run \(process \d+\)\. Wait for its end, or take another --name or --out\.\n$/,
    );
    expect(first.code, first.stderr).toBe(75);
    expect((await readdir(out)).sort()).toEqual([".fam-1.state.safetensors", ".fam-2.state.safetensors"]);
  });

  it("writes the models that did not diverge, and says of the others what to do", async () => {
    // A rate at which some do and some do not.
    const regime = [
      "--hidden",
      "24,16,16",
      "--batch",
      "8",
      "--epochs",
      "3",
      "--learning-rate",
      "2",
      "--fixed-ratio",
      "0",
    ];
    const family = ["--models", "8", "--seed", "3", "--name", "fam", "--out", out];
    const { code, stderr, stdout } = await runTrain(...regime, ...family);
    expect(code).toBe(6);
    expect(stdout).toBe("");
    const [, others = "0", written] =
      /\nedgefuse: fam-\d diverged: .*lower --learning-rate \(now 2\).*?(?: So did (\d) more\.)? The other (\d) models are written\.\n$/.exec(
        stderr,
      ) ?? [];
    expect(1 + Number(others) + Number(written), stderr).toBe(8);
    const names = await readdir(out);
    expect(names.every((name) => /^fam-\d\.safetensors$/.test(name))).toBe(true);
    expect(names).toHaveLength(Number(written));
  });

  it("trains one member alone to the bytes that it has among the others, also on data divided among them", async () => {
    const line = ["--hidden", "8", "--epochs", "1", "--batch", "8", "--models", "3", "--partition", "iid"];
    const run = [...line, "--name", "fam", "--keep-best"];
    const [together, alone] = [join(out, "together"), join(out, "alone")];
    expect(await runTrain(...run, "--out", together)).toMatchObject({ code: 0 });
    const second = await runTrain(...run, "--out", alone, "--member", "2", "--json");
    expect(second).toMatchObject({ code: 0, stderr: expect.stringContaining("3 models, 40 % frozen") });
    expect(second.stderr).toContain(", member 2 alone, wasm\n");
    expect(JSON.parse(second.stdout)).toMatchObject({ event: "checkpoint", label: "fam-2", member: 2 });
    expect((await readdir(alone)).sort()).toEqual(["fam-2.best.safetensors", "fam-2.safetensors"]);
    for (const name of await readdir(alone)) {
      expect((await readFile(join(alone, name))).equals(await readFile(join(together, name))), name).toBe(true);
    }
    // The family goes on from there, and leaves alone what is done.
    const rest = await runTrain(...run, "--out", alone);
    expect(rest.stderr).toContain("fam-2.safetensors is trained already");
    expect((await readdir(alone)).length).toBe(6);
  });

  it("records the losses of every member, each step once, also when it is run again", async () => {
    const file = join(out, "deep", "metrics.jsonl");
    const line = ["--hidden", "8", "--batch", "16", "--epochs", "2", "--name", "fam", "--out", out, "--metrics", file];
    expect(await runTrain(...line)).toMatchObject({ code: 0 });
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    const points = lines.map((text) => JSON.parse(text) as Record<string, unknown>);
    // 15 steps an epoch: every tenth, and the last of each epoch with its validation.
    for (const label of ["fam-1", "fam-2"]) {
      const own = points.filter((point) => point["label"] === label);
      expect(own.map(({ step, epoch }) => [step, epoch])).toEqual([
        [10, 1],
        [15, 1],
        [20, 2],
        [30, 2],
      ]);
      expect(own.map(({ validation }) => validation !== undefined)).toEqual([false, true, false, true]);
      for (const { loss, smoothedLoss, learningRate, samplesPerSecond } of own) {
        for (const number of [loss, smoothedLoss, samplesPerSecond]) expect(number).toBeGreaterThan(0);
        expect(learningRate).toBe(0.1);
      }
    }
    await runTrain(...line, "--fresh");
    expect((await readFile(file, "utf8")).trimEnd().split("\n")).toEqual(lines);
  });

  it("trains every kind of model by its name, with what is set", async () => {
    const file = join(out, "cnn-1.safetensors");
    const settings = ["--model", "cnn", "--set", "channels=3", "--set", "hidden=5"];
    const line = ["--batch", "60", "--epochs", "1", "--models", "1", "--name", "cnn", "--out", out];
    expect(await runTrain(...line, ...settings)).toMatchObject({ code: 0 });
    const { metadata } = decodeSafetensors(new Uint8Array(await readFile(file))).header;
    const architecture = { architecture: "cnn", input: [4, 4, 1], channels: [3], hidden: [5], classes: 4 };
    expect(readArchitecture(metadata)).toEqual(architecture);
    // The same from JSON, which a checkpoint's own metadata is: the file is found trained.
    const again = await runTrain(...line, "--architecture", metadata["edgefuse.model"] ?? "");
    expect(again.stderr).toContain(`${file} is trained already`);
  });
});
