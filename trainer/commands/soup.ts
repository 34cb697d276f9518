import { basename } from "node:path";
import type { CommandContext } from "../command-line/command.ts";
import { defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, text, wholeNumber } from "../command-line/options.ts";
import { Failure } from "../failure.ts";
import { byteSize } from "../fusing/byte-progress.ts";
import { checkOutput } from "../fusing/check-output.ts";
import { type EvaluationValues, formFromOption } from "../probing/evaluation-values.ts";
import type { LocalModel } from "../probing/local-models.ts";
import { soupText, traceText } from "../souping/soup-text.ts";
import { checkEvaluationOptions, EVALUATION_OPTIONS } from "./evaluation-options.ts";
import { remoteContext, WORKER_OPTIONS } from "./worker-options.ts";

const MEBIBYTE = 2 ** 20;
const MOST_CANDIDATES = 64;

export const soup = defineCommand({
  name: "soup",
  summary: "average the checkpoints that make the average better",
  description:
    "Evaluates checkpoints on held-out data and averages some of them. greedy: best first, each taken only where the mean\n" +
    "gets strictly more accurate. uniform: all that can be evaluated. learned: the greedy one, then a search over mixing\n" +
    "weights, in at most 64 trials. A checkpoint that cannot be evaluated is left out. Every decision is shown, and kept in\n" +
    "the manifest. The result is that of the same recipe fused anywhere. With --remote a worker does it and publishes the\n" +
    "model; the held-out data is then a dataset of the worker's.",
  operands: {
    placeholder: "FILE...",
    help: "two or more checkpoints, as edgefuse fuse takes them; with --remote also ids, @ALIAS, @ALIAS@v3",
    least: 2,
  },
  options: {
    kind: choice(["greedy", "uniform", "learned"], { help: "how to choose", fallback: "greedy" }),
    output: optional(text({ help: "file to write; needed except with --remote", placeholder: "FILE", short: "o" })),
    ...EVALUATION_OPTIONS,
    manifest: optional(text({ help: "write what went in, and the trace of decisions, as JSON", placeholder: "FILE" })),
    private: flag("with --remote: readable with a token or a signed link only"),
    force: flag("replace the output if it exists"),
    memory: wholeNumber(32, 65_536, { help: "MiB that buffers of the fusion may take", fallback: "256" }),
    ...WORKER_OPTIONS,
  },
  examples: [
    {
      what: "of a training run",
      line: "edgefuse soup checkpoints/run-*.safetensors --dataset glyphs -o soup.safetensors",
    },
    {
      what: "with learned weights, on shards of your own",
      line: "edgefuse soup a.safetensors b.safetensors c.safetensors --kind learned --shards held-out -o soup.safetensors",
    },
    { what: "on the worker", line: "edgefuse soup run-*.safetensors --remote --dataset digits -o soup.safetensors" },
  ],
  async run(values, paths, context) {
    checkEvaluationOptions(values, "soup");
    if (paths.length > MOST_CANDIDATES) throw usage(`A soup has at most ${MOST_CANDIDATES} candidates.`);
    const remote = remoteContext(values, context);
    const { kind, output, manifest, force, private: isPrivate } = values;
    if (remote !== undefined) {
      if (values.dataset === undefined) throw usage("--remote takes --dataset NAME, a dataset of the worker's.");
      const { soupRemotely } = await import("../remote/soup-remotely.ts");
      return soupRemotely(paths, values, { kind, output, manifest, force, isPrivate }, remote);
    }
    if (isPrivate) throw usage("--private goes with --remote.");
    if (output === undefined) throw usage("-o FILE is needed.");
    await checkOutput(output, force);
    const target = { path: output, force, manifest };
    return soupHere(paths, { ...values, kind }, target, values.memory * MEBIBYTE, context);
  },
});

async function soupHere(
  paths: readonly string[],
  values: EvaluationValues & { readonly kind: "greedy" | "uniform" | "learned" },
  target: { readonly path: string; readonly force: boolean; readonly manifest: string | undefined },
  memoryBytes: number,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context;
  const { kind, statistics, batch } = values;
  const form = await formFromOption(values.as);
  // Loaded here, because tfjs takes longer to load than a wrong command line takes to be refused.
  const [{ readLocalModel }, { localShards }, topologies, { readLocalShard }, { chooseSoup, writeSoup }, engines] =
    await Promise.all([
      import("../probing/local-models.ts"),
      import("./local-shards-option.ts"),
      import("../probing/local-topologies.ts"),
      import("../probing/local-shards.ts"),
      import("../souping/soup-here.ts"),
      import("../backend/averaging-engine.ts"),
    ]);
  const read: LocalModel[] = [];
  for (const path of paths) read.push(await readLocalModel(path));
  const models = distinct(read, terminal.note);
  const shards = await localShards(values, context);
  const calibration = values.calibration === undefined ? undefined : await readLocalShard(values.calibration);
  // Fuses and evaluates: tfjs has one heap a thread.
  const engine = await engines.startAveragingEngine(memoryBytes);
  const topology = values.topology === undefined ? undefined : await topologies.localTopology(values.topology);
  const heldOut = {
    shards,
    calibration,
    form: topology === undefined ? form : { ...form, topology: topology.id },
    topologies: topologies.topologiesOf(topology === undefined ? [] : [topology]),
    batch,
  };
  const chosen = await chooseSoup({ kind, models, heldOut, statistics }, context);
  const { path } = target;
  const { id, sha256, bytes, recipe } = await writeSoup(chosen, models, target, engine, context);
  const { selection, shares, measure } = chosen;
  const names = new Map(models.map((model) => [model.id as string, basename(model.path)]));
  terminal.print(traceText(selection.trace, (candidate) => names.get(candidate) ?? candidate));
  const what = soupText(kind, { ...measure, members: shares.length, candidates: models.length });
  terminal.result(
    { event: "soup", path, id, sha256, bytes, recipe, ...selection, names: Object.fromEntries(names) },
    `${sha256}  ${path}  ${byteSize(bytes)}, ${what}`,
  );
}

/** @throws Failure `usage` where fewer than two are left */
function distinct(models: readonly LocalModel[], note: (line: string) => void): LocalModel[] {
  const byId = new Map<string, LocalModel>();
  for (const model of models) {
    const known = byId.get(model.id);
    if (known === undefined) byId.set(model.id, model);
    else note(`${model.path} is the same file as ${known.path}; it takes part once.`);
  }
  if (byId.size < 2) throw usage("A soup has two candidates or more, each another file.");
  return [...byId.values()];
}

const usage = (message: string) => new Failure("usage", `${message} See edgefuse soup --help.`);
