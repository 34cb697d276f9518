import * as z from "zod";
import { fitsPattern } from "../recipe/tensor-number.ts";
import { frozenMask, type MaskSpec } from "./mask.ts";

/**
 * Which tensors a mask touches: all trainable ones, or those whose name fits one of the patterns (`*` any run of
 * characters, `?` one; the same globs as in recipes).
 */
export type MaskScope = "all" | { readonly tensors: readonly string[] };

/** A {@link MaskScope} as JSON. */
export const maskScopeSchema = z.union(
  [z.literal("all"), z.strictObject({ tensors: z.array(z.string().min(1).max(1024)).min(1).max(1024) })],
  { error: '"all", or {tensors: [patterns of tensor names]}' },
);

/** All that decides which entries of a model are held, and where: the same for every member of a family. */
export interface MaskPlan extends MaskSpec {
  readonly scope: MaskScope;
  /** What held entries are: their initial value (TNA-PFN), or 0 (pruning at initialisation, arXiv:2402.01342). */
  readonly frozenValue: "initial" | "zero";
}

/** A plan that holds nothing: the vanilla run. */
export const NO_MASK: MaskPlan = { seed: 0n, fixedRatio: 0, scope: "all", frozenValue: "initial" };

/**
 * Running statistics of normalisation layers, as PyTorch and tf.layers name them. They are buffers, not weights: no mask
 * ever holds them, and they differ between members of a family.
 */
const BUFFER_NAME = /(^|[./])(running_mean|running_var|num_batches_tracked|moving_mean|moving_variance)$/;

/** Whether a mask of this scope touches the tensor. Running statistics it never does. */
export function inScope(scope: MaskScope, tensor: string): boolean {
  if (BUFFER_NAME.test(tensor)) return false;
  return scope === "all" || scope.tensors.some((pattern) => fitsPattern(pattern, tensor));
}

/** Two scopes of the same patterns; order and repetition mean nothing. */
export function sameScope(a: MaskScope, b: MaskScope): boolean {
  return JSON.stringify(canonicalScope(a)) === JSON.stringify(canonicalScope(b));
}

/** The one spelling of a scope that files record: patterns sorted, each once. */
export function canonicalScope(scope: MaskScope): "all" | { tensors: string[] } {
  return scope === "all" ? "all" : { tensors: [...new Set(scope.tensors)].sort() };
}

/**
 * The mask of one whole tensor: one byte an element, 1 = held.
 * @param size number of elements
 * @returns undefined where the plan holds none of them
 */
export function maskOf(plan: MaskPlan, tensor: string, size: number): Uint8Array<ArrayBuffer> | undefined {
  if (plan.fixedRatio === 0 || !inScope(plan.scope, tensor)) return undefined;
  return frozenMask(plan, tensor, 0, size);
}

/**
 * What training of a tensor starts from: its initial values, with held entries at +0 where the plan prunes.
 * @param initialValues row-major, the whole tensor; never changed
 * @returns a copy where something is pruned, else `initialValues` itself
 */
export function startOf(
  plan: MaskPlan,
  tensor: string,
  initialValues: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  if (plan.frozenValue === "initial") return initialValues;
  const mask = maskOf(plan, tensor, initialValues.length);
  return mask === undefined ? initialValues : initialValues.map((value, at) => (mask[at] === 1 ? 0 : value));
}
