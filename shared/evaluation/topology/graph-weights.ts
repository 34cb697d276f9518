import { Problem } from "../../problem.ts";
import { attribute, type GraphNode, shapeOf } from "./graph-node.ts";
import { isObject } from "./json.ts";

/** What numbers a weight holds; only those of `float` differ between models of one graph. */
export type WeightKind = "float" | "integer" | "boolean";

/**
 * The weight that a constant stands for. The converter takes its value out and leaves dtype and shape.
 * @param shapes of the weights manifest, for constants that have lost theirs
 * @throws Problem `unsupported-topology`
 */
export function graphWeight(node: GraphNode, shapes: ReadonlyMap<string, readonly number[]>) {
  const { name } = node;
  const { tensor } = attribute(node, "value");
  const shape = shapes.get(name) ?? (isObject(tensor) ? shapeOf(tensor["tensorShape"]) : null);
  if (shape === null || shape.some((dimension) => dimension < 0)) {
    throw new Problem("unsupported-topology", `The constant ${JSON.stringify(name)} has no known shape.`, {
      node: name,
    });
  }
  return { name, shape, kind: kindOf(node) };
}

function kindOf(node: GraphNode): WeightKind {
  const { type } = attribute(node, "dtype");
  switch (type) {
    // As words, or as the numbers of TensorFlow's DataType.
    case "DT_FLOAT":
    case 1:
      return "float";
    case "DT_INT32":
    case "DT_INT64":
    case 3:
    case 9:
      return "integer";
    case "DT_BOOL":
    case 10:
      return "boolean";
    default:
      throw new Problem(
        "unsupported-topology",
        `The constant ${JSON.stringify(node.name)} is ${JSON.stringify(type ?? null)}, which cannot be evaluated.`,
        { node: node.name },
      );
  }
}

/** Shapes by name, as far as the manifest gives them. */
export function manifestShapes(manifest: unknown): ReadonlyMap<string, readonly number[]> {
  const groups: readonly unknown[] = Array.isArray(manifest) ? manifest : [];
  const entries = groups.flatMap((group): readonly unknown[] =>
    isObject(group) && Array.isArray(group["weights"]) ? group["weights"] : [],
  );
  return new Map(
    entries.flatMap((entry): [string, readonly number[]][] => {
      if (!isObject(entry) || typeof entry["name"] !== "string" || !Array.isArray(entry["shape"])) return [];
      const shape: readonly unknown[] = entry["shape"];
      const isKnown = shape.every(
        (size): size is number => typeof size === "number" && Number.isSafeInteger(size) && size >= 0,
      );
      return isKnown ? [[entry["name"], shape]] : [];
    }),
  );
}
