import type { ModelManifest } from "../../shared/api/manifest.ts";
import type { FusionPlan, FusionReport } from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { VERSION } from "../version.ts";

export interface ManifestFacts {
  readonly id: ModelId;
  readonly plan: FusionPlan;
  /** Length of each input's file, in the plan's order. */
  readonly inputBytes: readonly number[];
  readonly report: FusionReport;
  readonly sha256: string;
  readonly createdAt: Date;
  readonly milliseconds: number;
}

export function manifestOf({ id, plan, inputBytes, report, ...facts }: ManifestFacts): ModelManifest {
  const { recipe, layout, tensors } = plan;
  const total = recipe.parameters.normalize ? recipe.inputs.reduce((sum, { weight }) => sum + weight, 0) : 1;
  return {
    version: 1,
    id,
    recipe,
    inputs: recipe.inputs.map(({ checkpoint, weight }, index) => ({
      checkpoint,
      bytes: inputBytes[index] ?? 0,
      weight,
      coefficient: weight / total,
    })),
    sha256: facts.sha256,
    bytes: layout.fileLength,
    tensors: tensors.length,
    elements: report.elements,
    nonFinite: report.nonFinite.map((entry) => ({ ...entry })),
    overflows: report.overflows,
    alignment: report.alignment,
    engine: { name: "edgefuse", version: VERSION },
    createdAt: facts.createdAt.toISOString(),
    milliseconds: facts.milliseconds,
  };
}
