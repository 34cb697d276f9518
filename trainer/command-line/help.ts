import { EXIT_CODES } from "../failure.ts";
import { type AnyCommand, COMMON_OPTIONS } from "./command.ts";
import type { Option } from "./options.ts";
import type { Styles } from "./terminal.ts";

/** The help page of one command. */
export function commandHelp(command: AnyCommand, styles: Styles): string {
  const operands = command.operands === undefined ? "" : ` ${command.operands.placeholder}`;
  const options = Object.entries<Option>({ ...command.options, ...COMMON_OPTIONS });
  const rows = options.map(([name, option]): [string, string] => [optionLeft(name, option), optionRight(option)]);
  if (command.operands !== undefined) rows.unshift([command.operands.placeholder, command.operands.help]);
  return [
    `${styles.bold("Usage:")} edgefuse ${command.name} [options]${operands}`,
    "",
    command.description,
    "",
    styles.bold("Options"),
    ...columns(rows),
    "",
    styles.bold("Examples"),
    ...command.examples.flatMap(({ what, line }) => [`  ${styles.dim(`# ${what}`)}`, `  ${line}`]),
    "",
  ].join("\n");
}

const HELP = [
  ["help", "show this page, or that of a command"],
  ["--version", "which edgefuse this is"],
] as const satisfies readonly (readonly [string, string])[];

/** The page of `edgefuse help`. */
export function generalHelp(commands: ReadonlyMap<string, { readonly summary: string }>, styles: Styles): string {
  return [
    `${styles.bold("Usage:")} edgefuse COMMAND [options]`,
    "",
    "Trains checkpoints that are worth fusing, and brings them to an edgefuse worker.",
    "",
    styles.bold("Commands"),
    ...columns([
      ...Array.from(commands, ([name, { summary }]): [string, string] => [name, summary]),
      ...HELP.map(([word, what]): [string, string] => [word, what]),
    ]),
    "",
    `Each takes --help. ${styles.bold("Exit codes")}`,
    ...columns(Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning])),
    "",
  ].join("\n");
}

function optionLeft(name: string, option: Option): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const several = option.kind === "list" && option.takesSeveral === true ? "..." : "";
  return `${short}--${name}${option.kind === "flag" ? "" : ` ${option.placeholder}${several}`}`;
}

function optionRight(option: Option): string {
  if (option.kind === "flag") return option.help;
  if (option.kind === "list") return `${option.help} (may be repeated)`;
  if (option.fallback !== undefined) return `${option.help} (default ${option.fallback})`;
  return option.optional === true ? option.help : `${option.help} (needed)`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
