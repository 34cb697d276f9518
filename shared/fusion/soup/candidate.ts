import { type CheckpointId, digestOfValue } from "../../identity.ts";
import type { SafetensorsHeader } from "../../safetensors/index.ts";
import type { SoupCandidate } from "./soup.ts";

/** A candidate with what must agree for two to be averaged: names, dtypes and shapes of their tensors. */
export function soupCandidate(id: CheckpointId, { tensors }: Pick<SafetensorsHeader, "tensors">): SoupCandidate {
  const named = Object.fromEntries(tensors.map(({ name, dtype, shape }) => [name, [dtype, ...shape]]));
  return { id, form: digestOfValue(named) };
}
