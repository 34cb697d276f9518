import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EvaluationForm } from "../../../shared/api/evaluation-form.ts";
import { bindWeights, networkWeights, resolveForm } from "../../../shared/evaluation/topology/index.ts";
import { type Architecture, architectureSchema, type Weight, weightShapes } from "../../../shared/models/index.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { caught } from "../../support/caught.ts";
import { asPytorch, type TorchWeight } from "../../support/pytorch-layout.ts";
import { randomWeights } from "../../support/tiny-architectures.ts";

const noTopology = () => Promise.reject(new Error("no topology is asked for"));

function file(tensors: ReadonlyMap<string, TorchWeight>, metadata: Record<string, string> = {}) {
  const encoded = encodeSafetensors(
    new Map(
      [...tensors].map(([name, { shape, values }]) => [
        name,
        { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) },
      ]),
    ),
    metadata,
  );
  return decodeSafetensors(encoded);
}

async function read(tensors: ReadonlyMap<string, TorchWeight>, asked: EvaluationForm, metadata = {}) {
  const { header, bytes } = file(tensors, metadata);
  return bindWeights(await resolveForm(header.metadata, asked, noTopology), header, bytes);
}

const MLP: Architecture = { architecture: "mlp", input: [2, 3, 4], hidden: [5, 6], classes: 3 };

/** Weights of the MLP, and the same as PyTorch has them under these names of its layers. */
function mlpWeights(layers: readonly string[]) {
  const ours = randomWeights(weightShapes(MLP), 5n);
  const names = ["hidden_0", "hidden_1", "output"];
  const theirs = new Map<string, TorchWeight>();
  for (const [index, layer] of names.entries()) {
    const get = (role: string): Weight => ours.get(`${layer}/${role}`) ?? { shape: [], values: new Float32Array() };
    theirs.set(`${layers[index]}.weight`, asPytorch(get("kernel"), index === 0 ? [2, 3, 4] : undefined));
    theirs.set(`${layers[index]}.bias`, asPytorch(get("bias"), undefined));
  }
  return { ours, theirs };
}

describe("weights in PyTorch's layout", () => {
  it.each([
    [["fc1", "fc2", "fc3"]],
    [["1", "3", "5"]],
    [["net.2", "net.10", "net.11"]],
    [["layers.0.linear", "layers.1.linear", "head"]],
    [["fc1", "fc2", "output"]],
    [["module.hidden1", "module.hidden2", "module.classifier"]],
  ])("are found under %j, bit for bit", async (layers) => {
    const { ours, theirs } = mlpWeights(layers);
    expect(await read(theirs, { architecture: MLP, layout: "pytorch" })).toEqual(ours);
  });

  it.each([
    [["input", "middle", "output"], "say which in names"],
    [["fc1", "fc2", "extra"], "say which in names"],
  ])("are not guessed from %j", async (layers, words) => {
    const { ours, theirs } = mlpWeights(layers);
    const form = await resolveForm({}, { architecture: MLP, layout: "pytorch" }, noTopology);
    const { header, bytes } = file(theirs);
    const problem = caught(() => bindWeights(form, header, bytes));
    expect(problem).toMatchObject({ code: "incompatible-weights" });
    expect(problem.message).toContain(words);
    // With the names said, everything is clear.
    const names = Object.fromEntries(
      ["hidden_0", "hidden_1", "output"].flatMap((layer, index) => [
        [`${layer}/kernel`, `${layers[index]}.weight`],
        [`${layer}/bias`, `${layers[index]}.bias`],
      ]),
    );
    expect(await read(theirs, { architecture: MLP, layout: "pytorch", names })).toEqual(ours);
    // The same from the file's own metadata.
    const metadata = {
      "edgefuse.model": JSON.stringify(MLP),
      "edgefuse.layout": "pytorch",
      "edgefuse.names": JSON.stringify(names),
    };
    expect(await read(theirs, {}, metadata)).toEqual(ours);
  });

  it("never guess an order that the file does not tell", () => {
    const parts = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}[0-9]{0,2}$/), { minLength: 3, maxLength: 3 });
    return fc.assert(
      fc.asyncProperty(parts, async (layers) => {
        const { ours, theirs } = mlpWeights(layers);
        const numbers = layers.map((layer) => Number(/\d+$/.exec(layer)?.[0] ?? Number.NaN));
        const isCounted = numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0));
        // Where they are read at all, they are read as counted, or with a known name at the end.
        const found = await read(theirs, { architecture: MLP, layout: "pytorch" }).catch(() => undefined);
        if (found === undefined || !isCounted) return;
        expect(found).toEqual(ours);
      }),
      { numRuns: 200 },
    );
  });

  it("take the bias of a convolution off the mean of its batch normalisation", async () => {
    const architecture = architectureSchema.parse({
      architecture: "vgg",
      input: [4, 4, 1],
      depth: 11,
      norm: "batch",
      width: 1 / 64,
      pools: 1,
      classes: 3,
    });
    const ours = randomWeights(weightShapes(architecture), 3n);
    const theirs = new Map<string, TorchWeight>();
    const bias = Float32Array.from({ length: 64 }, (_, index) => 0.5 - index);
    for (const [name, weight] of ours) {
      const [layer = "", role = ""] = name.split("/");
      const index = Number(layer.split("_")[1] ?? 0);
      const roles: Readonly<Record<string, string>> = {
        kernel: "weight",
        bias: "bias",
        gamma: "weight",
        beta: "bias",
        moving_mean: "running_mean",
        moving_variance: "running_var",
      };
      const module = layer === "output" ? "classifier" : `features.${3 * index + (layer.startsWith("norm") ? 1 : 0)}`;
      const map = name === "output/kernel" ? ([2, 2, 8] as const) : undefined;
      theirs.set(`${module}.${roles[role]}`, asPytorch(weight, map));
      if (!layer.startsWith("conv")) continue;
      const filters = weight.shape.at(-1) ?? 0;
      theirs.set(`${module}.bias`, { shape: [filters], values: bias.slice(0, filters) });
    }
    const found = await read(theirs, { architecture, layout: "pytorch" });
    for (const [name, { values }] of ours) {
      const wanted = name.endsWith("/moving_mean") ? values.map((value, index) => value - (bias[index] ?? 0)) : values;
      expect(found.get(name)?.values).toEqual(wanted);
    }
    // Without them, the mean is as it was.
    const plain = new Map([...theirs].filter(([name]) => !/^features\.(?:0|3|6|9|12|15|18|21)\.bias$/.test(name)));
    expect((await read(plain, { architecture, layout: "pytorch" })).get("norm_0/moving_mean")).toEqual(
      ours.get("norm_0/moving_mean"),
    );
  });

  it("may be some rows of a tensor", async () => {
    const { ours, theirs } = mlpWeights(["fc1", "fc2", "fc3"]);
    const both = new Map(theirs);
    const [weight, bias] = [theirs.get("fc3.weight"), theirs.get("fc3.bias")];
    if (weight === undefined || bias === undefined) throw new Error("the layer is there");
    both.delete("fc3.weight");
    both.delete("fc3.bias");
    both.set("joined.weight", { shape: [4, 6], values: Float32Array.of(9, 9, 9, 9, 9, 9, ...weight.values) });
    both.set("joined.bias", { shape: [4], values: Float32Array.of(9, ...bias.values) });
    const names = Object.fromEntries([
      ...["hidden_0", "hidden_1"].flatMap((layer, index) => [
        [`${layer}/kernel`, `fc${index + 1}.weight`],
        [`${layer}/bias`, `fc${index + 1}.bias`],
      ]),
      ["output/kernel", "joined.weight[1:4]"],
      ["output/bias", "joined.bias[1:4]"],
    ]) as Record<string, string>;
    expect(await read(both, { architecture: MLP, layout: "pytorch", names })).toEqual(ours);
    names["output/kernel"] = "joined.weight[2:5]";
    await expect(read(both, { architecture: MLP, layout: "pytorch", names })).rejects.toMatchObject({
      code: "incompatible-weights",
    });
  });
});

describe("weights that do not fit", () => {
  const read2 = (change: (tensors: Map<string, TorchWeight>) => void, form: EvaluationForm = {}) => {
    const { theirs } = mlpWeights(["fc1", "fc2", "fc3"]);
    change(theirs);
    return read(theirs, { architecture: MLP, layout: "pytorch", ...form });
  };

  it.each([
    [
      "a layer in TensorFlow's layout",
      (tensors: Map<string, TorchWeight>) => tensors.set("fc2.weight", { shape: [5, 6], values: new Float32Array(30) }),
      '"fc2.weight", for hidden_1/kernel, is [5,6], [6,5] is needed',
    ],
    [
      "a bias that is missing",
      (tensors: Map<string, TorchWeight>) => tensors.delete("fc3.bias"),
      '"fc3.bias", for output/bias, is missing; [3] is needed',
    ],
    [
      "a tensor too many",
      (tensors: Map<string, TorchWeight>) => tensors.set("scale", { shape: [1], values: Float32Array.of(1) }),
      '"scale" is not part of the network',
    ],
  ])("say what is wrong: %s", async (_, change, words) => {
    await expect(read2(change)).rejects.toMatchObject({
      code: "incompatible-weights",
      message: expect.stringContaining(words) as string,
    });
  });

  it("say which name means nothing", async () => {
    await expect(read2(() => undefined, { names: { "hidden_9/kernel": "fc1.weight" } })).rejects.toMatchObject({
      code: "incompatible-weights",
      message: expect.stringContaining('names has "hidden_9/kernel"') as string,
    });
  });

  it.each([
    ["edgefuse.layout", "jax", "It is one of tensorflow, pytorch"],
    ["edgefuse.names", "[1]", "JSON object"],
  ])("say that the metadata %s is wrong", async (key, value, words) => {
    const { theirs } = mlpWeights(["fc1", "fc2", "fc3"]);
    await expect(read(theirs, { architecture: MLP }, { [key]: value })).rejects.toMatchObject({
      code: "invalid-metadata",
      message: expect.stringContaining(words) as string,
    });
  });

  it("say that nobody knows what they are", async () => {
    const { theirs } = mlpWeights(["fc1", "fc2", "fc3"]);
    await expect(read(theirs, { layout: "pytorch" })).rejects.toMatchObject({ code: "unknown-architecture" });
    const unknown = { "edgefuse.model": JSON.stringify({ architecture: "perceiver" }) };
    await expect(read(theirs, {}, unknown)).rejects.toMatchObject({ code: "unknown-architecture" });
  });

  it("say that PyTorch has no such network", async () => {
    const resnet = { architecture: "resnet", input: [8, 8, 1], depth: 8, norm: "none", width: 4, shortcut: "pad" };
    const architecture = architectureSchema.parse({ ...resnet, classes: 3 });
    await expect(resolveForm({}, { architecture, layout: "pytorch" }, noTopology)).rejects.toMatchObject({
      code: "incompatible-weights",
    });
    // With convolutions, the network is the one that pads all round.
    const other = architectureSchema.parse({ ...resnet, shortcut: "conv1x1", classes: 3 });
    const { network } = await resolveForm({}, { architecture: other, layout: "pytorch" }, noTopology);
    expect(network).toEqual({ kind: "architecture", architecture: { ...other, padding: "symmetric" } });
    expect(networkWeights(network)).toEqual(weightShapes(other));
  });
});
