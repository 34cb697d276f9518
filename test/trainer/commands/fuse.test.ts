import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  encodeSafetensors,
  layoutSafetensors,
  parseHeader,
  readHeaderLength,
} from "../../../shared/safetensors/index.ts";
import { RandomStream } from "../../../shared/random/stream.ts";
import { f32Checkpoint } from "../../support/checkpoint-files.ts";
import { floatBytes, type FloatName, float64Average } from "../../support/float-oracle.ts";
import { MAIN, runCli } from "./run-cli.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-fuse-"));
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function values(count: number, name: string): number[] {
  const random = new RandomStream(3n, name);
  return Array.from({ length: count }, () => Math.fround(random.uniform() - 0.5));
}

const A = values(3000, "a");
const B = values(3000, "b");

async function writeInputs(): Promise<[string, string]> {
  await writeFile(at("a.st"), f32Checkpoint({ w: A, bias: [1, 2] }));
  await writeFile(at("b.st"), f32Checkpoint({ w: B, bias: [3, 5] }));
  return [at("a.st"), at("b.st")];
}

async function dataOf(path: string, tensor: string): Promise<Uint8Array> {
  const file = new Uint8Array(await readFile(path));
  const end = 8 + readHeaderLength(file, file.length);
  const header = parseHeader(file.subarray(8, end), file.length);
  const found = header.tensors.find(({ name }) => name === tensor);
  if (found === undefined) throw new Error(`${path} has no ${tensor}`);
  return file.subarray(header.dataOffset + found.begin, header.dataOffset + found.end);
}

/** Bit patterns of a tensor in a file. */
async function bitsOf(path: string, tensor: string, format: FloatName): Promise<bigint[]> {
  const data = await dataOf(path, tensor);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const width = floatBytes(format);
  return Array.from({ length: data.length / width }, (_, index) => {
    if (width === 1) return BigInt(view.getUint8(index));
    return BigInt(width === 2 ? view.getUint16(2 * index, true) : view.getUint32(4 * index, true));
  });
}

describe("edgefuse fuse", () => {
  it.each<[string, FloatName]>([
    ["input", "F32"],
    ["f32", "F32"],
    ["bf16", "BF16"],
    ["F16", "F16"],
    ["f8_e4m3", "F8_E4M3"],
    ["F8_e5m2", "F8_E5M2"],
  ])("averages to the bit, rounded once (--dtype %s)", async (dtype, format) => {
    const inputs = await writeInputs();
    const line = ["fuse", ...inputs, "-o", at("o.st"), "--weights", "1,0.3", "--dtype", dtype, "--json"];
    const { code, stdout, stderr } = await runCli(line);
    expect([code, stderr]).toEqual([0, ""]);
    const expected = A.map((value, index) => float64Average(format, [value, B[index] ?? 0], [1, 0.3]));
    expect(await bitsOf(at("o.st"), "w", format)).toEqual(expected);
    const file = await readFile(at("o.st"));
    expect(JSON.parse(stdout)).toMatchObject({
      event: "fused",
      path: at("o.st"),
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      sha256: sha256(file),
      bytes: file.length,
      tensors: 2,
      elements: 3002,
      overflows: 0,
      alignment: { declared: false },
    });
    expect((await readdir(folder)).toSorted()).toEqual(["a.st", "b.st", "o.st"]);
  });

  it("takes methods with a base and parameters, and writes a manifest", async () => {
    const inputs = await writeInputs();
    await writeFile(at("z.st"), f32Checkpoint({ w: A.map(() => 0), bias: [0, 0] }));
    const line = ["fuse", ...inputs, "--method", "task-arithmetic", "--base", at("z.st"), "--set", "lambda=0.5"];
    const { code, stderr } = await runCli([...line, "-o", at("o.st"), "--manifest", at("m.json")]);
    expect([code, stderr]).toEqual([0, ""]);
    const bias = new Float32Array((await dataOf(at("o.st"), "bias")).slice().buffer);
    expect([...bias]).toEqual([2, 3.5]);
    const manifest = JSON.parse(await readFile(at("m.json"), "utf8")) as Record<string, unknown>;
    const file = await readFile(at("o.st"));
    expect(manifest).toMatchObject({
      recipe: { method: "task-arithmetic", base: sha256(await readFile(at("z.st"))), parameters: { lambda: 0.5 } },
      sha256: sha256(file),
      parts: { bytes: 8 * 2 ** 20, sha256: [sha256(file)] },
    });
  });

  it("shows a plan without writing", async () => {
    const inputs = await writeInputs();
    const { code, stdout } = await runCli(["fuse", ...inputs, "--plan", "--weights", "1,3"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model [0-9a-f]{64}: linear, 2 tensors/);
    expect(stdout).toMatch(/^w +F32 +\[3000\].*coefficients (0\.25, 0\.75|0\.75, 0\.25)$/m);
    expect((await readdir(folder)).toSorted()).toEqual(["a.st", "b.st"]);
  });

  it("does not replace a file unless told to", async () => {
    const inputs = await writeInputs();
    await writeFile(at("o.st"), "precious");
    const refused = await runCli(["fuse", ...inputs, "-o", at("o.st")]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      `edgefuse: ${at("o.st")} exists; give --force to replace it.\n`,
    ]);
    expect(await readFile(at("o.st"), "utf8")).toBe("precious");
    expect((await runCli(["fuse", ...inputs, "-o", at("o.st"), "--force"])).code).toBe(0);
    expect(await bitsOf(at("o.st"), "bias", "F32")).toHaveLength(2);
  });

  it("reads sharded checkpoints, by folder and by index", async () => {
    await mkdir(at("sharded"));
    const shard = (name: string, numbers: number[]) =>
      writeFile(at(`sharded/${name}`), f32Checkpoint({ [name[6] === "1" ? "bias" : "w"]: numbers }));
    await shard("model-1.safetensors", [1, 2]);
    await shard("model-2.safetensors", A);
    const weight_map = { bias: "model-1.safetensors", w: "model-2.safetensors" };
    const index = { metadata: { total_size: 4 * (A.length + 2) }, weight_map };
    await writeFile(at("sharded/model.safetensors.index.json"), JSON.stringify(index));
    const [, b] = await writeInputs();
    for (const path of [at("sharded"), at("sharded/model.safetensors.index.json")]) {
      const { code, stderr } = await runCli(["fuse", path, b, "-o", at("o.st"), "--force"]);
      expect([code, stderr]).toEqual([0, ""]);
      const expected = A.map((value, element) => float64Average("F32", [value, B[element] ?? 0], [1, 1]));
      expect(await bitsOf(at("o.st"), "w", "F32")).toEqual(expected);
    }
  });

  it.each<[string, string[], number, RegExp]>([
    ["an unknown method", ["a.st", "--method", "tise"], 2, /There is no method "tise"\. Did you mean ties\? Known: /],
    ["an unknown parameter", ["a.st", "--set", "normalise=true"], 2, /--set normalise: .*Did you mean "normalize"\?/],
    [
      "a parameter twice",
      ["a.st", "--set", "normalize=true", "--set", "normalize=false"],
      2,
      /normalize is given twice/,
    ],
    ["a setting that is none", ["a.st", "--set", "normalize"], 2, /it takes NAME=VALUE/],
    ["a method that needs a base", ["a.st", "--method", "ties"], 2, /--base FILE is needed: ties/],
    ["a base that is not wanted", ["a.st", "--base", "b.st"], 2, /--base: linear takes no base/],
    ["too few weights", ["a.st", "b.st", "--weights", "1"], 2, /--weights has 1 numbers for 2 files/],
    ["weights that are none", ["a.st", "--weights", "1,x"], 2, /--weights "1,x" is not valid: it takes numbers/],
    ["a negative weight", ["a.st", "b.st", "--weights=-1,2"], 2, /--weights, number 1: .*negative/],
    ["a missing file", ["a.st", "nope.st"], 3, /nope\.st/],
    ["a file that is not safetensors", ["a.st", "text"], 3, /text: The header/],
    ["an empty folder", ["a.st", "."], 3, /has none of model\.safetensors\.index\.json/],
    ["other shapes", ["a.st", "other.st"], 3, /"w" of \S*other\.st has shape \[1\], the first input has \[3000\]/],
    ["values that are not finite", ["a.st", "nan.st"], 3, /Tensor "w" of \S*nan\.st is not finite at element 7/],
    ["undeclared alignment", ["a.st", "b.st", "--require-alignment"], 3, /declare none/],
  ])("ends with one line and its exit code for %s", async (_, words, code, message) => {
    await writeInputs();
    await writeFile(at("text"), "not a model at all, only text");
    await writeFile(at("other.st"), f32Checkpoint({ w: [1], bias: [1, 2] }));
    await writeFile(at("nan.st"), f32Checkpoint({ w: A.with(7, Number.NaN), bias: [1, 2] }));
    const before = (await readdir(folder)).toSorted();
    const line = words.map((word) => (/^(\.|text|\w+\.st)$/.test(word) ? join(folder, word) : word));
    const ended = await runCli(["fuse", ...line, "-o", at("o.st")]);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([ended.code, ended.stdout]).toEqual([code, ""]);
    expect((await readdir(folder)).toSorted()).toEqual(before);
  });

  it("needs an output", async () => {
    const [a] = await writeInputs();
    expect(await runCli(["fuse", a])).toMatchObject({ code: 2, stderr: expect.stringContaining("-o FILE is needed") });
  });

  it.each<["SIGINT" | "SIGTERM", number]>([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("leaves nothing behind on %s", async (signal, expected) => {
    const { headerBytes, fileLength } = layoutSafetensors([{ name: "w", dtype: "F32", shape: [2 ** 26] }], {});
    const sparse = await open(at("a.st"), "w");
    await sparse.write(headerBytes);
    await sparse.truncate(fileLength); // a hole of 256 MiB, which costs no disk
    await sparse.close();
    const child = spawn(process.execPath, [MAIN, "fuse", at("a.st"), at("a.st"), "-o", at("o.st")], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env["PATH"] ?? "" },
    });
    const ended = new Promise<number | null>((resolve) => {
      child.on("close", resolve);
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    while (!(await readdir(folder)).some((name) => name.endsWith(".part"))) {
      expect(child.exitCode).toBeNull();
      await sleep(5);
    }
    child.kill(signal);
    expect(await ended).toBe(expected);
    expect(stderr).toContain(`Stopped by ${signal}`);
    expect(await readdir(folder)).toEqual(["a.st"]);
  });

  it("copies integer tensors that agree, and refuses or takes the first of those that do not", async () => {
    const write = (name: string, step: number) =>
      writeFile(
        at(name),
        encodeSafetensors(
          new Map([["step", { dtype: "I32" as const, shape: [1], data: Uint8Array.of(step, 0, 0, 0) }]]),
        ),
      );
    await write("a.st", 1);
    await write("b.st", 2);
    const line = ["fuse", at("a.st"), at("b.st"), "-o", at("o.st")];
    expect(await runCli(line)).toMatchObject({ code: 3, stderr: expect.stringContaining('"step"') });
    expect((await runCli([...line, "--non-float", "first"])).code).toBe(0);
  });
});
