import type * as tf from "@tensorflow/tfjs-core";
import type { BatchNormalizationLayer } from "../evaluable.ts";
import { PASSING_OPERATIONS } from "./graph-operations.ts";
import { type Graph, nodeOf } from "./graph-topology.ts";
import { attribute, type GraphNode } from "./graph-node.ts";

const NORMALIZATIONS: ReadonlySet<string> = new Set(["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"]);

/**
 * The batch normalisations of a graph whose statistics are weights, in the order in which they are computed. The
 * converter folds most into the convolutions before them; what is folded has no statistics any longer.
 * @param execute computes a tensor of the graph for a batch
 */
export function graphNormalizations(
  { node: nodes }: Graph,
  variables: ReadonlyMap<string, tf.Variable>,
  execute: (x: tf.Tensor, tensor: string) => tf.Tensor,
): BatchNormalizationLayer[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  // The nodes lie behind their inputs, so this order is one of computing.
  return nodes.flatMap((node): BatchNormalizationLayer[] => {
    const [input, , , mean, variance] = node.input ?? [];
    if (!NORMALIZATIONS.has(node.op) || input === undefined) return [];
    const meanName = constantBehind(byName, mean);
    const varianceName = constantBehind(byName, variance);
    const movingMean = variables.get(meanName ?? "");
    const movingVariance = variables.get(varianceName ?? "");
    if (meanName === undefined || varianceName === undefined || !movingMean || !movingVariance) return [];
    return [
      {
        name: node.name,
        channelAxis: isChannelsFirst(node) ? 1 : -1,
        meanName,
        varianceName,
        movingMean,
        movingVariance,
        inputOf: (x) => execute(x, input),
      },
    ];
  });
}

/** `TkNIVw==` is NCHW as the converter writes words, in base 64. */
function isChannelsFirst(node: GraphNode): boolean {
  const { s: format } = attribute(node, "data_format");
  return format === "TkNIVw==" || format === "NCHW";
}

/** Name of the constant that a tensor is. */
function constantBehind(nodes: ReadonlyMap<string, GraphNode>, tensor: string | undefined): string | undefined {
  const node = nodes.get(nodeOf(tensor ?? ""));
  if (node === undefined || node.op === "Const") return node?.name;
  return PASSING_OPERATIONS.has(node.op) ? constantBehind(nodes, node.input?.[0]) : undefined;
}
