import * as tf from "@tensorflow/tfjs-core";
import { GraphModel } from "@tensorflow/tfjs-converter";
import type { Weights } from "../../models/index.ts";
import { Problem } from "../../problem.ts";
import type { Evaluable } from "../evaluable.ts";
import { graphNormalizations } from "./graph-normalizations.ts";
import { inputDtype, inputShapeOf } from "./graph-shapes.ts";
import type { Graph } from "./graph-topology.ts";
import type { Topology } from "./topology.ts";
import { tryOut } from "./try-out.ts";

/** The part of tfjs-converter's model that it hides: where its weights are looked up. */
interface WithExecutor {
  readonly executor: { weightMap: Record<string, tf.Tensor[]> };
}

/**
 * Makes a GraphModel evaluable on the current backend, by the executor of `@tensorflow/tfjs-converter`; the caller disposes
 * of it. Tries one sample and two, of zeros, to learn the output's shape, what the intermediate results take, and whether the
 * backend has every operation.
 * @param endpoints the weights it will be evaluated with, at least one; whole numbers and truth values are read from the
 *   first, must be equal in all of them, and never change again
 * @throws Problem `incompatible-weights` where they differ or are missing, `unsupported-topology`, `too-large-for-isolate`
 */
export function evaluableOfGraphTopology(topology: Topology, endpoints: readonly Weights[]): Evaluable {
  const graph = topology.modelTopology as unknown as Graph;
  const constants = new Map<string, tf.Tensor>();
  const variables = new Map<string, tf.Variable>();
  const model = new GraphModel("");
  const release = () => {
    tf.dispose([...constants.values()]);
    tf.dispose([...variables.values()]);
  };
  try {
    for (const { name, shape, kind } of graph.weights) {
      if (kind !== "float") constants.set(name, constantOf(name, kind, equalValues(name, endpoints), shape));
      variables.set(name, firstVariable(endpoints[0], name, shape));
    }
    // Without a signature: the graph holds what its one output needs, and nothing else.
    model.loadSync({
      modelTopology: { node: graph.node, versions: { producer: 0, minConsumer: 0 } },
      weightSpecs: [],
      weightData: new ArrayBuffer(0),
    });
    (model as unknown as WithExecutor).executor.weightMap = Object.fromEntries(
      graph.weights.flatMap(({ name }) => {
        const tensor = constants.get(name) ?? variables.get(name);
        return tensor === undefined ? [] : [[name, [tensor]]];
      }),
    );
    const dtype = inputDtype(graph);
    const execute = (x: tf.Tensor, tensor: string) =>
      tf.tidy(() => {
        const result = model.execute({ [graph.input]: tf.cast(x, dtype) }, tensor) as tf.Tensor;
        // A graph may hand out a weight or its input, which are not the caller's to dispose of.
        return result.clone();
      });
    const inputShape = inputShapeOf(graph);
    const { outputShape, activationBytes } = tryOut((x) => execute(x, graph.output), inputShape);
    return {
      inputShape,
      outputShape,
      specs: graph.weights.flatMap(({ name, shape }) => {
        const variable = variables.get(name);
        return variable === undefined ? [] : [{ name, shape, variable }];
      }),
      normalizations: graphNormalizations(graph, variables, execute),
      activationBytesPerSample: activationBytes,
      predict: (x) => execute(x, graph.output),
      dispose: release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * The variable of a weight at the first endpoint. Constants have one too, so that a mixture finds all its weights; nothing
 * reads it.
 */
function firstVariable(endpoint: Weights | undefined, name: string, shape: readonly number[]): tf.Variable {
  const values = endpoint?.get(name)?.values;
  if (values === undefined) throw new Problem("incompatible-weights", `The weight ${JSON.stringify(name)} is missing.`);
  return tf.tidy(() => tf.variable(tf.tensor(values, [...shape], "float32"), false));
}

/** @throws Problem `incompatible-weights` where endpoints differ */
function equalValues(name: string, endpoints: readonly Weights[]): Float32Array {
  const [first, ...others] = endpoints.map((endpoint) => endpoint.get(name)?.values);
  if (first === undefined) throw new Problem("incompatible-weights", `The weight ${JSON.stringify(name)} is missing.`);
  if (others.some((other) => other?.length !== first.length || first.some((value, index) => value !== other[index]))) {
    throw new Problem(
      "incompatible-weights",
      `The constant ${JSON.stringify(name)} of the graph differs between the models, so there is nothing between them.`,
      { tensor: name },
    );
  }
  return first;
}

function constantOf(
  name: string,
  kind: "integer" | "boolean",
  values: Float32Array,
  shape: readonly number[],
): tf.Tensor {
  if (kind === "boolean") {
    const truths = Uint8Array.from(values, (value) => (value === 0 ? 0 : 1));
    return tf.tensor(truths, [...shape], "bool");
  }
  // Beyond 2^24 float32 has gaps; only the ends of the range, which slices use for "to the end", are met there.
  const whole = Int32Array.from(values, (value) => Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1));
  const inexact = values.findIndex((value) => Math.abs(value) > 2 ** 24 && Math.abs(value) < 2 ** 31);
  if (inexact !== -1) {
    throw new Problem(
      "unsupported-topology",
      `The constant ${JSON.stringify(name)} holds ${values[inexact]}; whole numbers up to ${2 ** 24} are evaluated.`,
      { node: name },
    );
  }
  return tf.tensor(whole, [...shape], "int32");
}
