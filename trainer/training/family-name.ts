import type { Architecture } from "../../shared/models/architecture.ts";
import type { FamilyOptions } from "./run-family.ts";

/**
 * `glyphs-mlp-6x128-f0.4-s1`: dataset, architecture, fixed ratio, seed. `p` instead of `f` where the held entries are
 * pruned to zero; what else is unusual about the mask or the start follows.
 */
export function familyName({
  dataset,
  architecture,
  fixedRatio,
  frozenValue,
  scope = "all",
  seed,
  differentInit,
}: FamilyOptions): string {
  return [
    dataset.name,
    architectureName(architecture),
    `${frozenValue === "zero" ? "p" : "f"}${fixedRatio}`,
    ...(scope === "all" ? [] : ["part"]),
    `s${seed}`,
    ...(differentInit === true ? ["apart"] : []),
  ].join("-");
}

/** `mlp-6x128`, `resnet-20-layer`: what tells apart those that are commonly trained side by side. */
export function architectureName(architecture: Architecture): string {
  switch (architecture.architecture) {
    case "mlp":
      return `mlp-${describeWidths(architecture.hidden)}`;
    case "cnn":
    case "lenet":
      return `${architecture.architecture}-${architecture.channels.join("_")}`;
    case "vgg":
    case "resnet":
      return [
        architecture.architecture,
        architecture.depth,
        ...(architecture.norm === "none" ? [] : [architecture.norm]),
      ].join("-");
    case "vit":
    case "transformer":
      return `${architecture.architecture}-${architecture.depth}x${architecture.width}`;
  }
}

function describeWidths(hidden: readonly number[]): string {
  const [first] = hidden;
  if (first === undefined) return "linear";
  return hidden.every((width) => width === first) ? `${hidden.length}x${first}` : hidden.join("_");
}
