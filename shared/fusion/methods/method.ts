import type { AveragedDtype, AveragingKernels } from "../../kernels/averaging.ts";
import type { Recipe } from "../../recipe/schema.ts";

/** A run of elements of one tensor, in the heap. */
export interface Block {
  readonly tensor: string;
  /** Index of the first element within the tensor, for methods that draw random numbers by element. */
  readonly first: number;
  readonly count: number;
  readonly inputDtype: AveragedDtype;
  readonly outputDtype: AveragedDtype;
  /** Heap address of the result. The inputs' addresses are those the combiner was made with. */
  readonly output: number;
}

/** A method made ready for one pass: coefficients resolved, tables in the heap. */
export interface Combiner {
  /**
   * Computes one block. Must depend on nothing but the elements and their indices, never on where blocks begin.
   * @returns how many results are not finite
   */
  combine(block: Block): number;
  /** Frees what the combiner holds in the heap. */
  free(): void;
}

/**
 * A fusion method: element-wise over aligned blocks of all inputs. One file in this folder and one line in the registry.
 *
 * Methods that need reductions over whole tensors first (norms, dot products, thresholds) get a second, optional
 * member for that pass; `linear` needs none.
 */
export interface FusionMethod {
  readonly id: Recipe["method"];
  /** Whether the order of the inputs is without meaning, so that recipes are sorted. */
  readonly symmetric: boolean;
  /** Whether an element that is not finite in any input is never finite in the result; else inputs are scanned. */
  readonly propagatesNonFinite: boolean;
  /** @param addresses heap address of each input's block, in the recipe's order */
  prepare(recipe: Recipe, kernels: AveragingKernels, addresses: readonly number[]): Combiner;
}
