import { fuseRange, type FusionEngine, type FusionInput, planFusion } from "../../shared/fusion/index.ts";
import { MemoryBudget } from "../../shared/memory-budget.ts";
import { parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import { inputOf, writeCheckpoint } from "../support/checkpoints.ts";
import { wasmEngine } from "../support/wasm-engine.ts";

const ELEMENTS = 4 * 2 ** 20;
const ROUNDS = 7;

/** One method's time, and what it is times that of `linear` over as many inputs, and over as many files. */
export interface MethodFigure {
  readonly what: string;
  readonly milliseconds: number;
  readonly toLinear: number;
  /** With the base counted as one more input of `linear`. */
  readonly toLinearOfFiles: number;
}

interface MethodCase {
  readonly method: string;
  readonly inputs: number;
  readonly base?: boolean;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

const CASES: readonly MethodCase[] = [
  { method: "linear", inputs: 2 },
  { method: "linear", inputs: 3 },
  { method: "linear", inputs: 4 },
  { method: "linear", inputs: 5 },
  { method: "slerp", inputs: 2, parameters: { t: 0.3 } },
  { method: "ties", inputs: 2, base: true, parameters: { density: 0.5 } },
  { method: "ties", inputs: 4, base: true, parameters: { density: 0.5 } },
  { method: "ties", inputs: 4, base: true, parameters: { density: 1 } },
  { method: "dare-linear", inputs: 2, base: true, parameters: { density: 0.5 } },
  { method: "dare-ties", inputs: 4, base: true, parameters: { density: 0.5 } },
  { method: "task-arithmetic", inputs: 4, base: true },
  { method: "model-stock", inputs: 4, base: true },
];

/** A checkpoint that lies near a common one, as fine-tuned models do; `salt` 0 is the common one. */
function checkpoint(salt: number): Promise<FusionInput> {
  const values = new Float32Array(ELEMENTS);
  let common = 0x9e3779b9;
  let own = (salt * 0x85ebca6b) | 1;
  for (let at = 0; at < ELEMENTS; at++) {
    common = (Math.imul(common, 1664525) + 1013904223) | 0;
    own = (Math.imul(own, 1664525) + 1013904223) | 0;
    values[at] = common * 2 ** -36 + (salt === 0 ? 0 : own * 2 ** -42);
  }
  const tensor = { name: "w", dtype: "F32", shape: [1024, ELEMENTS / 1024], data: new Uint8Array(values.buffer) };
  return inputOf(writeCheckpoint([tensor]));
}

/**
 * Fuses checkpoints of one F32 tensor of 2^22 elements that are in memory, reads and statistics included. The methods take
 * turns, and the fastest of several rounds counts: what else the machine does then falls on all of them alike.
 */
export async function measureMethods(): Promise<MethodFigure[]> {
  const engine: FusionEngine = { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(64 * 2 ** 20) };
  const [base, ...members] = await Promise.all([0, 1, 2, 3, 4, 5].map(checkpoint));
  if (base === undefined) throw new Error("there is no base");
  const runs = CASES.map((test) => {
    const inputs = members.slice(0, test.inputs);
    const recipe = parseRecipe({
      method: test.method,
      inputs: inputs.map(({ id }) => ({ checkpoint: id })),
      ...(test.base === true ? { base: base.id } : {}),
      parameters: test.parameters ?? {},
    });
    return { test, plan: planFusion(recipe, test.base === true ? [...inputs, base] : inputs), best: Infinity };
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const run of runs) {
      const start = performance.now();
      for await (const chunk of fuseRange(run.plan, engine)) void chunk;
      run.best = Math.min(run.best, performance.now() - start);
    }
  }
  const linear = (inputs: number) =>
    runs.find(({ test }) => test.method === "linear" && test.inputs === inputs)?.best ?? Number.NaN;
  return runs.map(({ test, best }) => ({
    what:
      `${test.method} ${test.inputs} inputs${test.base === true ? " and base" : ""}` +
      Object.entries(test.parameters ?? {})
        .map(([name, value]) => `, ${name} ${value}`)
        .join(""),
    milliseconds: best,
    toLinear: best / linear(test.inputs),
    toLinearOfFiles: best / linear(test.inputs + (test.base === true ? 1 : 0)),
  }));
}

/** Prints the figures of {@link measureMethods}. */
export async function benchMethods(): Promise<void> {
  process.stdout.write(
    "fusing F32 checkpoints of 2^22 elements, in memory; times linear over as many inputs, and files\n",
  );
  for (const { what, milliseconds, toLinear, toLinearOfFiles } of await measureMethods()) {
    process.stdout.write(
      `  ${what.padEnd(44)} ${milliseconds.toFixed(0).padStart(6)} ms ${toLinear.toFixed(2).padStart(7)} x ` +
        `${toLinearOfFiles.toFixed(2).padStart(7)} x\n`,
    );
  }
}
