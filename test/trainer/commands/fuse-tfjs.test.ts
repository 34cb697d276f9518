import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeSafetensors, encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { f32Checkpoint, linearModel } from "../../support/checkpoint-files.ts";
import { roundFloat, valueOfBits } from "../../support/float-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";
import { runCli } from "./run-cli.ts";

let folder: string;
beforeAll(async () => {
  await wasmEngine();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-tfjs-"));
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const namesIn = async (path: string) => (await readdir(path)).toSorted();

/** No architecture of edgefuse: what it computes is in its `model.json` alone. */
function convolutional(activation: "relu" | "tanh" = "relu"): tfl.LayersModel {
  return tfl.sequential({
    layers: [
      tfl.layers.conv2d({ inputShape: [5, 5, 1], filters: 3, kernelSize: 2, activation, name: "conv" }),
      tfl.layers.flatten({ name: "flatten" }),
      tfl.layers.dense({ units: 4, name: "logits" }),
    ],
  });
}

type Values = Readonly<Record<string, readonly number[]>>;

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  "conv/kernel": [2, 2, 1, 3],
  "conv/bias": [3],
  "logits/kernel": [48, 4],
  "logits/bias": [4],
};
const NAMES = Object.keys(SHAPES);

function valuesOf(salt: number): Values {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], index) => [
      name,
      Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, element) =>
        Math.fround(Math.sin(element * 0.61 + index + salt)),
      ),
    ]),
  );
}

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32";
  readonly quantization?: { readonly dtype: string; readonly scale?: number; readonly min?: number };
}

/** Writes a folder as `tensorflowjs` does: `model.json`, and weights in shards that cut wherever they are full. */
async function writeFolder(
  name: string,
  groups: readonly { readonly entries: readonly Entry[]; readonly data: Uint8Array }[],
  model = convolutional(),
): Promise<string> {
  await mkdir(at(name), { recursive: true });
  const weightsManifest = [];
  for (const [index, { entries, data }] of groups.entries()) {
    const cut = Math.floor(data.length / 2) + 1;
    const paths = [1, 2].map((shard) => `group${index + 1}-shard${shard}of2.bin`);
    await writeFile(join(at(name), paths[0] ?? ""), data.subarray(0, cut));
    await writeFile(join(at(name), paths[1] ?? ""), data.subarray(cut));
    weightsManifest.push({ paths, weights: entries });
  }
  const topology: unknown = JSON.parse(model.toJSON(undefined, true) as string);
  const json = { format: "layers-model", generatedBy: "keras", convertedBy: "test", modelTopology: topology };
  await writeFile(
    join(at(name), "model.json"),
    JSON.stringify({ ...json, userDefinedMetadata: { note: "kept" }, weightsManifest }),
  );
  model.dispose();
  return at(name);
}

const plain = (values: Values) => ({
  entries: NAMES.map((name): Entry => ({ name, shape: SHAPES[name] ?? [], dtype: "float32" })),
  data: new Uint8Array(new Float32Array(NAMES.flatMap((name) => values[name] ?? [])).buffer),
});

/** Small integers, and the numbers that they stand for. */
function quantised(): { groups: { entries: Entry[]; data: Uint8Array }[]; values: Values } {
  const values: Record<string, number[]> = {};
  const groups = [
    { names: ["conv/kernel", "conv/bias"], dtype: "uint8", width: 1, scale: 1 / 300, min: -0.4 },
    { names: ["logits/kernel", "logits/bias"], dtype: "uint16", width: 2, scale: 1.7e-5, min: -0.51 },
  ].map(({ names, dtype, width, scale, min }) => {
    const stored: number[] = [];
    const entries = names.map((name, index): Entry => {
      const shape = SHAPES[name] ?? [];
      const count = shape.reduce((product, size) => product * size, 1);
      const own = Array.from({ length: count }, (_, element) => (element * 37 + index * 11) % 256 ** width);
      stored.push(...own);
      values[name] = own.map((value) => Math.fround(value * scale + min));
      return { name, shape, dtype: "float32", quantization: { dtype, scale, min } };
    });
    const data = width === 1 ? Uint8Array.from(stored) : new Uint8Array(Uint16Array.from(stored).buffer);
    return { entries, data };
  });
  return { groups, values };
}

const meanOf = (a: Values, b: Values): Values =>
  Object.fromEntries(
    NAMES.map((name) => [
      name,
      (a[name] ?? []).map((value, index) => Math.fround((value + (b[name]?.[index] ?? 0)) / 2)),
    ]),
  );

async function tensorsOf(path: string): Promise<Values> {
  const { header, bytes } = decodeSafetensors(new Uint8Array(await readFile(path)));
  return Object.fromEntries(header.tensors.map((t) => [t.name, [...new Float32Array(bytes(t).slice().buffer)]]));
}

/** A TF.js folder as `tf.loadLayersModel` reads it. */
async function load(path: string): Promise<{ model: tfl.LayersModel; json: Record<string, unknown> }> {
  const json = JSON.parse(await readFile(path, "utf8")) as {
    modelTopology: object;
    weightsManifest: { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
  };
  const [group] = json.weightsManifest;
  const weightData = new Uint8Array(await readFile(join(dirname(path), group?.paths[0] ?? ""))).buffer;
  const artifacts = { modelTopology: json.modelTopology, weightSpecs: group?.weights ?? [], weightData };
  return { model: await tfl.loadLayersModel(tf.io.fromMemory(artifacts)), json };
}

/** What a model has loaded, and what it says to one sample. */
async function behaviour(model: tfl.LayersModel): Promise<{ weights: Values; logits: number[] }> {
  const weights: Record<string, number[]> = {};
  for (const weight of model.weights) weights[weight.originalName] = [...(await weight.read().data())];
  const sample = tf.tensor4d(
    Array.from({ length: 25 }, (_, index) => Math.cos(index)),
    [1, 5, 5, 1],
  );
  const answer = model.predict(sample) as tf.Tensor;
  const logits = [...(await answer.data())];
  tf.dispose([sample, answer]);
  model.dispose();
  return { weights, logits };
}

describe("edgefuse fuse with TF.js models", () => {
  it("reads folders and model.json: sharded weights, quantised to 8 and 16 bits", async () => {
    const { groups, values } = quantised();
    const a = await writeFolder("a", [plain(valuesOf(1))]);
    const b = await writeFolder("b", groups);
    for (const paths of [
      [a, b],
      [join(a, "model.json"), join(b, "model.json")],
    ]) {
      const ended = await runCli(["fuse", ...paths, "-o", at("o.safetensors"), "--force"]);
      expect([ended.code, ended.stderr]).toEqual([0, ""]);
      expect(await tensorsOf(at("o.safetensors"))).toEqual(meanOf(valuesOf(1), values));
    }
  });

  it("mixes them with safetensors of the same tensors", async () => {
    const a = await writeFolder("a", [plain(valuesOf(1))]);
    const tensors = NAMES.map(
      (name) =>
        [
          name,
          {
            dtype: "F32" as const,
            shape: SHAPES[name] ?? [],
            data: new Uint8Array(new Float32Array(valuesOf(2)[name] ?? []).buffer),
          },
        ] as const,
    );
    await writeFile(at("b.safetensors"), encodeSafetensors(new Map(tensors)));
    const ended = await runCli(["fuse", a, at("b.safetensors"), "-o", at("o.safetensors")]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    expect(await tensorsOf(at("o.safetensors"))).toEqual(meanOf(valuesOf(1), valuesOf(2)));
  });

  it.each(["f32", "f16"] as const)("writes a folder that tf.loadLayersModel takes (%s)", async (dtype) => {
    const { groups, values } = quantised();
    const inputs = [await writeFolder("a", [plain(valuesOf(1))]), await writeFolder("b", groups)];
    const line = ["fuse", ...inputs, "--dtype", dtype, "--json"];
    const ended = await runCli([...line, "-o", at("o/model.json")]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    expect(await namesIn(at("o"))).toEqual(["model.json", "weights.bin"]);
    // The weights are the data section of the safetensors file, whose digest is told.
    const file = await runCli([...line, "-o", at("o.safetensors")]);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      path: at("o/model.json"),
      sha256: (JSON.parse(file.stdout) as { sha256: string }).sha256,
    });
    const whole = new Uint8Array(await readFile(at("o.safetensors")));
    const { dataOffset } = decodeSafetensors(whole).header;
    expect(Buffer.compare(await readFile(at("o/weights.bin")), whole.subarray(dataOffset))).toBe(0);

    const { model, json } = await load(at("o/model.json"));
    expect(json).toMatchObject({
      format: "layers-model",
      generatedBy: "edgefuse",
      userDefinedMetadata: { note: "kept" },
    });
    const found = await behaviour(model);
    // In float64: to round twice, to float32 and to float16, would not be the same.
    const expected = Object.fromEntries(
      NAMES.map((name) => [
        name,
        (valuesOf(1)[name] ?? []).map((value, index) => {
          const mean = (value + (values[name]?.[index] ?? 0)) / 2;
          return dtype === "f32" ? Math.fround(mean) : valueOfBits("F16", roundFloat("F16", mean));
        }),
      ]),
    );
    expect(found.weights).toEqual(expected);
    const reference = convolutional();
    reference.setWeights(
      reference.weights.map(({ originalName, shape }) =>
        tf.tensor([...(expected[originalName] ?? [])], shape as number[]),
      ),
    );
    expect(found.logits).toEqual((await behaviour(reference)).logits);
  });

  it("makes the topology of a known architecture from safetensors", async () => {
    await writeFile(at("a.safetensors"), linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0]));
    await writeFile(at("b.safetensors"), linearModel([3, 2, 1, 0, 1, 2, 3, 4], [0, 1]));
    const ended = await runCli(["fuse", at("a.safetensors"), at("b.safetensors"), "-o", at("o/model.json")]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    const { model } = await load(at("o/model.json"));
    const weights = await Promise.all(model.weights.map(async (weight) => [...(await weight.read().data())]));
    expect(weights).toEqual([
      [2, 2, 2, 2, 3, 4, 5, 6],
      [0.5, 0.5],
    ]);
    model.dispose();
  });

  it("may be read again, and fused on", async () => {
    const inputs = [await writeFolder("a", [plain(valuesOf(1))]), await writeFolder("b", [plain(valuesOf(2))])];
    expect((await runCli(["fuse", ...inputs, "-o", at("o/model.json")])).code).toBe(0);
    const again = await runCli(["fuse", at("o"), "-o", at("p.safetensors"), "--method", "passthrough"]);
    expect([again.code, again.stderr]).toEqual([0, ""]);
    expect(await tensorsOf(at("p.safetensors"))).toEqual(meanOf(valuesOf(1), valuesOf(2)));
  });

  it("replaces a model only where told to, weights and all", async () => {
    const inputs = [await writeFolder("a", [plain(valuesOf(1))]), await writeFolder("b", [plain(valuesOf(2))])];
    await mkdir(at("o"));
    for (const name of ["weights.bin", "model.json"]) {
      await writeFile(at(`o/${name}`), "precious");
      const refused = await runCli(["fuse", ...inputs, "-o", at("o/model.json")]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/exists; give --force/)]);
      expect(await namesIn(at("o"))).toContain(name);
      expect(await readFile(at(`o/${name}`), "utf8")).toBe("precious");
    }
    // Over one of its own inputs, too: that is read before it goes.
    await writeFile(join(at("b"), "weights.bin"), "old");
    for (const target of [at("o"), at("b")]) {
      const ended = await runCli(["fuse", ...inputs, "-o", join(target, "model.json"), "--force"]);
      expect([ended.code, ended.stderr]).toEqual([0, ""]);
      const { weights } = await behaviour((await load(join(target, "model.json"))).model);
      expect(weights).toEqual(meanOf(valuesOf(1), valuesOf(2)));
    }
  });

  it.each<[string, string[], RegExp]>([
    ["a dtype that TF.js does not have", ["a", "b", "--dtype", "bf16"], /TF\.js reads F32, F16, .*is BF16/],
    ["no architecture", ["plain.st", "plain.st"], /architecture/],
    ["other topologies", ["a", "tanh"], /architecture/],
    ["weights that are cut short", ["a", "short"], /short.*the files/],
    ["a weight file that is missing", ["a", "missing"], /missing.*group1-shard2of2\.bin/],
    ["a model.json that is none", ["a", "broken"], /broken.*model\.json/],
  ])("says in one line what is wrong, and writes nothing: %s", async (_, words, message) => {
    await writeFolder("a", [plain(valuesOf(1))]);
    await writeFolder("b", [plain(valuesOf(2))]);
    await writeFolder("tanh", [plain(valuesOf(2))], convolutional("tanh"));
    await writeFolder("short", [plain(valuesOf(2))]);
    await writeFile(at("short/group1-shard2of2.bin"), "");
    await writeFolder("missing", [plain(valuesOf(2))]);
    await rm(at("missing/group1-shard2of2.bin"));
    await writeFolder("broken", [plain(valuesOf(2))]);
    await writeFile(at("broken/model.json"), "{}");
    await writeFile(at("plain.st"), f32Checkpoint({ w: [1, 2] }));
    const before = await namesIn(folder);
    const line = words.map((word) => (word.startsWith("-") || word === "bf16" ? word : at(word)));
    const ended = await runCli(["fuse", ...line, "-o", at("o/model.json")]);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([ended.code, ended.stdout]).toEqual([3, ""]);
    expect(await namesIn(folder)).toEqual(before);
  });
});
