import type * as z from "zod";
import type { ByteSource } from "../source.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { MemoryBudget } from "../../memory-budget.ts";
import type { AveragedDtype } from "../../kernels/averaging.ts";
import type { CombiningKernels, HeapRows } from "../../kernels/combining.ts";
import type { GramMatrix } from "../gram.ts";
import type { FusionPlan, PlannedTensor } from "../plan.ts";

/** Plain JSON: what a workflow step can return and a store can keep. */
export type Json = number | string | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * A run of elements of one tensor: one row for each of the plan's inputs, in that order. Either as `rows` of float64, or in
 * the heap for the `kernels`; the rows share memory, so what was asked for last is what is there.
 */
export interface DoublesBlock extends HeapRows {
  readonly tensor: PlannedTensor;
  /** Index of the first element within the tensor. */
  readonly first: number;
  readonly count: number;
  /** As float64. Decoded when first asked for; scratch space that may be overwritten. */
  readonly rows: readonly Float64Array<ArrayBuffer>[];
  readonly kernels: CombiningKernels;
  /** Heap address of an input's elements, in the block's `format`. Kernels may read `ROW_PADDING` bytes beyond them. */
  row(input: number): number;
  /** Heap address of the results, float64; also with `ROW_PADDING`. */
  readonly output: number;
  /** Heap address of a mask of one byte an element for an input. */
  mask(input: number): number;
  /**
   * A random mask over the block: 1 with probability `share`. Depends on the words and on the elements' indices alone.
   * Overwritten by the next call for that input.
   * @returns its heap address
   */
  draw(words: DrawWords, share: number, input?: number): number;
}

/** What decides a random mask: the recipe's seed, and 64 bits that stand for tensor and input. */
export interface DrawWords {
  readonly seed: bigint;
  readonly low: number;
  readonly high: number;
}

/**
 * A reduction over one tensor, or over all: each `yield` is one pass over the elements, in order, whose blocks the
 * yielded function sees; what the generator returns is the statistic. Blocks have {@link UNIT_ELEMENTS} elements, counted
 * from the tensor's start (the last one may be short), or whole runs where the method needs runs: so sums that are made
 * block by block never depend on how a file was read.
 */
export type Reduction = Generator<(block: DoublesBlock) => void, Json, void>;

/** Coefficients of a linear combination: one for each input, then the base's where there is one. */
export interface Combination {
  readonly coefficients: readonly number[];
  /**
   * Whether the coefficients are meant relative to their sum. An affine combination returns what all inputs share bit for
   * bit.
   */
  readonly affine: boolean;
}

/** A method whose result for a tensor is a linear combination of inputs and base. */
export interface CombinationCompute {
  readonly kind: "combination";
  /**
   * What the coefficients follow from: the Gram matrix of the inputs, or of their differences from the base. Left out
   * where they follow from parameters alone.
   */
  readonly measures?: "inputs" | "deltas";
  /** @param gram undefined on a dry run */
  combine(tensor: PlannedTensor, gram: GramMatrix | undefined): Combination | undefined;
}

/**
 * Computes a block: `result`, which lies at the block's `output`, receives one float64 an element.
 * @returns from a kernel that did not use the block's `rows`: more than 0 where an element may not be finite
 */
export interface ElementRule {
  (block: DoublesBlock, result: Float64Array<ArrayBuffer>): number | void;
  /**
   * Computes a block and rounds it to the output's dtype in one go, which spares a walk over it.
   * @returns whether it could, and all results are finite; where not, the rule itself has to compute the block
   */
  rounded?(block: DoublesBlock, dtype: AveragedDtype, address: number): boolean;
}

/** What a method may read beside the streams of elements. */
export interface RuleContext {
  readonly plan: FusionPlan;
  /** What large tables are booked in. */
  readonly budget: MemoryBudget;
  readSource(source: ByteSource, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A method that is not linear in a whole tensor: a rule for each element, or for runs of elements. */
export interface ElementwiseCompute {
  readonly kind: "elementwise";
  /** So many elements must come together: a row, or a whole tensor. 1 where left out. */
  runElements?(tensor: Pick<PlannedTensor, "shape" | "name">, plan: { readonly recipe: Recipe }): number;
  /** Bytes beyond the blocks that rules hold at a time. */
  tableBytes?(plan: FusionPlan): number;
  /** Whether a statistic is of one tensor, or of the whole model. */
  readonly scope?: "tensor" | "model";
  /** What must be known of the tensors first: of the one, or of all. Undefined where nothing must. */
  reduce?(tensors: readonly PlannedTensor[], plan: FusionPlan): Reduction | undefined;
  /**
   * @param statistic what {@link reduce} found
   * @returns the rule for a tensor
   */
  begin(tensor: PlannedTensor, statistic: Json | undefined, context: RuleContext): ElementRule | Promise<ElementRule>;
}

/**
 * A fusion method: its place in the recipe's schema, and how it computes. One file in this folder and one line in the
 * registry; nothing else knows of it.
 */
export interface FusionMethod {
  /** Kebab-case. */
  readonly id: string;
  /** Whether the order of the inputs is without meaning, so that recipes are sorted. */
  readonly symmetric: boolean;
  readonly base: "required" | "optional" | "none";
  readonly inputs: { readonly least: number; readonly most: number };
  /** Whether inputs are weighed. */
  readonly weights: boolean;
  /**
   * Statistics next to each checkpoint: `elements` has, for each tensor, one number an element; `columns` a square matrix
   * over one of its dimensions, for some tensors.
   */
  readonly sidecar?: "elements" | "columns";
  /** Parameters, by name in camelCase. */
  readonly parameters: Readonly<Record<string, z.ZodType>>;
  /** Those which an input may override for itself. */
  readonly inputParameters: Readonly<Record<string, z.ZodType>>;
  /** What a schema cannot say. */
  check?(recipe: Recipe): readonly { readonly pointer: string; readonly message: string }[];
  /** The same for the numbers that hold for one tensor; returns what is wrong with them. */
  checkTensor?(tensor: PlannedTensor, recipe: Recipe): string | undefined;
  compute(recipe: Recipe): CombinationCompute | ElementwiseCompute;
}

/** Elements a block of a reduction, where the method does not ask for runs. */
export const UNIT_ELEMENTS = 4096;

/** Most inputs of a fusion. */
export const MOST_INPUTS = 64;
