import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { barrierChart } from "../../shared/evaluation/chart.ts";
import { type CommandContext, defineCommand } from "../../trainer/command-line/command.ts";
import { flag, text, wholeNumber } from "../../trainer/command-line/options.ts";
import { ProgressBoard } from "../../trainer/command-line/progress-board.ts";
import { DATASET_OPTIONS, loadFromOptions } from "../../trainer/commands/dataset-options.ts";
import { REFERENCE_REGIME } from "../../trainer/training/run-family.ts";
import { PROJECT_ROOT } from "../local/config.ts";
import { type LocalWorker, startWorker } from "../local/start-worker.ts";
import { commandsText, type DemoReport, demoTable, medianPaths } from "./report.ts";
import { runCommands } from "./run-commands.ts";
import { ALLOWED_BARRIER, runDemo } from "./run-demo.ts";

export const demo = defineCommand({
  name: "demo",
  summary: "the whole path on this machine: train, upload, fuse, probe, fetch back",
  description:
    "Starts the worker on loopback, trains pairs of models without a mask and with 40 % and 80 % of the entries frozen,\n" +
    "uploads them through S3, fuses and probes each pair in the worker, publishes the averages that their gate lets pass,\n" +
    "fetches the fused models back and evaluates them here. Writes OUT/barrier.svg and OUT/report.json. Run it as:\n" +
    "npm run demo -- [options]",
  options: {
    ...DATASET_OPTIONS,
    pairs: wholeNumber(1, 100, { help: "pairs of models at each fixed ratio; medians are reported", fallback: "3" }),
    epochs: wholeNumber(1, 1000, { help: "passes over the data", fallback: String(REFERENCE_REGIME.epochs) }),
    out: text({ help: "folder for the picture and the report", placeholder: "DIR", fallback: "demo" }),
    keep: flag("leave the worker running at the end and print its addresses"),
  },
  examples: [
    { what: "about two minutes on two cores", line: "npm run demo" },
    { what: "five pairs on real digits", line: "npm run demo -- --dataset mnist --data-dir DIR --pairs 5" },
    { what: "look around afterwards", line: "npm run demo -- --epochs 3 --keep" },
  ],
  async run(values, _operands, context) {
    const { terminal, signal } = context;
    const began = performance.now();
    const dataset = await loadFromOptions(values, context);
    const stateDirectory = join(PROJECT_ROOT, ".edgefuse", `demo-${process.pid}`);
    terminal.note("starting the worker on loopback …");
    const worker = await startWorker({ stateDirectory });
    try {
      terminal.note(`the worker is at ${worker.url}`);
      const rows = await runDemo(worker, dataset, {
        pairs: values.pairs,
        epochs: values.epochs,
        signal,
        onRound: (labels) => new ProgressBoard(terminal, labels, () => performance.now()),
        notify: (message) => terminal.note(message),
      });
      const commands = await runCommands(worker, dataset.name, rows, signal);
      const report: DemoReport = {
        dataset: dataset.name,
        pairs: values.pairs,
        epochs: values.epochs,
        seconds: Math.round((performance.now() - began) / 1000),
        allowed: ALLOWED_BARRIER,
        rows,
        commands,
      };
      await mkdir(values.out, { recursive: true });
      const picture = join(values.out, "barrier.svg");
      await writeFile(
        picture,
        barrierChart(`Accuracy between two models trained on ${dataset.name}`, medianPaths(rows)),
      );
      await writeFile(join(values.out, "report.json"), `${JSON.stringify(report, undefined, 2)}\n`);
      terminal.result({ ...report }, `\n${demoTable(report)}\n\n${commandsText(commands)}\n`);
      terminal.print(`${picture} and ${join(values.out, "report.json")} written after ${report.seconds} s`);
      if (values.keep) await keepRunning(worker, report, context);
    } finally {
      await worker.stop();
      await rm(stateDirectory, { recursive: true, force: true });
    }
  },
});

/** Prints where everything is, and waits for Ctrl-C or the server's own end. */
async function keepRunning(
  worker: LocalWorker,
  { rows }: DemoReport,
  { terminal, signal }: CommandContext,
): Promise<void> {
  terminal.print(`\nThe worker stays at ${worker.url} until Ctrl-C.`);
  terminal.print(`  admin token  ${worker.adminToken}`);
  terminal.print(`  S3 endpoint  ${worker.s3.endpoint} (bucket ${worker.s3.bucket})`);
  for (const { fixedRatio, model, probe, gate } of rows) {
    terminal.print(`  ${Math.round(100 * fixedRatio)} % frozen  ${worker.url}/models/${model} (${gate})`);
    terminal.print(`              ${worker.url}/v1/probes/${probe}/barrier.svg (with the token)`);
  }
  await Promise.race([
    worker.ended,
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
  ]);
}
