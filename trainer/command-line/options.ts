import { Failure } from "../failure.ts";

/** An option that takes a value. `parse` throws a plain Error saying what is expected. */
export interface ValueOption<T> {
  readonly kind: "value";
  /** What stands for the value in the help page, such as `N`. */
  readonly placeholder: string;
  readonly help: string;
  readonly short?: string;
  /** Text of the default; an option with neither this nor `optional` must be given. */
  readonly fallback?: string;
  readonly optional?: boolean;
  parse(text: string): T;
}

/** An option that may be given many times; its value is the list, in the order of the line. */
export interface ListOption<T> {
  readonly kind: "list";
  readonly placeholder: string;
  readonly help: string;
  readonly short?: string;
  /** The words that follow it belong to it too, up to the next option: `--shards a b c`. */
  readonly takesSeveral?: boolean;
  parse(text: string): T;
}

/** An option without a value. */
export interface FlagOption {
  readonly kind: "flag";
  readonly help: string;
  readonly short?: string;
}

export type Option = ValueOption<unknown> | ListOption<unknown> | FlagOption;
export type Options = Readonly<Record<string, Option>>;

/** What a command receives: each value parsed, each list's values, each flag as a boolean. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends ValueOption<infer T>
    ? T
    : O[K] extends ListOption<infer T>
      ? readonly T[]
      : boolean;
};

type Description = Pick<ValueOption<unknown>, "help"> & { placeholder?: string; short?: string; fallback?: string };

function value<T>(placeholder: string, description: Description, parse: (text: string) => T): ValueOption<T> {
  return { kind: "value", placeholder, ...description, parse };
}

/** Makes an option that may be left out. */
export function optional<T>(option: ValueOption<T>): ValueOption<T | undefined> {
  return { ...option, optional: true };
}

/** Makes an option that may be given any number of times, or not at all. */
export function repeated<T>({ placeholder, help, short, parse }: ValueOption<T>): ListOption<T> {
  return { kind: "list", placeholder, help, parse, ...(short === undefined ? {} : { short }) };
}

/** The same, and each time with as many values as words follow it: what a shell makes of `--shards *.safetensors`. */
export function several<T>(option: ValueOption<T>): ListOption<T> {
  return { ...repeated(option), takesSeveral: true };
}

export function flag(help: string, short?: string): FlagOption {
  return short === undefined ? { kind: "flag", help } : { kind: "flag", help, short };
}

export function text(description: Description): ValueOption<string> {
  return value("TEXT", description, (given) => {
    if (given === "") throw new Error("some text");
    return given;
  });
}

export function choice<const T extends string>(choices: readonly T[], description: Description): ValueOption<T> {
  return value(choices.join("|"), description, (given) => {
    const found = choices.find((candidate) => candidate === given);
    if (found === undefined) throw new Error(`one of ${choices.join(", ")}`);
    return found;
  });
}

/** A whole number of `least` to `most`, in decimal. */
export function wholeNumber(least: number, most: number, description: Description): ValueOption<number> {
  return value("N", description, (given) => {
    const number = Number(given);
    if (!/^\d+$/.test(given) || number < least || number > most) {
      throw new Error(`a whole number from ${least} to ${most}`);
    }
    return number;
  });
}

/** A number that `accepts` takes; `expected` says which those are. */
export function realNumber(
  expected: string,
  accepts: (number: number) => boolean,
  description: Description,
): ValueOption<number> {
  return value("X", description, (given) => {
    const number = Number(given);
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(given) || !accepts(number)) throw new Error(expected);
    return number;
  });
}

/** A 64-bit seed in decimal. */
export function seed(description: Description): ValueOption<bigint> {
  return value("N", description, (given) => {
    if (!/^\d{1,20}$/.test(given) || BigInt(given) >= 2n ** 64n) throw new Error("a whole number from 0 to 2^64 - 1");
    return BigInt(given);
  });
}

/** Widths of hidden layers: `128,64` or `128x6` (six layers of 128), or both mixed. Empty text: no hidden layer. */
export function layerWidths(description: Description): ValueOption<readonly number[]> {
  return value("WIDTHS", description, (given) => {
    const expected = new Error("widths such as 128,128 or 128x6, each 1 to 65536, at most 256 layers");
    if (given === "") return [];
    const widths = given.split(",").flatMap((part) => {
      const match = /^(\d{1,5})(?:x(\d{1,3}))?$/.exec(part);
      if (match === null) throw expected;
      return Array.from({ length: Number(match[2] ?? 1) }, () => Number(match[1]));
    });
    if (widths.length === 0 || widths.length > 256 || widths.some((width) => width < 1 || width > 65_536)) {
      throw expected;
    }
    return widths;
  });
}

/**
 * Parses one value, or takes the default.
 * @throws Failure `usage` for a value that does not parse, or one that must be given and is not
 */
export function parseValue<T>(name: string, option: ValueOption<T>, given: string | undefined): T | undefined {
  const used = given ?? option.fallback;
  if (used !== undefined) return parseGiven(name, option, used);
  if (option.optional === true) return undefined;
  throw new Failure("usage", `--${name} ${option.placeholder} is needed.`);
}

/**
 * Parses one value of an option.
 * @throws Failure `usage`
 */
export function parseGiven<T>(name: string, option: Pick<ValueOption<T>, "parse">, given: string): T {
  try {
    return option.parse(given);
  } catch (error) {
    const expected = error instanceof Error ? error.message : String(error);
    throw new Failure("usage", `--${name} ${JSON.stringify(given)} is not valid: it takes ${expected}.`);
  }
}
