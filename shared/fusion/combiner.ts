import type { AveragedDtype, AveragingKernels, WeightTable } from "../kernels/averaging.ts";
import { DTYPES } from "../safetensors/index.ts";
import type { Doubles } from "./doubles.ts";
import { readGram } from "./gram.ts";
import type {
  Combination,
  CombinationCompute,
  ElementRule,
  ElementwiseCompute,
  RuleContext,
} from "./methods/method.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";
import { type FusionStatistics, statisticOf } from "./statistics.ts";
import type { Workspace } from "./workspace.ts";

/** A run of elements of one tensor, in the heap. */
export interface Block {
  readonly tensor: PlannedTensor;
  /** Index of the first element within the tensor. */
  readonly first: number;
  readonly count: number;
  readonly inputDtype: AveragedDtype;
  readonly outputDtype: AveragedDtype;
  /** Heap address of the result. The inputs' addresses are those of the workspace. */
  readonly output: number;
}

/** A method made ready for one pass. */
export interface Combiner {
  /** Makes ready for a tensor. May allocate in the heap, and so detach views of it. */
  begin(tensor: PlannedTensor): void | Promise<void>;
  /**
   * Computes one block of the tensor begun last.
   * @returns more than 0 where an input or a result may not be finite
   */
  combine(block: Block): number;
  /** Frees what the combiner holds in the heap. */
  free(): void;
}

/** Coefficients for each tensor, and the averaging kernel. */
export class CombinationCombiner implements Combiner {
  readonly #plan: FusionPlan;
  readonly #compute: CombinationCompute;
  readonly #kernels: AveragingKernels;
  readonly #workspace: Workspace;
  readonly #statistics: FusionStatistics;
  #current: { tensor: PlannedTensor; table: WeightTable; complete: boolean; turnsZeros: boolean } | undefined;

  constructor(
    plan: FusionPlan,
    compute: CombinationCompute,
    kernels: AveragingKernels,
    workspace: Workspace,
    statistics: FusionStatistics,
  ) {
    this.#plan = plan;
    this.#compute = compute;
    this.#kernels = kernels;
    this.#workspace = workspace;
    this.#statistics = statistics;
  }

  begin(tensor: PlannedTensor): void {
    if (this.#current?.tensor === tensor) return;
    this.#current?.table.free();
    this.#current = undefined;
    const combination = combinationOf(this.#plan, this.#compute, tensor, this.#statistics);
    // A coefficient of 0 leaves its input out altogether: 0 times infinity is NaN, and -0 + 0 is 0.
    const used = combination.coefficients.flatMap((coefficient, input) => (coefficient === 0 ? [] : [input]));
    const entries = used.length > 0 ? used : [0];
    const table = this.#kernels.prepareWeights(
      entries.map((input) => this.#workspace.inputs[input] ?? 0),
      entries.map((input) => combination.coefficients[input] ?? 0),
      combination.affine && used.length > 0,
    );
    this.#current = {
      tensor,
      table,
      complete: entries.length === this.#plan.inputs.length,
      turnsZeros: combination.affine && combination.coefficients.some((coefficient) => coefficient < 0),
    };
  }

  combine({ inputDtype, outputDtype, output, count }: Block): number {
    if (this.#current === undefined) throw new Error("no tensor was begun");
    const { table, complete, turnsZeros } = this.#current;
    const nonFinite = this.#kernels.average(table, inputDtype, outputDtype, output, count);
    if (turnsZeros) {
      const [width, outputWidth] = [DTYPES[inputDtype].bits / 8, DTYPES[outputDtype].bits / 8];
      this.#kernels.combining.keepNegativeZeros(table, output, width, outputWidth, count);
    }
    return complete ? nonFinite : Math.max(1, nonFinite);
  }

  free(): void {
    this.#current?.table.free();
    this.#current = undefined;
  }
}

/** What a tensor of a combination comes to. */
export function combinationOf(
  plan: FusionPlan,
  compute: CombinationCompute,
  tensor: PlannedTensor,
  statistics: FusionStatistics,
): Combination {
  const gram =
    compute.measures === undefined || tensor.elements === 0
      ? undefined
      : readGram(statisticOf(plan, statistics, tensor), plan.members);
  const combination = compute.combine(tensor, gram);
  if (combination === undefined) throw new Error(`${plan.method.id} has no coefficients for ${tensor.name}`);
  return combination;
}

/** A rule over blocks of float64. */
export class ElementwiseCombiner implements Combiner {
  readonly #compute: ElementwiseCompute;
  readonly #doubles: Doubles;
  readonly #statistics: FusionStatistics;
  readonly #context: RuleContext;
  #current: { tensor: PlannedTensor; rule: ElementRule } | undefined;

  constructor(compute: ElementwiseCompute, doubles: Doubles, statistics: FusionStatistics, context: RuleContext) {
    this.#compute = compute;
    this.#doubles = doubles;
    this.#statistics = statistics;
    this.#context = context;
  }

  begin(tensor: PlannedTensor): void | Promise<void> {
    if (this.#current?.tensor === tensor || tensor.elements === 0) return undefined;
    this.#current = undefined;
    const rule = this.#compute.begin(tensor, statisticOf(this.#context.plan, this.#statistics, tensor), this.#context);
    if (typeof rule !== "function") return rule.then((ready) => void (this.#current = { tensor, rule: ready }));
    this.#current = { tensor, rule };
    return undefined;
  }

  combine({ tensor, first, count, outputDtype, output }: Block): number {
    if (this.#current?.tensor !== tensor) throw new Error(`${tensor.name} was not begun`);
    const block = this.#doubles.load(tensor, first, count);
    const { rule } = this.#current;
    if (rule.rounded?.(block, outputDtype, output) === true) return this.#doubles.nonFinite;
    const found = rule(block, this.#doubles.result(count)) ?? 0;
    return found + this.#doubles.nonFinite + this.#doubles.store(outputDtype, output, count);
  }

  free(): void {
    this.#doubles.free();
  }
}
