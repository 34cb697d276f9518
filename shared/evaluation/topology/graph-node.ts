import { isObject, type JsonObject, malformed } from "./json.ts";

/** A node of a TensorFlow graph, as a model.json has it; a type, not an interface, so that it is JSON. */
export type GraphNode = {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: JsonObject;
};

/** An attribute, such as `{"type": "DT_FLOAT"}`; empty where there is none. */
export function attribute({ attr }: GraphNode, name: string): JsonObject {
  const value = attr?.[name];
  return isObject(value) ? (value as JsonObject) : {};
}

/** Dimensions of a TensorShapeProto, -1 where unknown; null where there is none. */
export function shapeOf(shape: unknown): readonly number[] | null {
  if (!isObject(shape) || shape["unknownRank"] === true) return null;
  const dimensions = shape["dim"];
  if (dimensions === undefined) return [];
  if (!Array.isArray(dimensions)) return null;
  return dimensions.map((dimension: unknown) => {
    const size = isObject(dimension) ? Number(dimension["size"] ?? -1) : Number.NaN;
    if (!Number.isSafeInteger(size) || size < -1) throw malformed("A shape has a dimension that is no whole number.");
    return size;
  });
}
