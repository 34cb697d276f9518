import { EXIT_CODES, Failure } from "../failure.ts";
import { type CommandRegistry, runCommandLine } from "./run-command.ts";

/**
 * Runs a command line as this process: its streams, environment, signals and exit code.
 * @param words the command line after the program's name
 */
export async function runProgram(registry: CommandRegistry, words: readonly string[]): Promise<void> {
  const interruption = new AbortController();
  // The first signal ends the run in good order; a second one ends the process at once.
  for (const [name, kind] of [
    ["SIGINT", "interrupted"],
    ["SIGTERM", "terminated"],
  ] as const) {
    process.on(name, () => {
      if (interruption.signal.aborted) process.exit(EXIT_CODES[kind].code);
      interruption.abort(new Failure(kind, `Stopped by ${name}; nothing half-written is left.`));
    });
  }

  // `edgefuse … | head` closes the pipe early: no reason for a trace.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT_CODES.ok.code);
    throw error;
  });

  process.exitCode = await runCommandLine(registry, words, {
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    fetch,
    signal: interruption.signal,
  });
}
