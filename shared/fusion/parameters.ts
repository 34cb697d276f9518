import { Problem } from "../problem.ts";
import type { ParameterValue, Recipe } from "../recipe/recipe.ts";
import { resolveTensorNumber, type TensorPlace } from "../recipe/tensor-number.ts";

/** A recipe's parameters as they hold for one tensor: gradients and patterns resolved. Plain JSON. */
export interface TensorParameters {
  readonly values: Readonly<Record<string, number | boolean | string>>;
  /** For each input: `weight`, and the parameters that an input may override. */
  readonly inputs: readonly Readonly<Record<string, number>>[];
}

/**
 * @param overridable names of the parameters that an input may override
 * @throws Problem `invalid-recipe` where no pattern of a list fits the tensor's name
 */
export function resolveParameters(
  recipe: Recipe,
  overridable: readonly string[],
  place: TensorPlace,
): TensorParameters {
  const values = Object.fromEntries(
    Object.entries(recipe.parameters).map(([name, value]) => [
      name,
      typeof value === "boolean" || typeof value === "string" ? value : numberAt(value, `/parameters/${name}`, place),
    ]),
  );
  const inputs = recipe.inputs.map((input, index) => {
    const numbers: Record<string, number> = { weight: numberAt(input.weight, `/inputs/${index}/weight`, place) };
    for (const name of overridable) {
      const own = (input as unknown as Readonly<Record<string, ParameterValue | undefined>>)[name];
      const shared = values[name];
      if (own !== undefined && typeof own !== "boolean" && typeof own !== "string") {
        numbers[name] = numberAt(own, `/inputs/${index}/${name}`, place);
      } else if (typeof shared === "number") {
        numbers[name] = shared;
      }
    }
    return numbers;
  });
  return { values, inputs };
}

function numberAt(value: Exclude<ParameterValue, boolean | string>, pointer: string, place: TensorPlace): number {
  const found = resolveTensorNumber(value, place);
  if (found !== undefined) return found;
  throw new Problem(
    "invalid-recipe",
    `No pattern at ${pointer} fits tensor ${JSON.stringify(place.name)}; end the list with {"pattern": "*"}.`,
    { pointer, tensor: place.name },
  );
}

/** A number that the method's schema has put there. */
export function numberOf({ values }: TensorParameters, name: string): number {
  const value = values[name];
  if (typeof value !== "number") throw new TypeError(`${name} is not a number`);
  return value;
}

/** Of each input, a number that the schema has put there. */
export function numbersOf({ inputs }: TensorParameters, name: string): number[] {
  return inputs.map((input) => input[name] ?? Number.NaN);
}

/** A tensor-independent parameter that is a seed: a whole number from 0. */
export function seedOf({ parameters }: Recipe): bigint {
  const { seed } = parameters;
  return typeof seed === "number" ? BigInt(seed) : 0n;
}
