import { type Alignment, ALIGNMENT_KEY, readAlignment, sameFamily } from "../alignment/metadata.ts";
import type { CheckpointId } from "../identity.ts";
import { type AveragedDtype, isAveragedDtype } from "../kernels/averaging.ts";
import { FORM_KEYS } from "../models/form-keys.ts";
import { Problem } from "../problem.ts";
import { canonicalJson } from "../recipe/canonical-json.ts";
import { requireFittingPatterns } from "../recipe/fitting-patterns.ts";
import { layerPositions } from "../recipe/layer-position.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { resolveTensorNumber } from "../recipe/tensor-number.ts";
import {
  type Dtype,
  DTYPES,
  elementCount,
  layoutSafetensors,
  type SafetensorsLayout,
  type TensorInfo,
} from "../safetensors/index.ts";
import { matchTensors } from "./compatibility.ts";
import { fusionMethod } from "./methods/index.ts";
import type { CombinationCompute, ElementwiseCompute, FusionMethod } from "./methods/method.ts";
import { resolveParameters, type TensorParameters } from "./parameters.ts";
import type { ByteSource, FusionInput } from "./source.ts";

/** Key of the canonical recipe in a fused file's `__metadata__`. */
export const RECIPE_KEY = "edgefuse.recipe";

export interface PlannedInput {
  readonly id: CheckpointId;
  /** A checkpoint that is fused, the base that deltas are taken from, or an input's statistics. */
  readonly role: "input" | "base" | "statistics";
  /** As the recipe has it where that is one number; else what holds for tensors outside of every layer, or 1. */
  readonly weight: number;
  readonly source: ByteSource;
}

/** How a tensor's elements come about: computed as floats, or copied from the first input. */
export type Treatment =
  | { readonly kind: "average"; readonly input: AveragedDtype; readonly output: AveragedDtype }
  | { readonly kind: "copy"; readonly compare: boolean };

export interface PlannedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly treatment: Treatment;
  /** Elements that must be computed together: 1, or a row, or all. Elements are a multiple of it. */
  readonly run: number;
  readonly parameters: TensorParameters;
  /** Bytes an element in the models and in the output. */
  readonly inputWidth: number;
  readonly outputWidth: number;
  /** Where the tensor begins in the output file, in bytes from the start of the file. */
  readonly outputBegin: number;
  /** The same in each input's file; undefined where the tensor is not streamed from that input. */
  readonly inputBegins: readonly (number | undefined)[];
  /** Dtype in each input; undefined where the tensor is not streamed from it as floats. */
  readonly dtypes: readonly (AveragedDtype | undefined)[];
  /** For each input's statistics: the tensor of this name there. */
  readonly statistics: readonly ((TensorInfo & { readonly dataOffset: number }) | undefined)[];
}

/** Everything about a fusion that can be known from the headers. */
export interface FusionPlan {
  readonly recipe: Recipe;
  readonly method: FusionMethod;
  readonly compute: CombinationCompute | ElementwiseCompute;
  /** The recipe's inputs in its order, which is the order of the sums; then the base; then the inputs' statistics. */
  readonly inputs: readonly PlannedInput[];
  /** How many of the inputs are fused. */
  readonly members: number;
  /** Index of the base, where there is one. */
  readonly base: number | undefined;
  /** Index of the first input's statistics, where there are any. */
  readonly sidecars: number | undefined;
  /** The output file; `fileLength` and `headerBytes` are final. */
  readonly layout: SafetensorsLayout;
  /** In the order of the output file. */
  readonly tensors: readonly PlannedTensor[];
  /** Elements of all tensors together. */
  readonly elements: number;
  /** What the inputs declare about their alignment, where all declare the same. */
  readonly family: Alignment | undefined;
}

/**
 * Plans a fusion from headers alone: reads no data.
 * @param recipe from `parseRecipe`
 * @param inputs at least what `filesOf` names, in any order
 * @throws Problem `checkpoint-not-found` where an input is missing, `incompatible-inputs`, `unsupported-dtype`,
 *   `misaligned-inputs`, `invalid-recipe` where parameters do not fit a tensor
 */
export function planFusion(recipe: Recipe, inputs: readonly FusionInput[]): FusionPlan {
  const method = fusionMethod(recipe.method);
  const compute = method.compute(recipe);
  const find = (checkpoint: CheckpointId) => {
    const input = inputs.find(({ id }) => id === checkpoint);
    if (input !== undefined) return input;
    throw new Problem("checkpoint-not-found", `There is no checkpoint ${checkpoint}.`, { checkpoint });
  };
  const members = recipe.inputs.map(({ checkpoint }) => find(checkpoint));
  const base = recipe.base === undefined ? undefined : find(recipe.base);
  const models = base === undefined ? members : [...members, base];
  const sidecars = recipe.inputs.flatMap(({ statistics }) => (statistics === undefined ? [] : [find(statistics)]));
  const tensorsOfModels = matchTensors(models);
  const tensorsOfSidecars = sidecars.map(
    ({ header }) => new Map(header.tensors.map((tensor) => [tensor.name, tensor])),
  );
  const family = commonFamily(recipe, models);
  const reference = models[0]?.header.tensors ?? [];
  const layout = layoutSafetensors(
    reference.map(({ name, dtype, shape }) => ({ name, dtype: outputDtypeOf(recipe, dtype), shape })),
    outputMetadata(recipe, members, family),
  );
  const dtypes = new Map(reference.map(({ name, dtype }) => [name, dtype]));
  const names = reference.map(({ name }) => name);
  requireFittingPatterns(recipe, names);
  const positions = layerPositions(names);
  const overridable = Object.keys(method.inputParameters);
  const tensors = layout.tensors.map(({ name, dtype: output, shape, begin }): PlannedTensor => {
    const input = dtypes.get(name) ?? output;
    const treatment = treatmentOf(recipe, name, input, output);
    const floats = treatment.kind === "average";
    const statistics = sidecars.map(({ header }, index) => {
      const found = tensorsOfSidecars[index]?.get(name);
      return found === undefined ? undefined : { ...found, dataOffset: header.dataOffset };
    });
    const streamed = statistics.map((found) =>
      floats && method.sidecar === "elements" ? elementsOf(found, name, shape) : undefined,
    );
    const tensor: PlannedTensor = {
      name,
      shape,
      elements: elementCount(shape),
      treatment,
      run:
        floats && compute.kind === "elementwise"
          ? Math.max(1, compute.runElements?.({ name, shape }, { recipe }) ?? 1)
          : 1,
      parameters: resolveParameters(recipe, overridable, { name, position: positions.get(name) ?? 0 }),
      inputWidth: DTYPES[input].bits / 8,
      outputWidth: DTYPES[output].bits / 8,
      outputBegin: layout.dataOffset + begin,
      inputBegins: [
        ...tensorsOfModels.map((byName, index) => beginOf(models[index], byName.get(name))),
        ...streamed.map((found) => (found === undefined ? undefined : found.dataOffset + found.begin)),
      ],
      dtypes: [...models.map(() => (floats ? treatment.input : undefined)), ...streamed.map((found) => found?.floats)],
      statistics,
    };
    const wrong = floats ? method.checkTensor?.(tensor, recipe) : undefined;
    if (wrong !== undefined) {
      throw new Problem("invalid-recipe", `For tensor ${JSON.stringify(name)}: ${wrong}`, {
        tensor: name,
        pointer: "/parameters",
      });
    }
    return tensor;
  });
  return {
    recipe,
    method,
    compute,
    inputs: [
      ...members.map(({ id, source }, index) => ({
        id,
        source,
        role: "input" as const,
        weight: nominalWeight(recipe, index),
      })),
      ...(base === undefined ? [] : [{ id: base.id, source: base.source, role: "base" as const, weight: 0 }]),
      ...sidecars.map(({ id, source }) => ({ id, source, role: "statistics" as const, weight: 0 })),
    ],
    members: members.length,
    base: base === undefined ? undefined : members.length,
    sidecars: sidecars.length === 0 ? undefined : models.length,
    layout,
    tensors,
    elements: tensors.reduce((sum, { elements }) => sum + elements, 0),
    family,
  };
}

/** Of statistics that go with each element: where they are. */
function elementsOf(
  found: (TensorInfo & { readonly dataOffset: number }) | undefined,
  tensor: string,
  shape: readonly number[],
): { readonly dataOffset: number; readonly begin: number; readonly floats: AveragedDtype } {
  if (found === undefined || found.shape.join() !== shape.join()) {
    const what = found === undefined ? "are missing" : `have shape [${found.shape}]`;
    throw new Problem(
      "incompatible-inputs",
      `The statistics of tensor ${JSON.stringify(tensor)} ${what}; the tensor has shape [${shape}].`,
      { tensor },
    );
  }
  if (!isAveragedDtype(found.dtype)) throw unsupported(tensor, found.dtype);
  return { dataOffset: found.dataOffset, begin: found.begin, floats: found.dtype };
}

/** One number that stands for an input's weight in lists: plans and reports have the weights of each tensor. */
export function nominalWeight(recipe: Recipe, input: number): number {
  const weight = recipe.inputs[input]?.weight ?? 1;
  return resolveTensorNumber(weight, { name: "", position: 0 }) ?? 1;
}

function beginOf(input: FusionInput | undefined, tensor: TensorInfo | undefined): number {
  return (input?.header.dataOffset ?? 0) + (tensor?.begin ?? 0);
}

function outputDtypeOf(recipe: Recipe, input: Dtype): Dtype {
  return recipe.dtype === "input" || DTYPES[input].kind !== "float" ? input : recipe.dtype;
}

function treatmentOf(recipe: Recipe, tensor: string, input: Dtype, output: Dtype): Treatment {
  const { kind } = DTYPES[input];
  if (kind === "integer" || kind === "boolean") return { kind: "copy", compare: recipe.nonFloat === "error" };
  if (!isAveragedDtype(input) || !isAveragedDtype(output)) throw unsupported(tensor, input);
  return { kind: "average", input, output };
}

function unsupported(tensor: string, dtype: Dtype): Problem {
  const known = Object.keys(DTYPES).filter((name) => isAveragedDtype(name as Dtype));
  return new Problem(
    "unsupported-dtype",
    `Tensor ${JSON.stringify(tensor)} is ${dtype}; ${known.join(", ")} can be averaged.`,
    { tensor, dtype },
  );
}

function commonFamily(recipe: Recipe, inputs: readonly FusionInput[]): Alignment | undefined {
  // A base that declares nothing stands in nobody's way; its frozen entries are compared all the same.
  const declared = inputs.flatMap(({ header, id }) => {
    const own = readAlignment(header.metadata);
    return own === undefined && id === recipe.base && !recipe.inputs.some(({ checkpoint }) => checkpoint === id)
      ? []
      : [own];
  });
  const [first] = declared;
  if (first !== undefined && declared.every((other) => other !== undefined && sameFamily(first, other))) return first;
  if (recipe.requireAlignment) {
    const silent = inputs.filter((_, index) => declared[index] === undefined).map(({ id }) => id);
    throw new Problem(
      "misaligned-inputs",
      silent.length > 0
        ? `The recipe requires alignment, but ${silent.length} of ${inputs.length} inputs declare none.`
        : "The recipe requires alignment, but the inputs declare different starts or masks.",
      { undeclared: silent },
    );
  }
  return undefined;
}

/** What is known before a byte of data is read, so the file's bytes depend on recipe and inputs alone: no timestamps. */
function outputMetadata(
  recipe: Recipe,
  inputs: readonly FusionInput[],
  family: Alignment | undefined,
): Record<string, string> {
  const metadata: Record<string, string> = { format: "pt", [RECIPE_KEY]: canonicalJson(recipe) };
  // What all inputs say of the network, and of how its tensors lie, holds for the fused model too.
  for (const key of FORM_KEYS) {
    const said = inputs[0]?.header.metadata[key];
    if (said !== undefined && inputs.every(({ header }) => header.metadata[key] === said)) metadata[key] = said;
  }
  if (family !== undefined) metadata[ALIGNMENT_KEY] = canonicalJson(family);
  return metadata;
}
