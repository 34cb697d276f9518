import type { CheckpointId } from "../identity.ts";
import { combinationOf } from "./combiner.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";
import type { FusionStatistics } from "./statistics.ts";

/** What a recipe comes to for each tensor. Plain JSON. */
export interface ResolvedPlan {
  readonly method: string;
  readonly inputs: readonly { readonly id: CheckpointId; readonly role: "input" | "base" | "statistics" }[];
  readonly tensors: readonly ResolvedTensor[];
  readonly bytes: number;
}

export interface ResolvedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** `computed` as floats, or `copied` from the first input. */
  readonly treatment: "computed" | "copied";
  readonly parameters?: Readonly<Record<string, number | boolean | string>>;
  /** Of each input: its weight, and the parameters that inputs may override. */
  readonly inputs?: readonly Readonly<Record<string, number>>[];
  /**
   * What each input, then the base, is multiplied by, where the result is a linear combination and that is known: without
   * reading data for some methods, with statistics for others.
   */
  readonly coefficients?: readonly number[];
}

/**
 * The plan of a fusion with all gradients and patterns resolved: what a dry run shows.
 * @param statistics from `gatherStatistics`, where they are at hand
 */
export function resolvePlan(plan: FusionPlan, statistics?: FusionStatistics): ResolvedPlan {
  const dtypes = new Map(plan.layout.tensors.map(({ name, dtype }) => [name, dtype]));
  return {
    method: plan.method.id,
    inputs: plan.inputs.map(({ id, role }) => ({ id, role })),
    bytes: plan.layout.fileLength,
    tensors: plan.tensors.map((tensor): ResolvedTensor => {
      const { name, shape, treatment, parameters } = tensor;
      const common = { name, shape, dtype: dtypes.get(name) ?? "" };
      if (treatment.kind === "copy") return { ...common, treatment: "copied" };
      const coefficients = coefficientsOf(plan, tensor, statistics);
      return {
        ...common,
        treatment: "computed",
        parameters: parameters.values,
        inputs: parameters.inputs,
        ...(coefficients === undefined ? {} : { coefficients }),
      };
    }),
  };
}

function coefficientsOf(
  plan: FusionPlan,
  tensor: PlannedTensor,
  statistics: FusionStatistics | undefined,
): readonly number[] | undefined {
  const { compute } = plan;
  if (compute.kind !== "combination") return undefined;
  const combination =
    statistics === undefined ? compute.combine(tensor, undefined) : combinationOf(plan, compute, tensor, statistics);
  if (combination === undefined) return undefined;
  const { coefficients, affine } = combination;
  const total = affine ? coefficients.reduce((sum, coefficient) => sum + coefficient, 0) : 1;
  return coefficients.map((coefficient) => coefficient / total);
}
