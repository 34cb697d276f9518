import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { bindWeights, evaluableOfNetwork, resolveForm } from "../../../shared/evaluation/topology/index.ts";
import { Mixture } from "../../../shared/evaluation/mixture.ts";
import type { Architecture } from "../../../shared/models/index.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { floatsOf, hasPytorch, pytorchNetworks, type TorchNetwork } from "../../support/pytorch-networks.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

const isThere = hasPytorch();

/** What the networks of `pytorch-networks.py` are. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  mlp: { architecture: "mlp", input: [4, 3, 2], hidden: [7, 5], classes: 4 },
  cnn: { architecture: "cnn", input: [12, 11, 2], channels: [3, 5], hidden: [6], classes: 4 },
  lenet: { architecture: "lenet", input: [12, 8, 1], channels: [3, 4], hidden: [], classes: 4 },
  vgg: {
    architecture: "vgg",
    input: [8, 8, 2],
    depth: 11,
    norm: "batch",
    width: 1 / 64,
    pools: 2,
    hidden: [5],
    classes: 3,
  },
  resnet: {
    architecture: "resnet",
    input: [8, 6, 2],
    depth: 8,
    norm: "batch",
    width: 3,
    shortcut: "conv1x1",
    classes: 4,
  },
  vit: {
    architecture: "vit",
    input: [6, 4, 2],
    patch: 2,
    width: 8,
    depth: 2,
    heads: 2,
    mlpRatio: 1.5,
    pooling: "class-token",
    classes: 4,
  },
};

let networks: ReadonlyMap<string, TorchNetwork> = new Map();
beforeAll(async () => {
  await wasmEngine();
  if (isThere) networks = pytorchNetworks();
});

const noTopology = () => Promise.reject(new Error("no topology is asked for"));

describe("a state_dict of PyTorch, read under the names that it has", () => {
  it.skipIf(!isThere).each(Object.entries(ARCHITECTURES))("%s gives PyTorch's logits", async (name, architecture) => {
    const network = networks.get(name);
    if (network === undefined) throw new Error(`PyTorch made no ${name}`);
    const { header, bytes } = decodeSafetensors(encodeSafetensors(network.weights));
    const form = await resolveForm(header.metadata, { architecture, layout: "pytorch" }, noTopology);
    const weights = bindWeights(form, header, bytes);
    const evaluable = evaluableOfNetwork(form.network, [weights]);
    const mixture = new Mixture(evaluable, [weights], true);
    mixture.moveTo([1]);
    const [samples = 0, channels = 0, height = 0, width = 0] = network.x.shape;
    const logits = tf.tidy(() => {
      const x = tf.tensor(floatsOf(network.x), [samples, channels, height, width]);
      return evaluable.predict(tf.transpose(x, [0, 2, 3, 1])).dataSync<"float32">();
    });
    mixture.dispose();
    const expected = floatsOf(network.logits);
    expect(logits.length).toBe(expected.length);
    const size = Math.max(...expected.map(Math.abs));
    for (const [index, value] of expected.entries()) {
      expect(Math.abs((logits[index] ?? Number.NaN) - value)).toBeLessThan(2e-6 * Math.max(1, size) * 10);
    }
  });

  it.runIf(!isThere)("is not compared here: there is no PyTorch", () => expect(isThere).toBe(false));
});
