import { parseLine } from "../../trainer/command-line/parse.ts";
import { COMMANDS } from "../../trainer/commands/registry.ts";

export interface CheckedLine {
  readonly command: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
}

/**
 * Parses the words after `edgefuse` as the command itself does, and runs nothing.
 * @throws Failure `usage` for an option that the command does not have, or a value that it does not take
 */
export async function parseCommand([name = "", ...words]: readonly string[]): Promise<CheckedLine> {
  const entry = COMMANDS.get(name);
  if (entry === undefined) throw new Error(`edgefuse has no command ${JSON.stringify(name)}`);
  const { values, operands } = parseLine(await entry.load(), words);
  return { command: name, values, operands };
}

/** Words of a line of shell without anything but double quotes around words. */
export function shellWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
}
