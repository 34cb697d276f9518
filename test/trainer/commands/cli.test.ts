import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeShard } from "../../../shared/evaluation/shard.ts";
import { runCli } from "./run-cli.ts";

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "edgefuse-cli-"));
});
afterEach(() => rm(out, { recursive: true }));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const quick = ["--hidden", "16", "--epochs", "1", "--batch", "200"];

const jsonLines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("edgefuse", () => {
  it("helps: in general, for a command, both ways of asking", async () => {
    const general = await runCli(["help"]);
    expect(general).toMatchObject({ code: 0, stderr: "" });
    for (const name of ["train", "shard", "fuse", "push", "help"]) expect(general.stdout).toContain(`\n  ${name} `);
    expect(general.stdout).toMatch(/130 +interrupted/);
    const [flag, command] = await Promise.all([runCli(["train", "--help"]), runCli(["help", "train"])]);
    expect(flag).toEqual(command);
    expect(flag.stdout).toMatch(/Usage: edgefuse train \[options\]/);
    expect(flag.stdout).toMatch(/--fixed-ratio X +share .*default 0\.4/);
    expect(flag.stdout).toContain("Examples");
  });

  it.each<[string, string[], number, RegExp]>([
    ["no command", [], 2, /A command is needed: .*train/],
    ["an unknown command", ["trian"], 2, /There is no command "trian"\. Did you mean train\?/],
    ["help about nothing", ["help", "pish"], 2, /Did you mean push\?/],
    [
      "an unknown option",
      ["train", "--out", "x", "--bacth", "3"],
      2,
      /Unknown option --bacth\. Did you mean --batch\?/,
    ],
    [
      "a fixed ratio of 1",
      ["train", "--out", "x", "--fixed-ratio", "1"],
      2,
      /--fixed-ratio "1" is not valid: it takes a share in \[0, 1\)/,
    ],
    ["a negative fixed ratio", ["train", "--out", "x", "--fixed-ratio=-0.1"], 2, /a share in \[0, 1\)/],
    ["an unknown dataset", ["train", "--out", "x", "--dataset", "minst"], 2, /one of glyphs, mnist/],
    ["no output folder", ["train"], 2, /--out DIR is needed/],
    ["a name that leaves the folder", ["train", "--out", "x", "--name", "../x"], 2, /--name "\.\.\/x" is not valid/],
    ["a batch beyond the data", ["train", "--out", "x", "--batch", "8001"], 2, /batch is 8001; glyphs has 8000/],
    [
      "a data folder that is none",
      ["shard", "--dataset", "mnist", "--data-dir", "nowhere", "--out", "x"],
      3,
      /--data-dir nowhere is not a folder/,
    ],
    ["no settings of a worker", ["push", "x.safetensors"], 2, /Set EDGEFUSE_URL, EDGEFUSE_TOKEN in the environment/],
    ["nothing to push", ["push"], 2, /FILE\.\.\. is needed/],
  ])("ends with one line and its exit code for %s", async (_, words, code, message) => {
    const ended = await runCli(words);
    expect(ended.stdout).toBe("");
    const lines = ended.stderr
      .trimEnd()
      .split("\n")
      .filter((line) => line.startsWith("edgefuse:"));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    expect(ended.code).toBe(code);
  });
});

describe("edgefuse train", () => {
  it("writes the checkpoints it reports, and says the same again", async () => {
    const line = ["train", ...quick, "--seed", "5", "--name", "fam", "--json"];
    const first = await runCli([...line, "--out", join(out, "a", "deep")]);
    expect(first.code).toBe(0);
    const results = jsonLines(first.stdout);
    expect(results.map(({ event, member }) => [event, member])).toEqual([
      ["checkpoint", 1],
      ["checkpoint", 2],
    ]);
    expect(await readdir(join(out, "a", "deep"))).toEqual(["fam-1.safetensors", "fam-2.safetensors"]);
    for (const { path, sha256: digest } of results) expect(sha256(await readFile(String(path)))).toBe(digest);
    expect(first.stderr).toMatch(/fam-1 {2}epoch 1\/1 .*done/);

    const second = await runCli([...line, "--out", join(out, "b"), "--threads", "1"]);
    const digests = jsonLines(second.stdout).map(({ sha256: digest }) => digest);
    expect(digests).toEqual(results.map(({ sha256: digest }) => digest));
  });

  it("prints digests for people", async () => {
    const { stdout, code } = await runCli(["train", ...quick, "--models", "1", "--out", out]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^[0-9a-f]{64} {2}\S+glyphs-mlp-1x16-f0\.4-s1-1\.safetensors {2}accuracy \d+\.\d\d % {2}loss/,
    );
  });

  it("ends with 6 and writes nothing when training diverges", async () => {
    const { code, stderr, stdout } = await runCli([
      "train",
      ...quick,
      "--learning-rate",
      "1e9",
      "--out",
      join(out, "x"),
    ]);
    expect(code).toBe(6);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/edgefuse: glyphs-\S+ diverged: the loss was no longer a number at step \d+ of 40/);
    expect(await readdir(out)).toEqual([]);
  });

  it("writes nothing under a checkpoint's name when it is stopped", async () => {
    const words = ["train", "--epochs", "100000", "--out", join(out, "x"), "--name", "fam", "--backend", "wasm"];
    const { code, stderr, stdout } = await runCli(words, {}, { matches: /step/, signal: "SIGTERM" });
    expect(stderr).toMatch(
      /edgefuse: Stopped by SIGTERM\. The state is saved \(fam-1 at step \d+ of 8000000, fam-2 at/,
    );
    expect(code).toBe(75);
    expect(stdout).toBe("");
    const states = [".fam-1.state.safetensors", ".fam-2.state.safetensors"];
    expect((await readdir(join(out, "x"))).sort()).toEqual(states);

    // The state is of this task and no other, until it is said that it may go.
    const other = [...words.with(2, "1"), ...quick.filter((word) => word !== "--epochs" && word !== "1")];
    const refused = await runCli(other);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/state\.safetensors is of another run: architecture\.hidden is \[16\], was \[128,/);
    expect((await readdir(join(out, "x"))).sort()).toEqual(states);
    expect(await runCli([...other, "--fresh"])).toMatchObject({ code: 0 });
    expect((await readdir(join(out, "x"))).sort()).toEqual(["fam-1.safetensors", "fam-2.safetensors"]);
  });

  it("says which file of a dataset is broken", async () => {
    for (const name of ["train-images", "train-labels", "t10k-images", "t10k-labels"]) {
      await writeFile(join(out, `${name}-idx${name.endsWith("images") ? 3 : 1}-ubyte`), "not an IDX file at all");
    }
    const { code, stderr } = await runCli(["train", "--dataset", "mnist", "--data-dir", out, "--out", join(out, "x")]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^edgefuse: train-images-idx3-ubyte\.gz is not a usable IDX file: its magic number/);
  });

  it("says that it cannot write", async () => {
    await writeFile(join(out, "file"), "");
    const { code, stderr } = await runCli(["train", ...quick, "--models", "1", "--out", join(out, "file", "below")]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/edgefuse: .*ENOTDIR/);
  });
});

describe("edgefuse shard", () => {
  it("writes shards that a worker can read, the same every time", async () => {
    const words = ["shard", "--size", "600", "--limit", "1000", "--json", "--out"];
    const [first, second] = await Promise.all([runCli([...words, join(out, "a")]), runCli([...words, join(out, "b")])]);
    const [results, again] = [jsonLines(first.stdout), jsonLines(second.stdout)];
    expect(results.map(({ samples }) => samples)).toEqual([600, 400]);
    expect(again.map(({ sha256: digest }) => digest)).toEqual(results.map(({ sha256: digest }) => digest));
    const file = new Uint8Array(await readFile(join(out, "a", "glyphs-validation-2.safetensors")));
    expect(sha256(file)).toBe(results[1]?.["sha256"]);
    const shard = decodeShard(file);
    expect(shard).toMatchObject({ count: 400, inputShape: [28, 28, 1], scale: 1 / 64 });
    expect(new Set(shard.y).size).toBe(10);
  });
});
