import { parseArgs, type ParseArgsOptionDescriptor } from "node:util";
import { Failure } from "../failure.ts";
import { type AnyCommand, COMMON_OPTIONS } from "./command.ts";
import { type Option, type Options, parseGiven, parseValue } from "./options.ts";
import { didYouMean } from "./suggest.ts";

export interface ParsedLine {
  readonly values: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
}

/**
 * Parses the words after a command's name. Nothing is guessed: an unknown or repeated option, a missing value, an
 * operand too many each end the run before it does anything.
 * @throws Failure `usage`
 */
export function parseLine(command: AnyCommand, line: readonly string[]): ParsedLine {
  const options: Options = { ...command.options, ...COMMON_OPTIONS };
  // `strict: false` reports every word as a token instead of throwing, so that the messages can be ours.
  const { tokens } = parseArgs({
    args: [...line],
    options: Object.fromEntries(Object.entries(options).map(([name, option]) => [name, descriptor(option)])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });

  const given = new Map<string, string[]>();
  const operands: string[] = [];
  // Where a word goes that is no option: to the operands, or to the option before it that takes several.
  let words = operands;
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    else words = operands;
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) {
      throw usage(command, `Unknown option ${token.rawName}.${didYouMean(token.name, Object.keys(options), "--")}`);
    }
    if (given.has(token.name) && option.kind !== "list") throw usage(command, `${token.rawName} is given twice.`);
    if (option.kind === "flag") {
      if (token.value !== undefined) throw usage(command, `${token.rawName} takes no value.`);
      given.set(token.name, []);
      continue;
    }
    if (token.value === undefined) throw usage(command, `${token.rawName} needs a value (${option.placeholder}).`);
    if (!token.inlineValue && token.value.startsWith("-") && token.value.length > 1) {
      throw usage(command, `${token.rawName} needs a value; write --${token.name}=${token.value} if that is it.`);
    }
    const texts = given.get(token.name) ?? [];
    texts.push(token.value);
    given.set(token.name, texts);
    if (option.kind === "list" && option.takesSeveral === true && !token.inlineValue) words = texts;
  }

  const help = given.has("help");
  if (!help) checkOperands(command, operands);
  return { help, json: given.has("json"), operands, values: help ? {} : readValues(command, given) };
}

function descriptor(option: Option): ParseArgsOptionDescriptor {
  const type = option.kind === "flag" ? "boolean" : "string";
  return option.short === undefined ? { type } : { type, short: option.short };
}

function readValues(command: AnyCommand, given: ReadonlyMap<string, readonly string[]>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(command.options)) {
    const texts = given.get(name) ?? [];
    switch (option.kind) {
      case "flag":
        values[name] = given.has(name);
        break;
      case "list":
        values[name] = texts.map((text) => parseGiven(name, option, text));
        break;
      case "value":
        values[name] = parseValue(name, option, texts[0]);
        break;
    }
  }
  return values;
}

function checkOperands(command: AnyCommand, operands: readonly string[]): void {
  const [first] = operands;
  if (command.operands === undefined && first !== undefined) {
    throw usage(command, `Unexpected ${JSON.stringify(first)}: this command takes options only.`);
  }
  if (command.operands !== undefined && operands.length < command.operands.least) {
    throw usage(command, `${command.operands.placeholder} is needed: ${command.operands.help}.`);
  }
}

function usage(command: AnyCommand, message: string): Failure {
  return new Failure("usage", `${message} See edgefuse ${command.name} --help.`);
}
