import { type FusionMethod, FUSION_METHODS } from "../../shared/fusion/index.ts";
import { Problem } from "../../shared/problem.ts";
import { parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import type { FormPart } from "./parse.ts";

/** A file of the form, by the digest that stands for it in the recipe. */
export interface FormFile {
  readonly field: string;
  readonly id: string;
}

/** Fields of text, and how often each may come. Everything else must be a file. */
const SINGLE = ["method", "weights", "base", "dtype", "nonFloat", "allowNonFinite", "requireAlignment"] as const;
const LISTS = ["set", "set-input"] as const;

/**
 * The recipe that a form describes, the same as the command line's: files in their order, except the one that is the
 * base (a file field called `base`, or the one that a text field `base` names) and those called `statistics`.
 * @throws Problem `malformed-request` naming the field, `invalid-recipe`, `unknown-method`
 */
export function recipeFromForm(parts: readonly FormPart[], files: readonly FormFile[]): Recipe {
  const fields = readFields(parts);
  const baseField = fields.single.get("base") ?? "base";
  const base = files.find(({ field }) => field === baseField);
  if (base === undefined && fields.single.has("base")) throw wrong("base", `There is no file field ${baseField}.`);
  const statistics = files.filter((file) => file !== base && file.field === "statistics");
  const inputs = files.filter((file) => file !== base && file.field !== "statistics");
  const weights = parseWeights(fields.single.get("weights"), inputs.length);
  const overrides = parseOverrides(fields.lists.get("set-input") ?? [], inputs.length);
  const method = fields.single.get("method") ?? "linear";
  const flag = (name: "allowNonFinite" | "requireAlignment") => parseFlag(name, fields.single.get(name));
  const takesBase = FUSION_METHODS.find(({ id }: FusionMethod) => id === method)?.base !== "none";
  if (base !== undefined && !takesBase) throw wrong("base", `${method} takes no base.`);
  return parseRecipe({
    method,
    inputs: inputs.map(({ id }, index) => ({
      ...overrides[index],
      checkpoint: id,
      ...(weights === undefined ? {} : { weight: weights[index] }),
      ...(statistics.length === 0 ? {} : { statistics: statistics[index]?.id }),
    })),
    ...(base === undefined ? {} : { base: base.id }),
    parameters: Object.fromEntries((fields.lists.get("set") ?? []).map((text) => parseSetting("set", text))),
    dtype: dtypeOf(fields.single.get("dtype")),
    nonFloat: fields.single.get("nonFloat") ?? "error",
    allowNonFinite: flag("allowNonFinite"),
    requireAlignment: flag("requireAlignment"),
  });
}

function readFields(parts: readonly FormPart[]) {
  const single = new Map<string, string>();
  const lists = new Map<string, string[]>();
  for (const { name, fileName, data } of parts) {
    if (fileName !== undefined) continue;
    const text = new TextDecoder().decode(data).trim();
    if (LISTS.some((list) => list === name)) {
      lists.set(name, [...(lists.get(name) ?? []), text]);
    } else if (SINGLE.some((known) => known === name)) {
      if (single.has(name)) throw wrong(name, "It is given twice.");
      single.set(name, text);
    } else {
      throw wrong(name, `It is neither a file nor one of ${[...SINGLE, ...LISTS].join(", ")}.`);
    }
  }
  return { single, lists };
}

function parseSetting(field: string, text: string): [string, unknown] {
  const [, name, value] = /^([A-Za-z][A-Za-z0-9]*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw wrong(field, "It is NAME=VALUE, such as density=0.5.");
  return [name, parseValue(value)];
}

/** JSON where it is JSON (numbers, true, false, lists), text otherwise. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parseOverrides(texts: readonly string[], inputs: number): Record<string, unknown>[] {
  const overrides: Record<string, unknown>[] = Array.from({ length: inputs }, () => ({}));
  for (const text of texts) {
    const [, input, setting] = /^([1-9]\d{0,2}):(.+)$/s.exec(text) ?? [];
    const target = overrides[Number(input) - 1];
    if (setting === undefined || target === undefined) {
      throw wrong("set-input", `It is INPUT:NAME=VALUE, such as 2:density=0.5, with INPUT from 1 to ${inputs}.`);
    }
    const [name, value] = parseSetting("set-input", setting);
    target[name] = value;
  }
  return overrides;
}

function parseWeights(text: string | undefined, inputs: number): unknown[] | undefined {
  if (text === undefined) return undefined;
  const list = parseValue(text.startsWith("[") ? text : `[${text}]`);
  if (!Array.isArray(list)) throw wrong("weights", "They are numbers such as 1,0.5; or a JSON list.");
  if (list.length !== inputs) throw wrong("weights", `There are ${list.length} for ${inputs} files.`);
  return list;
}

function parseFlag(field: string, text: string | undefined): boolean {
  if (text === undefined || text === "false") return false;
  if (text === "true" || text === "") return true;
  throw wrong(field, "It is true or false.");
}

function dtypeOf(text: string | undefined): string {
  return text === undefined || text === "input" ? "input" : text.toUpperCase();
}

function wrong(field: string, what: string): Problem {
  return new Problem("malformed-request", `Field ${JSON.stringify(field)} of the form: ${what}`, { field });
}
