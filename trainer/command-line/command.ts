import type { FlagOption, Options, Values } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** The world a command runs in; everything it may touch is handed to it, so tests can hand it something else. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
  /** Aborted by SIGINT and SIGTERM; the reason is a Failure. */
  readonly signal: AbortSignal;
}

export interface Command<O extends Options = Options> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it does, in a sentence or two. */
  readonly description: string;
  /** Operands after the options, such as `FILE...`; without this a command takes none. */
  readonly operands?: { readonly placeholder: string; readonly help: string; readonly least: number };
  readonly options: O;
  readonly examples: readonly { readonly what: string; readonly line: string }[];
  /** @throws Failure, Problem */
  run(values: Values<O>, operands: readonly string[], context: CommandContext): Promise<void>;
}

/** A command of any options, as the registry holds it. */
export interface AnyCommand extends Omit<Command, "run"> {
  run(values: never, operands: readonly string[], context: CommandContext): Promise<void>;
}

/** Gives a command's `run` the types of its options. */
export function defineCommand<const O extends Options>(command: Command<O>): Command<O> {
  return command;
}

/** Options that every command takes. */
export const COMMON_OPTIONS = {
  json: { kind: "flag", help: "print results as JSON lines on stdout (progress stays on stderr)" },
  help: { kind: "flag", short: "h", help: "show this page" },
} as const satisfies Record<string, FlagOption>;
