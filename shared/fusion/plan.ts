import { type Alignment, ALIGNMENT_KEY, readAlignment, sameFamily } from "../alignment/metadata.ts";
import type { CheckpointId } from "../identity.ts";
import { type AveragedDtype, isAveragedDtype } from "../kernels/averaging.ts";
import { MODEL_KEY } from "../models/architecture.ts";
import { Problem } from "../problem.ts";
import { canonicalJson } from "../recipe/canonical-json.ts";
import type { Recipe } from "../recipe/schema.ts";
import {
  type Dtype,
  DTYPES,
  elementCount,
  layoutSafetensors,
  type SafetensorsLayout,
  type TensorInfo,
} from "../safetensors/index.ts";
import { matchTensors } from "./compatibility.ts";
import { fusionMethod, type FusionMethod } from "./methods/index.ts";
import type { ByteSource, FusionInput } from "./source.ts";

/** Key of the canonical recipe in a fused file's `__metadata__`. */
export const RECIPE_KEY = "edgefuse.recipe";

export interface PlannedInput {
  readonly id: CheckpointId;
  readonly weight: number;
  readonly source: ByteSource;
}

/** How a tensor's elements come about: averaged as floats, or copied from the first input. */
export type Treatment =
  | { readonly kind: "average"; readonly input: AveragedDtype; readonly output: AveragedDtype }
  | { readonly kind: "copy"; readonly compare: boolean };

export interface PlannedTensor {
  readonly name: string;
  readonly elements: number;
  readonly treatment: Treatment;
  /** Bytes an element in the inputs and in the output. */
  readonly inputWidth: number;
  readonly outputWidth: number;
  /** Where the tensor begins in the output file, and in each input's file, in bytes from the start of the file. */
  readonly outputBegin: number;
  readonly inputBegins: readonly number[];
}

/** Everything about a fusion that can be known from the headers. */
export interface FusionPlan {
  readonly recipe: Recipe;
  readonly method: FusionMethod;
  /** In the recipe's order, which is the order of the sums. */
  readonly inputs: readonly PlannedInput[];
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
 * Plans a fusion: which output byte comes from which input bytes, and how. Reads nothing but headers.
 * @param recipe from `parseRecipe`
 * @param inputs the checkpoints that the recipe names, in any order; a checkpoint that it names twice is needed once
 * @throws Problem `checkpoint-not-found` where one is not among `inputs`, `incompatible-inputs`, `unsupported-dtype`,
 *   `misaligned-inputs` where the recipe requires alignment that the inputs do not declare, `invalid-metadata`
 */
export function planFusion(recipe: Recipe, inputs: readonly FusionInput[]): FusionPlan {
  const method = fusionMethod(recipe.method);
  const ordered = recipe.inputs.map(({ checkpoint }) => {
    const input = inputs.find(({ id }) => id === checkpoint);
    if (input === undefined) {
      throw new Problem("checkpoint-not-found", `There is no checkpoint ${checkpoint}.`, { checkpoint });
    }
    return input;
  });
  const tensorsOfInputs = matchTensors(ordered);
  const family = commonFamily(recipe, ordered);
  const reference = ordered[0]?.header.tensors ?? [];
  const layout = layoutSafetensors(
    reference.map(({ name, dtype, shape }) => ({ name, dtype: outputDtypeOf(recipe, dtype), shape })),
    outputMetadata(recipe, ordered, family),
  );
  const dtypes = new Map(reference.map(({ name, dtype }) => [name, dtype]));
  const tensors = layout.tensors.map(({ name, dtype: output, shape, begin }): PlannedTensor => {
    const input = dtypes.get(name) ?? output;
    return {
      name,
      elements: elementCount(shape),
      treatment: treatmentOf(recipe, name, input, output),
      inputWidth: DTYPES[input].bits / 8,
      outputWidth: DTYPES[output].bits / 8,
      outputBegin: layout.dataOffset + begin,
      inputBegins: tensorsOfInputs.map((byName, index) => beginOf(ordered[index], byName.get(name))),
    };
  });
  return {
    recipe,
    method,
    inputs: ordered.map(({ id, source }, index) => ({ id, source, weight: recipe.inputs[index]?.weight ?? 0 })),
    layout,
    tensors,
    elements: tensors.reduce((sum, { elements }) => sum + elements, 0),
    family,
  };
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
  if (!isAveragedDtype(input) || !isAveragedDtype(output)) {
    throw new Problem(
      "unsupported-dtype",
      `Tensor ${JSON.stringify(tensor)} is ${input}; F64, F32, F16 and BF16 can be averaged.`,
      { tensor, dtype: input },
    );
  }
  return { kind: "average", input, output };
}

function commonFamily({ requireAlignment }: Recipe, inputs: readonly FusionInput[]): Alignment | undefined {
  const declared = inputs.map(({ header }) => readAlignment(header.metadata));
  const [first] = declared;
  if (first !== undefined && declared.every((other) => other !== undefined && sameFamily(first, other))) return first;
  if (requireAlignment) {
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
  const model = inputs[0]?.header.metadata[MODEL_KEY];
  if (model !== undefined && inputs.every(({ header }) => header.metadata[MODEL_KEY] === model)) {
    metadata[MODEL_KEY] = model;
  }
  if (family !== undefined) metadata[ALIGNMENT_KEY] = canonicalJson(family);
  return metadata;
}
