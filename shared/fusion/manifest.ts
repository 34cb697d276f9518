import type { ModelManifest } from "../api/manifest.ts";
import type { SoupSelection } from "../api/soup-trace.ts";
import type { CheckpointId, ModelId } from "../identity.ts";
import { VERSION } from "../version.ts";
import { type FusionPlan, nominalWeight } from "./plan.ts";
import type { FusionReport } from "./report.ts";
import { resolvePlan } from "./resolved-plan.ts";
import type { FusionStatistics } from "./statistics.ts";

export interface ManifestFacts {
  readonly id: ModelId;
  readonly plan: FusionPlan;
  /** Length of each file that took part, and what it was called. */
  readonly files: ReadonlyMap<CheckpointId, { readonly bytes: number; readonly name: string | null }>;
  readonly statistics: FusionStatistics | undefined;
  readonly report: FusionReport;
  readonly sha256: string;
  /** Length of all parts but the last, and the digest of each. */
  readonly partBytes: number;
  readonly partSha256: readonly string[];
  readonly createdAt: Date;
  readonly milliseconds: number;
  readonly path: ModelManifest["path"];
  /** Of a soup's recipe: how the inputs were chosen. */
  readonly selection?: SoupSelection | undefined;
}

/** What a model's manifest says: what it was made of, what each input counted, what was found on the way. */
export function manifestOf({ id, plan, files, statistics, report, ...facts }: ManifestFacts): ModelManifest {
  const { recipe, layout, tensors } = plan;
  const coefficients = coefficientsOf(plan, statistics);
  return {
    version: 1,
    id,
    recipe: recipe as ModelManifest["recipe"],
    inputs: plan.inputs.map(({ id: checkpoint, role }, index) => ({
      checkpoint,
      role,
      name: files.get(checkpoint)?.name ?? null,
      bytes: files.get(checkpoint)?.bytes ?? 0,
      weight: role === "input" ? nominalWeight(recipe, index) : 0,
      coefficient: coefficients.common?.[index] ?? null,
    })),
    coefficients: coefficients.byTensor,
    sha256: facts.sha256,
    parts: { bytes: facts.partBytes, sha256: [...facts.partSha256] },
    bytes: layout.fileLength,
    tensors: tensors.length,
    elements: report.elements,
    nonFinite: report.nonFinite.map((entry) => ({ ...entry })),
    overflows: report.overflows,
    alignment: report.alignment,
    engine: { name: "edgefuse", version: VERSION },
    createdAt: facts.createdAt.toISOString(),
    milliseconds: facts.milliseconds,
    path: facts.path,
    ...(facts.selection === undefined ? {} : { selection: facts.selection }),
  };
}

/** Most models have one list of coefficients for all tensors; it is not repeated a hundred thousand times. */
function coefficientsOf(
  plan: FusionPlan,
  statistics: FusionStatistics | undefined,
): { common: readonly number[] | undefined; byTensor: Record<string, number[]> | null } {
  const lists = resolvePlan(plan, statistics).tensors.flatMap(({ name, coefficients }) =>
    coefficients === undefined ? [] : [[name, coefficients] as const],
  );
  const [first] = lists;
  if (first === undefined) return { common: undefined, byTensor: null };
  const text = first[1].join();
  if (lists.every(([, list]) => list.join() === text)) return { common: first[1], byTensor: null };
  return { common: undefined, byTensor: Object.fromEntries(lists.map(([name, list]) => [name, [...list]])) };
}
