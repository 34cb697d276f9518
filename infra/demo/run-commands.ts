import { runCommandLine } from "../../trainer/command-line/run-command.ts";
import { COMMANDS } from "../../trainer/commands/registry.ts";
import type { LocalWorker } from "../local/start-worker.ts";
import type { DemoCommand, DemoRow } from "./report.ts";
import { ALLOWED_BARRIER } from "./run-demo.ts";

/**
 * Asks the same of the worker as a CI job would, by the command line: to publish the first pair without a mask, and the
 * first of those with the most entries frozen. The exit code says what became of it.
 */
export async function runCommands(
  worker: LocalWorker,
  dataset: string,
  rows: readonly DemoRow[],
  signal: AbortSignal,
): Promise<DemoCommand[]> {
  const sorted = rows.toSorted((a, b) => a.fixedRatio - b.fixedRatio);
  const most = sorted.at(-1)?.fixedRatio;
  const chosen = [sorted[0], sorted.find(({ fixedRatio }) => fixedRatio === most)];
  const commands: DemoCommand[] = [];
  for (const row of chosen) {
    if (row !== undefined) commands.push(await publishByCommand(worker, dataset, row, signal));
  }
  return commands;
}

async function publishByCommand(
  worker: LocalWorker,
  dataset: string,
  { parents, alias }: DemoRow,
  signal: AbortSignal,
): Promise<DemoCommand> {
  const gate = ["--gate", `accuracyBarrier=${ALLOWED_BARRIER}`, "--gate-dataset", dataset, "--alias", alias];
  const words = ["fuse", ...parents, "--remote", ...gate];
  let said = "";
  const stream = { write: (text: string) => (said += text) };
  const environment = { EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: worker.adminToken };
  const exitCode = await runCommandLine(COMMANDS, words, {
    stdout: stream,
    stderr: stream,
    environment,
    fetch,
    signal,
  });
  const shortened = words.map((word) => (/^[0-9a-f]{64}$/.test(word) ? `${word.slice(0, 8)}…` : word));
  return {
    line: ["edgefuse", ...shortened].join(" "),
    exitCode,
    output: said.split("\n").filter((line) => line !== ""),
  };
}
