import {
  emptyObservations,
  type FuseOptions,
  fuseRange,
  type FusionEngine,
  type FusionInput,
  fusionReport,
  planFusion,
} from "../../../shared/fusion/index.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

/** The engine of this process, with a budget of its own. */
export async function testEngine(limitBytes = 64 * 2 ** 20): Promise<FusionEngine> {
  return { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(limitBytes) };
}

export function f32(name: string, values: readonly number[], shape: readonly number[] = [values.length]): TestTensor {
  return { name, dtype: "F32", shape, data: new Uint8Array(new Float32Array(values).buffer) };
}

export function f64(name: string, values: readonly number[], shape: readonly number[] = [values.length]): TestTensor {
  return { name, dtype: "F64", shape, data: new Uint8Array(new Float64Array(values).buffer) };
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** Fuses in memory. */
export async function fuseFile(
  recipe: unknown,
  inputs: readonly FusionInput[],
  engine: FusionEngine,
  options: FuseOptions = {},
) {
  const plan = planFusion(parseRecipe(recipe), inputs);
  const observations = emptyObservations(plan);
  const file = await collect(fuseRange(plan, engine, { ...options, observations }));
  return { plan, file, report: fusionReport(plan, observations) };
}

/** Values of a tensor of F32 in a file. */
export function singlesOf(file: Uint8Array<ArrayBuffer>, name: string): number[] {
  const { header, bytes } = decodeSafetensors(file);
  const tensor = header.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  return [...new Float32Array(bytes(tensor).slice().buffer)];
}

export interface VectorFusion {
  readonly method: string;
  readonly inputs: readonly (readonly number[])[];
  readonly weights?: readonly unknown[];
  readonly base?: readonly number[];
  /** For each input: its statistics, a tensor of this shape. */
  readonly statistics?: readonly { readonly shape: readonly number[]; readonly values: readonly number[] }[];
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly shape?: readonly number[];
  readonly rest?: Readonly<Record<string, unknown>>;
  /** Further members of the recipe's inputs. */
  readonly own?: readonly Readonly<Record<string, unknown>>[];
  readonly name?: string;
}

/** Fuses checkpoints of one tensor `w` of F32, and returns its values. */
export async function fuseVectors(fusion: VectorFusion): Promise<number[]> {
  const { method, inputs, weights, base, statistics, parameters = {}, shape, rest = {}, own = [], name = "w" } = fusion;
  // Metadata keeps files apart whose tensors are equal.
  const file = (values: readonly number[], note: string, dimensions = shape ?? [values.length]) =>
    inputOf(writeCheckpoint([f32(name, values, dimensions)], { note }));
  const members = await Promise.all(inputs.map((values, index) => file(values, `input ${index}`)));
  const sidecars = await Promise.all(
    (statistics ?? []).map((one, index) =>
      inputOf(writeCheckpoint([f64(name, one.values, one.shape)], { note: `${index}` })),
    ),
  );
  const from = base === undefined ? undefined : await file(base, "base");
  const recipe = {
    method,
    inputs: members.map(({ id }, index) => ({
      checkpoint: id,
      ...(weights === undefined ? {} : { weight: weights[index] }),
      ...(sidecars[index] === undefined ? {} : { statistics: sidecars[index].id }),
      ...own[index],
    })),
    ...(from === undefined ? {} : { base: from.id }),
    parameters,
    ...rest,
  };
  const engine = await testEngine();
  const all = [...members, ...sidecars, ...(from === undefined ? [] : [from])];
  const result = await fuseFile(recipe, all, engine);
  if (engine.budget.usedBytes !== 0) throw new Error("memory stayed booked");
  return singlesOf(result.file, name);
}
