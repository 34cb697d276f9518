import * as z from "zod";
import { isAveragedDtype } from "../../kernels/averaging.ts";
import { Problem } from "../../problem.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { tensorNumber } from "../../recipe/tensor-number.ts";
import { DTYPES } from "../../safetensors/index.ts";
import { numberOf, numbersOf } from "../parameters.ts";
import type { FusionPlan, PlannedTensor } from "../plan.ts";
import { type ElementRule, type FusionMethod, MOST_INPUTS, type RuleContext } from "./method.ts";
import { solvePositive } from "./positive-system.ts";
import { averageErrorAt, averageErrors, shares } from "./weights.ts";

/**
 * RegMean: for each linear layer the weights that come closest to what all inputs compute on their own data,
 * W = (Σ G)⁻¹ Σ G·W, where G is the mean of x·xᵀ over the layer's inputs, which the `statistics` file holds under the
 * weight's name. Entries off G's diagonal are scaled by `alpha`; a `ridge` relative to the mean of the diagonal keeps
 * features that never fired from making the sum singular (such weights are averaged). Tensors without G are averaged.
 *
 * `layout` says which axis of a matrix is the layer's input: `out-in` (PyTorch: `[out, in]`), `in-out` (TF.js: `[in, out]`),
 * `auto`: whichever G's size fits, and by name (`…kernel` is in-out) where both do. A row is computed at a time for out-in,
 * the whole matrix for in-out.
 * @see Jin et al., "Dataless knowledge fusion by merging weights of language models" (arXiv:2212.09849)
 */
export const regmean: FusionMethod = {
  id: "regmean",
  symmetric: true,
  base: "none",
  inputs: { least: 1, most: MOST_INPUTS },
  weights: true,
  sidecar: "columns",
  parameters: {
    alpha: tensorNumber({ least: 0, most: 1 }).default(0.9),
    ridge: z.number().min(0).max(1).default(1e-9),
    layout: z.enum(["auto", "out-in", "in-out"]).default("auto"),
  },
  inputParameters: {},
  check: averageErrors,
  checkTensor: averageErrorAt,
  compute: ({ parameters }) => ({
    kind: "elementwise",
    runElements: (tensor) => runOf(tensor, parameters["layout"]),
    tableBytes: (plan) => Math.max(0, ...plan.tensors.map((tensor) => solverBytes(plan, tensor))),
    begin: (tensor, _, context) => (sizeOf(tensor) === 0 ? averageRule(tensor) : solve(tensor, context)),
  }),
};

/** Elements that must come together, whether or not there turns out to be a G. */
function runOf({ shape, name }: Pick<PlannedTensor, "shape" | "name">, layout: unknown): number {
  const [rows = 1, columns = 1] = shape;
  if (shape.length !== 2) return 1;
  return layout === "out-in" || (layout === "auto" && !isKernel(name)) ? columns : rows * columns;
}

function isKernel(name: string): boolean {
  return /(^|[./])kernel$/.test(name);
}

/** Rows and columns of G; 0 where the tensor is averaged. */
function sizeOf({ shape, statistics }: PlannedTensor): number {
  const [first] = statistics;
  if (shape.length !== 2 || first === undefined) return 0;
  return statistics.every((own) => own !== undefined) ? (first.shape[0] ?? 0) : 0;
}

function solverBytes({ members }: FusionPlan, tensor: PlannedTensor): number {
  return 8 * sizeOf(tensor) ** 2 * (members + 3);
}

function averageRule({ parameters }: PlannedTensor): ElementRule {
  const weights = shares(numbersOf(parameters, "weight"));
  return ({ rows, count }, result) => {
    for (let at = 0; at < count; at++) {
      const first = rows[0]?.[at] as number;
      let sum = 0;
      let same = true;
      for (const [i, weight] of weights.entries()) {
        const x = rows[i]?.[at] as number;
        same &&= Object.is(x, first);
        sum += weight * x;
      }
      result[at] = same ? first : sum;
    }
  };
}

async function solve(tensor: PlannedTensor, { plan, budget, readSource }: RuleContext): Promise<ElementRule> {
  const size = sizeOf(tensor);
  const [rows = 0, columns = 0] = tensor.shape;
  const outIn = layoutOf(tensor, plan.recipe, size);
  const lease = budget.take(solverBytes(plan, tensor));
  try {
    const weights = shares(numbersOf(tensor.parameters, "weight"));
    const grams: Float64Array[] = [];
    for (const input of weights.keys()) grams.push(await readGram(plan, tensor, input, size, readSource));
    for (const [input, gram] of grams.entries()) prepare(gram, size, weights[input] ?? 0, plan.recipe, tensor);
    const sum = new Float64Array(size * size);
    for (const gram of grams) {
      for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] as number) + (gram[at] as number);
    }
    // M = (Σ G)⁻¹ G, so that W = Σ M·W, whatever rows of it are asked for.
    const maps = solvePositive(sum, size, grams);
    if (maps === undefined) {
      throw new Problem(
        "incompatible-inputs",
        `The statistics of tensor ${JSON.stringify(tensor.name)} add up to a matrix that cannot be inverted.`,
        { tensor: tensor.name },
      );
    }
    return outIn ? rowsRule(maps, columns) : matrixRule(maps, rows, columns);
  } finally {
    lease.release();
  }
}

/** Whether the layer's input is the last axis. */
function layoutOf({ shape, name }: PlannedTensor, { parameters }: Recipe, size: number): boolean {
  const [rows, columns] = shape;
  const layout = parameters["layout"];
  const outIn = layout === "auto" ? !isKernel(name) : layout === "out-in";
  if ((outIn ? columns : rows) === size) return outIn;
  throw new Problem(
    "incompatible-inputs",
    `The statistics of tensor ${JSON.stringify(name)} are ${size} x ${size}, which does not fit [${shape}] as ` +
      `${outIn ? "[out, in]" : "[in, out]"}; see the parameter layout.`,
    { tensor: name },
  );
}

async function readGram(
  plan: FusionPlan,
  tensor: PlannedTensor,
  input: number,
  size: number,
  readSource: RuleContext["readSource"],
): Promise<Float64Array> {
  const found = tensor.statistics[input];
  const source = plan.inputs[(plan.sidecars ?? 0) + input]?.source;
  const square = found?.shape.length === 2 && found.shape[0] === size && found.shape[1] === size;
  if (found === undefined || source === undefined || !square || !isAveragedDtype(found.dtype)) {
    throw new Problem(
      "incompatible-inputs",
      `The statistics of tensor ${JSON.stringify(tensor.name)} are ${found?.dtype} [${found?.shape}]; ` +
        `a square matrix of F32 or F64, of one size for all inputs, is wanted.`,
      { tensor: tensor.name },
    );
  }
  const begin = found.dataOffset + found.begin;
  const bytes = await readSource(source, begin, begin + size * size * (DTYPES[found.dtype].bits / 8));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const gram = new Float64Array(size * size);
  for (let at = 0; at < gram.length; at++) {
    if (found.dtype === "F64") {
      gram[at] = view.getFloat64(8 * at, true);
    } else if (found.dtype === "F32") {
      gram[at] = view.getFloat32(4 * at, true);
    } else {
      throw new Problem("unsupported-dtype", `Statistics of RegMean are F32 or F64, not ${found.dtype}.`, {
        tensor: tensor.name,
      });
    }
  }
  return gram;
}

/** Scales what is off the diagonal, adds the ridge, and weighs. */
function prepare(
  gram: Float64Array,
  size: number,
  weight: number,
  { parameters }: Recipe,
  tensor: PlannedTensor,
): void {
  const alpha = numberOf(tensor.parameters, "alpha");
  let trace = 0;
  for (let row = 0; row < size; row++) trace += gram[row * size + row] as number;
  const ridge = (parameters["ridge"] as number) * (trace > 0 ? trace / size : 1);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const at = row * size + column;
      const value = gram[at] as number;
      gram[at] = weight * (row === column ? value + ridge : alpha * value);
    }
  }
}

/** `[out, in]`: each row by itself, y = Σ M·x. */
function rowsRule(maps: readonly Float64Array[], size: number): ElementRule {
  return ({ rows, count }, result) => {
    for (let row = 0; row < count; row += size) {
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (const [input, map] of maps.entries()) {
          const x = rows[input] as Float64Array;
          for (let k = 0; k < size; k++) sum += (map[i * size + k] as number) * (x[row + k] as number);
        }
        result[row + i] = keepShared(rows, maps.length, row + i, sum);
      }
    }
  };
}

/** `[in, out]`: all columns at once. */
function matrixRule(maps: readonly Float64Array[], size: number, columns: number): ElementRule {
  return ({ rows, count }, result) => {
    result.fill(0, 0, count);
    for (let i = 0; i < size; i++) {
      for (const [input, map] of maps.entries()) {
        const x = rows[input] as Float64Array;
        for (let k = 0; k < size; k++) {
          const factor = map[i * size + k] as number;
          for (let column = 0; column < columns; column++) {
            result[i * columns + column] =
              (result[i * columns + column] as number) + factor * (x[k * columns + column] as number);
          }
        }
      }
    }
    for (let at = 0; at < count; at++) result[at] = keepShared(rows, maps.length, at, result[at] as number);
  };
}

/** The solution where inputs differ is not bound by what they share; where it comes out within rounding of it, it is that. */
function keepShared(rows: readonly Float64Array[], members: number, at: number, found: number): number {
  const first = rows[0]?.[at] as number;
  for (let input = 1; input < members; input++) if (!Object.is(rows[input]?.[at], first)) return found;
  return Math.abs(found - first) <= 1e-9 * Math.abs(first) + 1e-12 ? first : found;
}
