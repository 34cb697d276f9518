import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
// Registers our own layers under their names.
// oxlint-disable-next-line import/no-unassigned-import
import "../../models/index.ts";
import { Problem } from "../../problem.ts";
import { boundWeights } from "./bounded-weights.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import type { Topology } from "./topology.ts";

/** Numbers in all weights of a model that is built at all: 128 MiB of float32. */
export const MOST_WEIGHT_ELEMENTS = 2 ** 25;

/**
 * Builds the tf.layers model of a topology, with all weights zero, on the current backend. The caller disposes of it.
 * @param mostElements numbers in all weights together, checked before any takes memory
 * @throws Problem `unsupported-topology` for what TF.js does not build, for several inputs or outputs, and for open
 *   dimensions; `too-large-for-isolate`
 */
export function buildLayersTopology({ modelTopology }: Topology, mostElements = MOST_WEIGHT_ELEMENTS): tfl.LayersModel {
  const { class_name: kind, config } = modelTopology as JsonObject;
  // TF.js writes into the configuration that it builds from; this is a copy.
  const members = toTypeScript(config ?? {}) as tf.serialization.ConfigDict;
  const model = boundWeights(mostElements, (): tfl.LayersModel => {
    try {
      return kind === "Sequential"
        ? tfl.Sequential.fromConfig<tfl.LayersModel>(tfl.Sequential, members)
        : tfl.LayersModel.fromConfig<tfl.LayersModel>(tfl.LayersModel, members);
    } catch (error) {
      if (error instanceof Problem) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Problem("unsupported-topology", `TF.js does not build this model: ${reason.slice(0, 300)}`);
    }
  });
  try {
    requireOneKnown("input", model.inputs);
    requireOneKnown("output", model.outputs);
    passSoftmax(model);
    const names = model.weights.map(({ originalName }) => originalName);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      throw new Problem("unsupported-topology", `Two weights are called ${JSON.stringify(twice)}.`, { tensor: twice });
    }
    return model;
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

/** Has a softmax over the classes that is a layer of its own, the last one, hand on its input: logits are wanted. */
function passSoftmax(model: tfl.LayersModel): void {
  const [output] = model.outputs;
  const last = output?.sourceLayer;
  // TF.js calls the base class of every model a Container, and does not export it.
  if (last instanceof tfl.LayersModel) return passSoftmax(last);
  if (last?.getClassName() !== "Softmax" || output === undefined) return;
  const axis = Number(last.getConfig()["axis"]);
  if (axis !== -1 && axis !== output.shape.length - 1) return;
  last.call = (inputs) => {
    const [tensor] = Array.isArray(inputs) ? inputs : [inputs];
    if (tensor === undefined) throw new Error(`${last.name} has no input`);
    return tf.clone(tensor);
  };
}

/** Disposes of a model with all its weights: TF.js leaves those of a model within a model. */
export function disposeModel(model: tfl.LayersModel): void {
  const variables = model.weights.map((weight) => weight.read());
  model.dispose();
  tf.dispose(variables.filter((variable) => !variable.isDisposed));
}

function requireOneKnown(what: string, tensors: readonly tfl.SymbolicTensor[]): void {
  const [only] = tensors;
  if (only === undefined || tensors.length > 1) {
    throw new Problem("unsupported-topology", `The model has ${tensors.length} ${what}s; one is evaluated.`);
  }
  const shape = only.shape.slice(1);
  if (shape.length === 0 || shape.some((dimension) => dimension === null)) {
    throw new Problem(
      "unsupported-topology",
      `The ${what} is [${only.shape.map((dimension) => dimension ?? "any").join(", ")}]; all but the batch must be known.`,
    );
  }
}

/**
 * A configuration as TF.js's classes take it: camel case in keys and words, but not in the names of layers. The same as
 * tfjs-layers' own `convertPythonicToTs`, which it does not export.
 */
function toTypeScript(value: Json, key?: string): unknown {
  if (typeof value === "string") return camelCase(value);
  if (Array.isArray(value)) {
    const holdsNames = key === "inboundNodes" || key === "outputLayers" || key === "inputLayers";
    return (value as readonly Json[]).map((item, index) =>
      holdsNames && index === 0 && typeof item === "string" ? item : toTypeScript(item, key),
    );
  }
  if (isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) =>
        name === "name" && typeof member === "string"
          ? [name, member]
          : [camelCase(name), toTypeScript(member as Json, camelCase(name))],
      ),
    );
  }
  return value;
}

function camelCase(word: string): string {
  return word.length <= 1 ? word : word.replaceAll(/_+(\w|$)/g, (_, letter: string) => letter.toUpperCase());
}
