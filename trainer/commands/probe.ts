import { basename } from "node:path";
import { defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, text, type ValueOption, wholeNumber, realNumber } from "../command-line/options.ts";
import type { CommandContext } from "../command-line/command.ts";
import { ProgressBar } from "../command-line/progress-bar.ts";
import type { GateLimits } from "../../shared/api/gates.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import { Failure } from "../failure.ts";
import { kindOfProbe, type ProbeOptions, probeRequest } from "../probing/probe-request.ts";
import { reportProbe } from "../probing/report-probe.ts";
import { type EvaluationValues, formFromOption } from "../probing/evaluation-values.ts";
import { checkEvaluationOptions, EVALUATION_OPTIONS } from "./evaluation-options.ts";
import { LIMIT_OPTIONS, limitsFromOptions } from "./gate-options.ts";
import { remoteContext, WORKER_OPTIONS } from "./worker-options.ts";

/** `0,0.25,1`. */
const alphas: ValueOption<readonly number[]> = {
  kind: "value",
  placeholder: "X,...",
  help: "path: the points themselves, ascending from 0 to 1",
  parse(given) {
    const numbers = given.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    const ascend = numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? Number.NaN));
    if (numbers.length < 2 || numbers[0] !== 0 || numbers.at(-1) !== 1 || !ascend) {
      throw new Error("ascending numbers from 0 to 1, such as 0,0.25,0.5,1");
    }
    return numbers;
  },
};

export const probe = defineCommand({
  name: "probe",
  summary: "measure what lies between models, here or on a worker",
  description:
    "Evaluates models, and points between and around them, on validation shards: the path between two (default), the mean\n" +
    "of several, the plane through three. Says how far accuracy falls below the straight line between the models, and how\n" +
    "far the loss rises above it: the barrier. With --gate the exit code says whether the limits hold: 0, or 9 where one\n" +
    "does not. Here it needs no network; with --remote a worker answers, and the answer stays there. Both give one id.",
  operands: {
    placeholder: "MODEL...",
    help: "checkpoints: safetensors files, folders or indexes of sharded ones, TF.js model.json; with --remote also ids, @ALIAS, @ALIAS@v3",
    least: 2,
  },
  options: {
    ...EVALUATION_OPTIONS,
    kind: optional(
      choice(["path", "mean", "plane"], {
        help: "what to look at (default: the path of two models, the mean of more)",
      }),
    ),
    points: optional(wholeNumber(2, 101, { help: "path: points, both ends included (default 11)" })),
    alphas: optional(alphas),
    pairwise: flag("mean: also the barrier between each two models"),
    "pair-points": optional(wholeNumber(1, 9, { help: "mean: inner points between two (default 1, the midpoint)" })),
    resolution: optional(wholeNumber(2, 41, { help: "plane: points a side (default 11)" })),
    margin: optional(
      realNumber("a number from 0 to 2", (number) => number >= 0 && number <= 2, {
        help: "plane: how far it goes beyond the models (default 0.25)",
      }),
    ),
    out: optional(
      text({ help: "draw the picture: curve, mean, matrix or plane", placeholder: "FILE.svg", short: "o" }),
    ),
    badge: optional(text({ help: "draw a badge for a README: barrier 0.3 pt", placeholder: "FILE.svg" })),
    measure: choice(["accuracy", "loss"], { help: "what the picture shows", fallback: "accuracy" }),
    ...LIMIT_OPTIONS,
    ...WORKER_OPTIONS,
  },
  examples: [
    {
      what: "between two checkpoints",
      line: "edgefuse probe a.safetensors b.safetensors --dataset glyphs -o barrier.svg",
    },
    {
      what: "in CI: fails where averaging them costs more than two points",
      line: "edgefuse probe a.safetensors b.safetensors --shards shards/*.safetensors --gate accuracyBarrier=0.02",
    },
    {
      what: "the mean of four, and every pair",
      line: "edgefuse probe run-*.safetensors --shards shards --pairwise -o matrix.svg",
    },
    {
      what: "a PyTorch state_dict as it is",
      line: "edgefuse probe a.safetensors b.safetensors --as form.json --shards shards",
    },
    { what: "on the worker", line: "edgefuse probe @team/digits b.safetensors --remote --dataset digits --json" },
  ],
  async run(values, given, context) {
    const options: ProbeOptions = values;
    const kind = kindOfProbe(options, given.length);
    checkEvaluationOptions(values, "probe");
    const limits = limitsFromOptions(values);
    checkGate(kind, options, limits, values.badge);
    const remote = remoteContext(values, context);
    const { answer, names } =
      remote === undefined
        ? await askHere(given, values, context)
        : // Loaded here: measuring on this machine takes none of it.
          await (await import("../remote/probe-remotely.ts")).probeRemotely(given, values, remote);
    const { out, badge, measure } = values;
    await reportProbe(answer, { out, badge, measure, limits, names }, context.terminal);
  },
});

/** Before anything is evaluated. @throws Failure `usage` */
function checkGate(
  kind: ReturnType<typeof kindOfProbe>,
  { points, alphas: given }: ProbeOptions,
  limits: GateLimits | undefined,
  badge: string | undefined,
): void {
  if (kind === "plane" && (limits !== undefined || badge !== undefined)) {
    throw new Failure(
      "usage",
      `A plane has no barrier: --${limits === undefined ? "badge" : "gate"} goes with --kind path or mean.`,
    );
  }
  const hasMiddle = given === undefined ? (points ?? 11) % 2 === 1 : given.includes(0.5);
  if (limits !== undefined && kind === "path" && !hasMiddle) {
    throw new Failure("usage", "A gate judges the average too, which is at 0.5: ask for an odd number of --points.");
  }
}

async function askHere(
  paths: readonly string[],
  values: EvaluationValues & ProbeOptions,
  context: CommandContext,
): Promise<{ readonly answer: ProbeDescription; readonly names: ReadonlyMap<string, string> }> {
  const { terminal, signal } = context;
  const form = await formFromOption(values.as);
  // Loaded here, because tfjs takes longer to load than a wrong command line takes to be refused.
  const [
    { readLocalModel },
    { localShards },
    { localTopology, topologiesOf },
    { readLocalShard },
    { probeHere },
    { startWasmHeap },
  ] = await Promise.all([
    import("../probing/local-models.ts"),
    import("./local-shards-option.ts"),
    import("../probing/local-topologies.ts"),
    import("../probing/local-shards.ts"),
    import("../probing/probe-here.ts"),
    import("../backend/wasm-heap.ts"),
  ]);
  const models = [];
  for (const path of paths) models.push(await readLocalModel(path));
  const shards = await localShards(values, context);
  const calibration = values.calibration === undefined ? undefined : await readLocalShard(values.calibration);
  // The backend of the worker: the same kernels, so the same numbers.
  await startWasmHeap();
  const topology = values.topology === undefined ? undefined : await localTopology(values.topology);
  const asked = topology === undefined ? form : { ...form, topology: topology.id };
  const question = probeRequest(
    values,
    models.map(({ id }) => id),
    {
      shards: shards.map(({ id }) => id),
      statistics: values.statistics,
      calibration: calibration?.id,
      as: asked,
      batch: values.batch,
    },
  );
  const progress = new ProgressBar(terminal, () => performance.now());
  const answer = await probeHere(
    {
      question,
      models,
      shards,
      calibration,
      form: asked,
      topologies: topologiesOf(topology === undefined ? [] : [topology]),
    },
    { signal, progress, now: () => new Date() },
  );
  return { answer, names: new Map(models.map(({ id, path }) => [id, basename(path)])) };
}
