import { FUSION_METHODS, type FusionMethod } from "../../shared/fusion/index.ts";
import { Problem } from "../../shared/problem.ts";
import { parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import type { ParameterValue, Recipe } from "../../shared/recipe/recipe.ts";
import type { TensorNumber } from "../../shared/recipe/tensor-number.ts";
import { didYouMean } from "../command-line/suggest.ts";
import { Failure } from "../failure.ts";

/** `density=0.5` of a command line: a parameter of the method. */
export interface Setting {
  readonly name: string;
  readonly value: ParameterValue;
}

/** `2:density=0.5`: the same for the second input alone. */
export interface InputSetting extends Setting {
  /** From 1. */
  readonly input: number;
}

/** What a command line says about a recipe, beside the files. */
export interface RecipeOptions {
  readonly method: string;
  readonly weights: readonly TensorNumber[] | undefined;
  readonly settings: readonly Setting[];
  readonly inputSettings: readonly InputSetting[];
  readonly dtype: string;
  readonly nonFloat: "first" | "error";
  readonly allowNonFinite: boolean;
  readonly requireAlignment: boolean;
}

/** The files of a recipe: their paths before they are hashed, their digests afterwards. */
export interface RecipeFiles {
  readonly inputs: readonly string[];
  readonly base: string | undefined;
  /** One for each input, or none. */
  readonly statistics: readonly string[];
}

/**
 * Parses `name=value`. The value is JSON (a number, true, false, a list); anything else is taken as text.
 * @throws Error saying what is expected
 */
export function parseSetting(text: string): Setting {
  const match = /^([A-Za-z][A-Za-z0-9]*)=(.+)$/s.exec(text);
  const [, name, value] = match ?? [];
  if (name === undefined || value === undefined) throw new Error("NAME=VALUE, such as density=0.5");
  return { name, value: parseValue(value) };
}

/** @throws Error saying what is expected */
export function parseInputSetting(text: string): InputSetting {
  const match = /^([1-9]\d{0,2}):(.+)$/s.exec(text);
  const [, input, setting] = match ?? [];
  if (input === undefined || setting === undefined) throw new Error("INPUT:NAME=VALUE, such as 2:density=0.5");
  return { input: Number(input), ...parseSetting(setting) };
}

/**
 * Parses `1,0.5`, or a JSON list whose members are weights, gradients over the layers or pattern lists.
 * @throws Error saying what is expected
 */
export function parseWeights(text: string): readonly TensorNumber[] {
  const expected = new Error("numbers such as 1,0.5, one for each file; or a JSON list");
  let list: unknown;
  try {
    list = JSON.parse(text.startsWith("[") ? text : `[${text}]`);
  } catch {
    throw expected;
  }
  if (!Array.isArray(list) || list.some((weight) => typeof weight !== "number" && !Array.isArray(weight))) {
    throw expected;
  }
  return list as TensorNumber[];
}

function parseValue(text: string): ParameterValue {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && (typeof value !== "object" || Array.isArray(value))) return value as ParameterValue;
  } catch {
    return text;
  }
  throw new Error("a value that is a number, true, false, text or a list");
}

/**
 * Makes the recipe that a command line describes.
 * @param files digests
 * @throws Failure `usage`, naming the option that is wrong
 */
export function recipeFromOptions(options: RecipeOptions, files: RecipeFiles): Recipe {
  const { weights, settings, inputSettings, dtype } = options;
  const method = FUSION_METHODS.find(({ id }) => id === options.method);
  if (method === undefined) {
    const known = FUSION_METHODS.map(({ id }) => id);
    const hint = didYouMean(options.method, known);
    throw usage(`There is no method ${JSON.stringify(options.method)}.${hint} Known: ${known.join(", ")}.`);
  }
  checkFiles(method, files);
  if (weights !== undefined && weights.length !== files.inputs.length) {
    throw usage(`--weights has ${weights.length} numbers for ${files.inputs.length} files; give one for each.`);
  }
  const stray = inputSettings.find(({ input }) => input > files.inputs.length);
  if (stray !== undefined) {
    throw usage(`--set-input ${stray.input}:${stray.name} is about input ${stray.input} of ${files.inputs.length}.`);
  }
  const draft = {
    method: method.id,
    inputs: files.inputs.map((checkpoint, index) => ({
      ...once(
        inputSettings.filter(({ input }) => input === index + 1),
        "--set-input",
      ),
      checkpoint,
      ...(weights === undefined ? {} : { weight: weights[index] }),
      ...(files.statistics.length === 0 ? {} : { statistics: files.statistics[index] }),
    })),
    ...(files.base === undefined ? {} : { base: files.base }),
    parameters: once(settings, "--set"),
    dtype: dtype === "input" ? dtype : dtype.toUpperCase(),
    nonFloat: options.nonFloat,
    allowNonFinite: options.allowNonFinite,
    requireAlignment: options.requireAlignment,
  };
  try {
    return parseRecipe(draft);
  } catch (error) {
    throw error instanceof Problem ? asUsage(error) : error;
  }
}

function checkFiles({ id, base, sidecar }: FusionMethod, files: RecipeFiles): void {
  if (base === "none" && files.base !== undefined) throw usage(`--base: ${id} takes no base.`);
  if (base === "required" && files.base === undefined) {
    throw usage(`--base FILE is needed: ${id} takes differences from a base.`);
  }
  if (sidecar === undefined && files.statistics.length > 0) throw usage(`--statistics: ${id} takes none.`);
  if (sidecar !== undefined && files.statistics.length !== files.inputs.length) {
    throw usage(`--statistics FILE is needed once for each input of ${id}, in the same order.`);
  }
}

function once(settings: readonly Setting[], option: string): Record<string, ParameterValue> {
  const values: Record<string, ParameterValue> = {};
  for (const { name, value } of settings) {
    if (Object.hasOwn(values, name)) throw usage(`${option} ${name} is given twice.`);
    values[name] = value;
  }
  return values;
}

/** Speaks of options where the recipe's problem speaks of JSON pointers. */
function asUsage({ message, members }: Problem): Failure {
  const errors = members["errors"];
  if (!Array.isArray(errors)) return usage(message);
  const lines = (errors as readonly { readonly pointer: string; readonly message: string }[]).map((error) => {
    const [, member = "", key = "", parameter = ""] = error.pointer.split("/");
    switch (member) {
      case "parameters":
        return `--set ${key}: ${error.message}`;
      case "inputs":
        if (key === "") return `FILE...: ${error.message}`;
        if (parameter === "weight" || parameter === "") return `--weights, number ${Number(key) + 1}: ${error.message}`;
        return `--set-input ${Number(key) + 1}:${parameter}: ${error.message}`;
      case "nonFloat":
        return `--non-float: ${error.message}`;
      case "":
        return error.message;
      default:
        return `--${member}: ${error.message}`;
    }
  });
  return usage(lines.join("; "));
}

const usage = (message: string) => new Failure("usage", message);
