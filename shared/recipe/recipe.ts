import type { CheckpointId, SoupId } from "../identity.ts";
import type { TensorNumber } from "./tensor-number.ts";

/** Output dtypes of a fusion; `input` keeps each tensor's own. */
export type OutputDtype = "input" | "F8_E4M3" | "F8_E5M2" | "F16" | "BF16" | "F32" | "F64";

/** A parameter's value. Which names there are, and which values, is the method's to say. */
export type ParameterValue = TensorNumber | boolean | string;

/** One of the checkpoints that a recipe fuses. */
export interface RecipeInput {
  readonly checkpoint: CheckpointId;
  readonly weight: TensorNumber;
  /** Of methods that weigh by statistics: a safetensors file with, for each tensor, a tensor of that name. */
  readonly statistics?: CheckpointId | undefined;
  /** Of methods that sparsify: these override the parameter of the same name for this input. */
  readonly density?: TensorNumber | undefined;
  readonly gamma?: TensorNumber | undefined;
  readonly epsilon?: TensorNumber | undefined;
}

/** What to fuse and how, in canonical form: `parseRecipe` makes it. The union of what all methods accept. */
export interface Recipe {
  readonly method: string;
  readonly inputs: readonly RecipeInput[];
  /** What deltas are taken from, of the methods that take them. */
  readonly base?: CheckpointId | undefined;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  readonly dtype: OutputDtype;
  /** Integer and boolean tensors must be equal (`error`), or the canonical first input's are taken (`first`). */
  readonly nonFloat: "first" | "error";
  /** Fuse inputs that hold NaN or infinity instead of refusing them. */
  readonly allowNonFinite: boolean;
  /** Refuse unless the inputs declare one alignment family and their frozen entries are bit-equal. */
  readonly requireAlignment: boolean;
  /** The search that chose the inputs. It changes no byte of the model; its trace goes into the manifest. */
  readonly selection?: { readonly soup: SoupId } | undefined;
}

/** A recipe as people write it: defaults left out. */
export interface RecipeDraft {
  readonly method: string;
  readonly inputs: readonly ({ readonly checkpoint: string; readonly weight?: TensorNumber | undefined } & Readonly<
    Record<string, ParameterValue | undefined>
  >)[];
  readonly base?: string | undefined;
  readonly parameters?: Readonly<Record<string, ParameterValue>> | undefined;
  readonly dtype?: OutputDtype | undefined;
  readonly nonFloat?: "first" | "error" | undefined;
  readonly allowNonFinite?: boolean | undefined;
  readonly requireAlignment?: boolean | undefined;
  readonly selection?: { readonly soup: string } | undefined;
}

/** Every file that a fusion reads, each once: the inputs, their statistics, and the base. */
export function filesOf({ inputs, base }: Recipe): readonly CheckpointId[] {
  const named = [
    ...inputs.map(({ checkpoint }) => checkpoint),
    ...inputs.map(({ statistics }) => statistics),
    base,
  ].filter((id) => id !== undefined);
  return [...new Set(named)];
}
