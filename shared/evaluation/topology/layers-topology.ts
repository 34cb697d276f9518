import { Problem } from "../../problem.ts";
import { copyJson, isObject, type Json, type JsonObject, malformed } from "./json.ts";

/** Layers that hold layers. */
const CONTAINERS: ReadonlySet<string> = new Set(["Sequential", "Functional", "Model"]);

/** Layers that an isolate evaluates: those of TF.js whose operations its WASM backend has, and ours. */
const LAYERS: ReadonlySet<string> = new Set([
  ...["InputLayer", "Activation", "Dense", "Dropout", "Flatten", "Permute", "RepeatVector", "Reshape", "Masking"],
  ...["GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout1D"],
  ...["ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Softmax"],
  ...["Conv1D", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D"],
  ...["Cropping2D", "UpSampling2D", "ZeroPadding2D"],
  ...["MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"],
  ...["GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"],
  ...["BatchNormalization", "LayerNormalization", "Embedding"],
  ...["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Dot"],
  ...["EdgefuseClassToken", "EdgefuseFirstToken", "EdgefuseGelu", "EdgefusePadChannels", "EdgefusePatchEmbedding"],
  ...["EdgefusePositionEmbedding", "EdgefuseSelfAttention", "EdgefuseTokenEmbedding"],
]);

const MOST_LAYERS = 10_000;

/** What a layer's configuration says of training, and TF.js's own number format, which is float32. */
const NOT_EVALUATED = /_(?:initializer|regularizer|constraint)$|^(?:trainable|dtype|build_config)$/;

/**
 * Reduces a Keras topology to what its forward pass depends on. A softmax at the end becomes linear: a loss is computed
 * from logits, and the largest of them is the same.
 * @param topology `{class_name, config}`, or the same under `model_config`
 * @throws Problem `malformed-tfjs-model`, `unsupported-topology` naming the layer
 */
export function parseLayersTopology(topology: Readonly<Record<string, unknown>>): Json {
  const model = isObject(topology["model_config"]) ? topology["model_config"] : topology;
  const kind = model["class_name"];
  if (typeof kind !== "string" || !CONTAINERS.has(kind)) {
    throw new Problem(
      "unsupported-topology",
      `A LayersModel is a Sequential or a Functional model; this one is ${JSON.stringify(kind ?? null)}.`,
    );
  }
  const count = { layers: 0 };
  const cleaned = container(kind, model["config"], count, 0);
  // Made up anew by TF.js in each process, and part of no weight's name.
  return withLogits({ ...cleaned, config: { ...cleaned.config, name: "model" } });
}

/** How often each kind of layer occurs. */
export function countLayers(topology: Json): Record<string, number> {
  const counts = new Map<string, number>();
  const visit = (layer: CleanLayer) => {
    if (!CONTAINERS.has(layer.class_name)) counts.set(layer.class_name, (counts.get(layer.class_name) ?? 0) + 1);
    for (const inner of layersOf(layer)) visit(inner);
  };
  visit(topology as unknown as CleanLayer);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A layer after parsing; a type, not an interface, so that it is JSON. */
type CleanLayer = {
  readonly class_name: string;
  readonly config: JsonObject;
  readonly name?: string;
  readonly inbound_nodes?: Json;
};

function layersOf({ class_name: kind, config }: CleanLayer): readonly CleanLayer[] {
  return CONTAINERS.has(kind) ? (config["layers"] as unknown as readonly CleanLayer[]) : [];
}

function container(kind: string, config: unknown, count: { layers: number }, depth: number): CleanLayer {
  if (depth > 16) throw malformed("Models nest deeper than 16 levels.");
  // Old Sequentials are a list of layers.
  const members = Array.isArray(config) ? { layers: config as unknown[] } : config;
  if (!isObject(members) || !Array.isArray(members["layers"])) throw malformed(`A ${kind} has a list of layers.`);
  const layers = members["layers"].map((layer: unknown) => cleanLayer(layer, count, depth));
  const rest = ["name", "input_layers", "output_layers"].filter((key) => members[key] !== undefined);
  return {
    class_name: kind,
    config: { ...Object.fromEntries(rest.map((key) => [key, copyJson(members[key])])), layers },
  };
}

function cleanLayer(layer: unknown, count: { layers: number }, depth: number): CleanLayer {
  if (!isObject(layer) || typeof layer["class_name"] !== "string") throw malformed("A layer has a class_name.");
  const { class_name: kind, config, name, inbound_nodes: inbound } = layer;
  if (++count.layers > MOST_LAYERS) throw malformed(`It has more than ${MOST_LAYERS} layers.`);
  const label = isObject(config) && typeof config["name"] === "string" ? ` ${JSON.stringify(config["name"])}` : "";
  if (typeof kind !== "string") throw malformed("A layer has a class_name.");
  const place = {
    ...(typeof name === "string" ? { name } : {}),
    ...(inbound === undefined ? {} : { inbound_nodes: inboundNodes(inbound, `${kind}${label}`) }),
  };
  if (CONTAINERS.has(kind)) return { ...container(kind, config, count, depth + 1), ...place };
  if (!LAYERS.has(kind)) {
    throw new Problem("unsupported-topology", `The layer${label} is a ${kind}, which cannot be evaluated here.`, {
      layer: kind,
      supported: [...LAYERS].sort(),
    });
  }
  if (!isObject(config)) throw malformed(`The layer${label} has no config.`);
  const cleaned = copyJson(config, (key) => !NOT_EVALUATED.test(key)) as JsonObject;
  const axis = cleaned["axis"];
  // Keras writes the one axis of a normalisation as a list, which TF.js does not read.
  const own = Array.isArray(axis) && axis.length === 1 ? { axis: axis[0] as Json } : {};
  return { class_name: kind, config: { ...cleaned, ...own }, ...place };
}

/** @throws Problem `unsupported-topology` for the form of Keras 3, which TF.js does not read */
function inboundNodes(value: unknown, layer: string): Json {
  const isRead = Array.isArray(value) && value.every((node: unknown) => Array.isArray(node));
  if (!isRead) {
    throw new Problem(
      "unsupported-topology",
      `The layer ${layer} is connected in the way of Keras 3, which TF.js does not read; save the model with Keras 2.`,
    );
  }
  return copyJson(value);
}

/** The topology whose last layer does not apply a softmax. */
function withLogits(model: CleanLayer): CleanLayer {
  const layers = layersOf(model);
  const index = outputIndex(model, layers);
  const last = layers[index];
  if (last === undefined) return model;
  const linear = CONTAINERS.has(last.class_name) ? withLogits(last) : withoutSoftmax(last);
  const replaced: readonly Json[] = layers.with(index, linear);
  return { ...model, config: { ...model.config, layers: replaced } };
}

/** Which layer gives the output; -1 where there are several outputs. */
function outputIndex({ class_name: kind, config }: CleanLayer, layers: readonly CleanLayer[]): number {
  if (kind === "Sequential") return layers.length - 1;
  const outputs = config["output_layers"];
  const [first] = Array.isArray(outputs) ? (outputs as readonly Json[]) : [];
  // One output is `[name, 0, 0]` or `[[name, 0, 0]]`.
  const name = Array.isArray(first) ? (first as readonly Json[])[0] : first;
  return layers.findIndex((layer) => layer.name === name);
}

/** As an activation; a layer of its own is seen to when it is built, since its axis may be counted from the front. */
function withoutSoftmax(layer: CleanLayer): CleanLayer {
  const { config } = layer;
  return config["activation"] === "softmax" ? { ...layer, config: { ...config, activation: "linear" } } : layer;
}
