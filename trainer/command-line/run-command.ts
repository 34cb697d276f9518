import { VERSION } from "../../shared/version.ts";
import { asFailure, EXIT_CODES, Failure } from "../failure.ts";
import type { AnyCommand, CommandContext } from "./command.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { parseLine } from "./parse.ts";
import { didYouMean } from "./suggest.ts";
import { makeTerminal, type Terminal } from "./terminal.ts";

/** A command as the registry lists it; its code is loaded when it is called, so `help` starts at once. */
export interface CommandEntry {
  readonly summary: string;
  load(): Promise<AnyCommand>;
}

export type CommandRegistry = ReadonlyMap<string, CommandEntry>;

export interface Surroundings extends Omit<CommandContext, "terminal"> {
  readonly stdout: Parameters<typeof makeTerminal>[0];
  readonly stderr: Parameters<typeof makeTerminal>[1];
}

/**
 * Runs one command line and reports how it ended. Every failure is one line on stderr; EDGEFUSE_DEBUG=1 adds its trace.
 * @param words the command line after the program's name
 * @returns the exit code
 */
export async function runCommandLine(
  registry: CommandRegistry,
  words: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const { stdout, stderr, environment, signal } = surroundings;
  const terminal = makeTerminal(stdout, stderr, environment, words.includes("--json"));
  try {
    await dispatch(registry, words, terminal, surroundings);
    return EXIT_CODES.ok.code;
  } catch (error) {
    // An abort surfaces as whatever was being awaited; its reason says why.
    const failure = asFailure(signal.aborted && !saysOfStop(error) ? signal.reason : error);
    terminal.note(failureLine(failure, terminal));
    if (environment["EDGEFUSE_DEBUG"] === "1") terminal.note(trace(failure));
    return failure.exitCode;
  }
}

/** A command that stops in good order, or fails to, says itself how, and what to do next. */
function saysOfStop(error: unknown): boolean {
  return error instanceof Failure && error.tellsOfStop;
}

async function dispatch(
  registry: CommandRegistry,
  words: readonly string[],
  terminal: Terminal,
  { environment, fetch, signal }: Surroundings,
): Promise<void> {
  const [name, ...rest] = words;
  if (name === "--version" || name === "-V") {
    terminal.print(`edgefuse ${VERSION}`);
    return;
  }
  const wantsHelp = name === undefined || name === "help" || name === "--help" || name === "-h";
  const subject = wantsHelp ? rest.find((word) => !word.startsWith("-")) : name;
  if (subject === undefined) {
    if (name === undefined) throw usage(`A command is needed: ${[...registry.keys()].join(", ")}. See edgefuse help.`);
    terminal.print(generalHelp(registry, terminal.styles));
    return;
  }
  const entry = registry.get(subject);
  if (entry === undefined) {
    throw usage(
      `There is no command ${JSON.stringify(subject)}.${didYouMean(subject, registry.keys())} See edgefuse help.`,
    );
  }
  const command = await entry.load();
  const line = wantsHelp ? undefined : parseLine(command, rest);
  if (line === undefined || line.help) {
    terminal.print(commandHelp(command, terminal.styles));
    return;
  }
  // parseLine has read every option that the command declares, each with its own parser.
  await command.run(line.values as never, line.operands, { terminal, environment, fetch, signal });
}

function failureLine({ kind, message }: Failure, { errorStyles }: Terminal): string {
  const hint = kind === "internal" ? " (EDGEFUSE_DEBUG=1 shows the trace)" : "";
  return `${errorStyles.red("edgefuse:")} ${message.replaceAll("\n", " ")}${hint}`;
}

function trace(failure: Failure): string {
  const cause = failure.cause;
  return (cause instanceof Error ? cause.stack : typeof cause === "string" ? cause : failure.stack) ?? failure.message;
}

const usage = (message: string) => new Failure("usage", message);
