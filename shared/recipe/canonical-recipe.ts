import type * as z from "zod";
import { FUSION_METHODS, fusionMethod } from "../fusion/methods/index.ts";
import { digestOfValue, type ModelId } from "../identity.ts";
import { Problem } from "../problem.ts";
import { canonicalJson } from "./canonical-json.ts";
import { nearestWord } from "./nearest-word.ts";
import type { Recipe, RecipeInput } from "./recipe.ts";
import { recipeSchema } from "./schema.ts";

/** One thing that is wrong with a recipe: where (RFC 6901), and what. */
interface RecipeError {
  readonly pointer: string;
  readonly message: string;
}

/**
 * Checks a recipe and brings it into canonical form: defaults filled in, inputs of a symmetric method sorted by
 * digest, then weight. Whoever lists the same inputs in another order asks for the same model and gets the same bytes,
 * because sums run in this order too.
 * @throws Problem `invalid-recipe` with `errors` (each with a `pointer`), `unknown-method`
 */
export function parseRecipe(value: unknown): Recipe {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) throw refusal(value, parsed.error);
  const recipe = parsed.data;
  const method = fusionMethod(recipe.method);
  const [error] = method.check?.(recipe) ?? [];
  if (error !== undefined) throw invalid([error]);
  return method.symmetric ? { ...recipe, inputs: recipe.inputs.toSorted(compareInputs) } : recipe;
}

function compareInputs(a: RecipeInput, b: RecipeInput): number {
  if (a.checkpoint !== b.checkpoint) return a.checkpoint < b.checkpoint ? -1 : 1;
  if (typeof a.weight === "number" && typeof b.weight === "number" && a.weight !== b.weight) return a.weight - b.weight;
  const [left, right] = [canonicalJson(a), canonicalJson(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function refusal(value: unknown, { issues }: z.ZodError): Problem {
  const name = memberOf(value, "method");
  const method = FUSION_METHODS.find(({ id }) => id === name);
  if (method === undefined && typeof name === "string") return unknownMethod(name);
  const known: Readonly<Record<string, readonly string[]>> = {
    "": [
      "method",
      "inputs",
      "base",
      "parameters",
      "dtype",
      "nonFloat",
      "allowNonFinite",
      "requireAlignment",
      "selection",
    ],
    parameters: Object.keys(method?.parameters ?? {}),
    inputs: ["checkpoint", "weight", "statistics", ...Object.keys(method?.inputParameters ?? {})],
  };
  return invalid(
    issues.flatMap((issue): RecipeError[] => {
      if (issue.code !== "unrecognized_keys") return [{ pointer: pointerTo(issue.path), message: issue.message }];
      return issue.keys.map((key) => {
        const nearest = nearestWord(key, known[String(issue.path[0] ?? "")] ?? []);
        const message = `There is no ${JSON.stringify(key)} here.`;
        return {
          pointer: pointerTo([...issue.path, key]),
          message:
            nearest === undefined || nearest === key ? message : `${message} Did you mean ${JSON.stringify(nearest)}?`,
        };
      });
    }),
  );
}

function invalid(errors: readonly RecipeError[]): Problem {
  const detail = errors.map(({ pointer, message }) => `${pointer === "" ? "the recipe" : pointer}: ${message}`);
  return new Problem("invalid-recipe", detail.join("; "), { pointer: errors[0]?.pointer ?? "", errors });
}

function unknownMethod(method: string): Problem {
  const ids = FUSION_METHODS.map(({ id }) => id);
  const nearest = nearestWord(method, ids);
  const hint = nearest === undefined ? "" : ` Did you mean ${JSON.stringify(nearest)}?`;
  return new Problem(
    "unknown-method",
    `There is no method ${JSON.stringify(method)}.${hint} Known: ${ids.join(", ")}.`,
    { method, pointer: "/method", ...(nearest === undefined ? {} : { didYouMean: nearest }) },
  );
}

function memberOf(value: unknown, name: string): unknown {
  return value !== null && typeof value === "object" ? (value as Record<string, unknown>)[name] : undefined;
}

/** A JSON Pointer (RFC 6901). */
function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The id of the model a recipe makes: SHA-256 of the recipe's canonical JSON. The recipe must come from {@link parseRecipe}. */
export function modelIdOf(recipe: Recipe): ModelId {
  return digestOfValue(recipe) as ModelId;
}
