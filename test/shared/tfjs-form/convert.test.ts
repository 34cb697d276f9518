import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { sourceOfBytes } from "../../../shared/fusion/sharded-source.ts";
import { type Architecture, buildModel, initialWeights, MODEL_KEY, weightSpecs } from "../../../shared/models/index.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { convertTfjs, hasWeightsForm, layersModelOf, weightsManifestOf } from "../../../shared/tfjs-form/index.ts";
import { roundFloat } from "../../support/float-oracle.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const MLP: Architecture = { architecture: "mlp", input: [3, 2], hidden: [5, 4], classes: 3 };

beforeAll(async () => {
  await wasmEngine();
});

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function opener(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) {
  return (file: string) => {
    const bytes = files[file];
    if (bytes === undefined) throw new Error(`no file ${file}`);
    return Promise.resolve({ source: sourceOfBytes(bytes), size: bytes.length });
  };
}

/** Converts, and decodes the file as any reader of safetensors would. */
async function convert(modelJson: unknown, files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) {
  const { layout, source } = await convertTfjs(json(modelJson), opener(files));
  const file = await source.read(0, layout.fileLength);
  const { header, bytes } = decodeSafetensors(file);
  return {
    file,
    source,
    header,
    tensor: (name: string) => {
      const found = header.tensors.find((candidate) => candidate.name === name);
      if (found === undefined) throw new Error(`no tensor ${name}`);
      return { ...found, data: bytes(found).slice() };
    },
  };
}

/** What the real `model.save` hands to its handler. */
async function saved(model: tfl.LayersModel): Promise<tf.io.ModelArtifacts> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler((given) => {
      artifacts = given;
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } });
    }),
  );
  if (artifacts === undefined) throw new Error("the model was not saved");
  return artifacts;
}

const flat = (data: tf.io.ModelArtifacts["weightData"]) =>
  new Uint8Array(tf.io.CompositeArrayBuffer.join(data ?? new ArrayBuffer(0)));

function mlpWithWeights(): tfl.LayersModel {
  const model = buildModel(MLP);
  const weights = initialWeights(model, 7n);
  for (const { name, variable } of weightSpecs(model)) {
    const weight = weights.get(name);
    if (weight !== undefined) variable.assign(tf.tensor(weight.values, [...weight.shape]));
  }
  return model;
}

/** Cuts the weights into files of a size that fits no tensor. */
function cut(bytes: Uint8Array<ArrayBuffer>, size: number): Record<string, Uint8Array<ArrayBuffer>> {
  const count = Math.ceil(bytes.length / size);
  return Object.fromEntries(
    Array.from({ length: count }, (_, at) => [
      `group1-shard${at + 1}of${count}.bin`,
      bytes.slice(at * size, (at + 1) * size),
    ]),
  );
}

describe("a model that tfjs has saved", () => {
  it("converts with its names, its bytes and its architecture, from weight files cut anywhere", async () => {
    const model = mlpWithWeights();
    const artifacts = await saved(model);
    const weights = flat(artifacts.weightData);
    for (const size of [weights.length, 37, 4, 1]) {
      const files = cut(weights, size);
      const manifest = [{ paths: Object.keys(files), weights: artifacts.weightSpecs }];
      const { header, tensor } = await convert(
        { modelTopology: artifacts.modelTopology, format: "layers-model", weightsManifest: manifest },
        files,
      );
      expect(JSON.parse(header.metadata[MODEL_KEY] ?? "null")).toEqual(MLP);
      expect(header.tensors).toHaveLength(6);
      for (const { name, shape, variable } of weightSpecs(model)) {
        const found = tensor(name);
        expect([found.dtype, found.shape]).toEqual(["F32", shape]);
        expect(new Float32Array(found.data.buffer)).toEqual(variable.dataSync());
      }
    }
    model.dispose();
  });

  it("declares no architecture where layers or names are not ours", async () => {
    const other = tfl.sequential({
      layers: [
        tfl.layers.flatten({ inputShape: [3, 2], name: "flatten" }),
        tfl.layers.dense({ units: 4, activation: "tanh", name: "hidden_0" }),
        tfl.layers.dense({ units: 3, name: "output" }),
      ],
    });
    const artifacts = await saved(other);
    const files = { "w.bin": flat(artifacts.weightData) };
    const manifest = [{ paths: ["./w.bin"], weights: artifacts.weightSpecs }];
    const { header } = await convert({ modelTopology: artifacts.modelTopology, weightsManifest: manifest }, files);
    expect(header.metadata).toEqual({ format: "tf" });
    other.dispose();
  });

  it("comes back from our TF.js form bit for bit, and tfjs loads that form", async () => {
    const model = mlpWithWeights();
    const tensors = new Map(
      weightSpecs(model).map(({ name, shape, variable }) => [
        name,
        { dtype: "F32" as const, shape, data: new Uint8Array(Float32Array.from(variable.dataSync()).buffer) },
      ]),
    );
    const original = decodeSafetensors(encodeSafetensors(tensors, { [MODEL_KEY]: JSON.stringify(MLP) }));
    const form = layersModelOf(original.header);
    const data = new Uint8Array(original.header.tensors.flatMap((info) => Array.from(original.bytes(info))));
    const { header, tensor } = await convert(form, { "weights.bin": data });
    expect(header.tensors.map(({ name }) => name)).toEqual(original.header.tensors.map(({ name }) => name));
    for (const info of original.header.tensors) expect(tensor(info.name).data).toEqual(original.bytes(info).slice());
    expect(JSON.parse(header.metadata[MODEL_KEY] ?? "null")).toEqual(MLP);

    const loaded = await tfl.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: form.modelTopology as object,
        weightSpecs: form.weightsManifest[0].weights as tf.io.WeightsManifestEntry[],
        weightData: data.buffer,
      }),
    );
    const input = tf.ones([2, 3, 2]);
    const outputs = [model, loaded].map((each) => Array.from((each.predict(input) as tf.Tensor).dataSync()));
    expect(outputs[1]).toEqual(outputs[0]);
    tf.dispose([input]);
    model.dispose();
    loaded.dispose();
  });
});

describe("weights of every encoding", () => {
  const SCALE = 0.1 / 255;
  const MIN = -0.037;
  const halves = [0.5, -2, 65504, 5.960464477539063e-8, 0].map((value) => Number(roundFloat("F16", value)));
  const WEIGHTS = [
    { name: "plain", shape: [2], dtype: "float32" },
    { name: "flags", shape: [3], dtype: "bool" },
    { name: "counts", shape: [2], dtype: "int32" },
    { name: "halves", shape: [5], dtype: "float32", quantization: { dtype: "float16" } },
    { name: "bytes", shape: [2, 3], dtype: "float32", quantization: { dtype: "uint8", scale: SCALE, min: MIN } },
    { name: "none", shape: [0, 4], dtype: "float32" },
    { name: "shorts", shape: [3], dtype: "float32", quantization: { dtype: "uint16", scale: SCALE, min: MIN } },
    { name: "scalar", shape: [], dtype: "int32", quantization: { dtype: "uint8", scale: 0.7, min: -3 } },
  ] as const;
  const bytes = [0, 1, 127, 128, 254, 255];
  const shorts = [0, 12345, 65535];
  const stored = new Uint8Array([
    ...new Uint8Array(Float32Array.of(1.5, -0.1).buffer),
    ...[1, 0, 1],
    ...new Uint8Array(Int32Array.of(-7, 2 ** 30).buffer),
    ...new Uint8Array(Uint16Array.from(halves).buffer),
    ...bytes,
    ...new Uint8Array(Uint16Array.from(shorts).buffer),
    200,
  ]);
  const split = () => ({ "a.bin": stored.slice(0, 20), "b.bin": stored.slice(20) });
  const manifest = { weightsManifest: [{ paths: ["a.bin", "b.bin"], weights: WEIGHTS }] };

  it("keep their values", async () => {
    const { header, tensor } = await convert(manifest, split());
    expect(header.tensors.map(({ name, dtype }) => [name, dtype])).toEqual([
      ["plain", "F32"],
      ["flags", "BOOL"],
      ["counts", "I32"],
      ["halves", "F16"],
      ["bytes", "F32"],
      ["none", "F32"],
      ["shorts", "F32"],
      ["scalar", "I32"],
    ]);
    expect(Array.from(new Float32Array(tensor("plain").data.buffer))).toEqual([1.5, Math.fround(-0.1)]);
    expect(Array.from(tensor("flags").data)).toEqual([1, 0, 1]);
    expect(Array.from(new Int32Array(tensor("counts").data.buffer))).toEqual([-7, 2 ** 30]);
    expect(Array.from(new Uint16Array(tensor("halves").data.buffer))).toEqual(halves);
    const affine = (values: readonly number[]) => values.map((value) => Math.fround(value * SCALE + MIN));
    expect(Array.from(new Float32Array(tensor("bytes").data.buffer))).toEqual(affine(bytes));
    expect(Array.from(new Float32Array(tensor("shorts").data.buffer))).toEqual(affine(shorts));
    expect(Array.from(new Int32Array(tensor("scalar").data.buffer))).toEqual([Math.round(200 * 0.7 - 3)]);
  });

  it("are what tfjs itself decodes", async () => {
    const { tensor } = await convert(manifest, split());
    const decoded = tf.io.decodeWeights(
      stored.buffer,
      structuredClone(WEIGHTS) as unknown as tf.io.WeightsManifestEntry[],
    );
    for (const name of ["plain", "bytes", "shorts"]) {
      expect(new Float32Array(tensor(name).data.buffer)).toEqual(decoded[name]?.dataSync());
    }
    for (const name of ["counts", "scalar"]) {
      expect(new Int32Array(tensor(name).data.buffer)).toEqual(decoded[name]?.dataSync());
    }
    tf.dispose(Object.values(decoded));
  });

  it("come out the same in any ranges", async () => {
    const { file, source } = await convert(manifest, split());
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length), fc.nat(file.length), async (a, b) => {
        const [begin, end] = a < b ? [a, b] : [b, a];
        expect(await source.read(begin, end)).toEqual(file.slice(begin, end));
      }),
    );
  });

  it("lie in groups that each begin with a file of their own", async () => {
    const { tensor } = await convert(
      {
        weightsManifest: [
          { paths: ["a.bin"], weights: [{ name: "a", shape: [3], dtype: "bool" }] },
          { paths: ["b.bin"], weights: [{ name: "b", shape: [1], dtype: "int32" }] },
        ],
      },
      { "a.bin": Uint8Array.of(1, 1, 0), "b.bin": Uint8Array.of(9, 0, 0, 0) },
    );
    expect(Array.from(tensor("b").data)).toEqual([9, 0, 0, 0]);
  });

  it("are refused where files are too short or too long", async () => {
    const short = convert(manifest, { ...split(), "b.bin": stored.slice(20, -1) });
    await expect(short).rejects.toMatchObject({ code: "truncated-file" });
    const long = convert(manifest, { ...split(), "b.bin": new Uint8Array([...stored.slice(20), 0]) });
    await expect(long).rejects.toMatchObject({ code: "malformed-tfjs-model" });
  });
});

describe("the TF.js form of a fused file", () => {
  const layoutOf = (dtype: "F16" | "F32" | "I32" | "BOOL" | "BF16" | "F8_E4M3") =>
    decodeSafetensors(encodeSafetensors(new Map([["w", { dtype, shape: [0], data: new Uint8Array(0) }]]))).header;

  it("says how TF.js reads the bytes as they lie", () => {
    const entry = (dtype: Parameters<typeof layoutOf>[0]) => weightsManifestOf(layoutOf(dtype))[0].weights[0];
    expect(entry("F32")).toEqual({ name: "w", shape: [0], dtype: "float32" });
    expect(entry("F16")).toEqual({ name: "w", shape: [0], dtype: "float32", quantization: { dtype: "float16" } });
    expect(entry("I32")).toEqual({ name: "w", shape: [0], dtype: "int32" });
    expect(entry("BOOL")).toEqual({ name: "w", shape: [0], dtype: "bool" });
  });

  it.each(["BF16", "F8_E4M3"] as const)("does not exist for %s", (dtype) => {
    expect(hasWeightsForm(layoutOf(dtype))).toBe(false);
    expect(() => weightsManifestOf(layoutOf(dtype))).toThrow(expect.objectContaining({ code: "form-unavailable" }));
  });
});
