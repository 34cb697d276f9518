import { Problem } from "../../problem.ts";
import { attribute } from "./graph-node.ts";
import type { Graph } from "./graph-topology.ts";

/** Shape of one sample. @throws Problem `unsupported-topology` where a dimension of a sample is open */
export function inputShapeOf({ inputShape, input }: Graph): readonly number[] {
  const shape = inputShape?.slice(1) ?? [];
  if (inputShape === null || shape.length === 0 || shape.some((dimension) => dimension < 1)) {
    throw new Problem(
      "unsupported-topology",
      `The input ${JSON.stringify(input)} is [${inputShape ?? "of any shape"}]; all but the batch must be known.`,
    );
  }
  return shape;
}

/** Samples are float32; a placeholder for tokens wants whole numbers. */
export function inputDtype({ node: nodes, input }: Graph): "float32" | "int32" {
  const node = nodes.find(({ name }) => name === input);
  const { type } = node === undefined ? {} : attribute(node, "dtype");
  switch (type) {
    case "DT_FLOAT":
    case 1:
    case undefined:
      return "float32";
    case "DT_INT32":
    case "DT_INT64":
    case 3:
    case 9:
      return "int32";
    default:
      throw new Problem("unsupported-topology", `The input ${JSON.stringify(input)} is ${JSON.stringify(type)}.`);
  }
}
