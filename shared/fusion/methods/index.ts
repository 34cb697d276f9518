import { Problem } from "../../problem.ts";
import type { Recipe } from "../../recipe/schema.ts";
import { linear } from "./linear.ts";
import type { FusionMethod } from "./method.ts";

export type { Block, Combiner, FusionMethod } from "./method.ts";

/** Every fusion method. A new one is a file here and a line in this list. */
const METHODS: readonly FusionMethod[] = [linear];

/** @throws Problem `unknown-method` */
export function fusionMethod(id: Recipe["method"]): FusionMethod {
  const method = METHODS.find((candidate) => candidate.id === id);
  if (method === undefined) {
    const known = METHODS.map((candidate) => candidate.id).join(", ");
    throw new Problem("unknown-method", `There is no method ${JSON.stringify(id)}; known: ${known}.`, { method: id });
  }
  return method;
}
