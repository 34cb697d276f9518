import { planFusion, resolvePlan } from "../../shared/fusion/index.ts";
import type { ModelManifest } from "../../shared/api/manifest.ts";
import { type CommandContext, defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, repeated, text, wholeNumber } from "../command-line/options.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { Failure } from "../failure.ts";
import { ByteProgress, byteSize } from "../fusing/byte-progress.ts";
import { checkOutput } from "../fusing/check-output.ts";
import { LocalFiles } from "../fusing/local-files.ts";
import {
  parseInputSetting,
  parseSetting,
  parseWeights,
  recipeFromOptions,
  type RecipeOptions,
} from "../fusing/recipe-options.ts";
import { planText } from "../fusing/plan-text.ts";
import { type FusionJob, type FusionTarget, planJob, writeFusion } from "../fusing/write-fusion.ts";
import { GATE_OPTIONS, gateFromOptions } from "./gate-options.ts";

const DTYPES = ["input", "f8_e4m3", "f8_e5m2", "f16", "bf16", "f32", "f64"] as const;
const dtype = choice(DTYPES, { help: "dtype of the output's floats; input keeps each tensor's", fallback: "input" });
const MEBIBYTE = 2 ** 20;

export const fuse = defineCommand({
  name: "fuse",
  summary: "fuse checkpoints, here or on a worker",
  description:
    "Fuses checkpoints of the same tensors into one safetensors file, as a worker would: the same recipe gives the same bytes.\n" +
    "Streams, so files may be of any size. The output appears whole or not at all.\n" +
    "An output called model.json is a TF.js model: its weights go into weights.bin beside it.\n" +
    "With --remote the worker at EDGEFUSE_URL fuses and publishes the model; EDGEFUSE_TOKEN says who asks. Inputs may then\n" +
    "also be ids and aliases of what it has; files are uploaded first.",
  operands: {
    placeholder: "FILE...",
    help: "checkpoints to fuse: safetensors files, folders or indexes of sharded ones, TF.js model.json; with --remote also ids, @ALIAS, @ALIAS@v3",
    least: 1,
  },
  options: {
    output: optional(
      text({
        help: "file to write, or model.json for the TF.js form; needed except with --plan or --remote",
        placeholder: "FILE",
        short: "o",
      }),
    ),
    method: text({ help: "how to fuse", placeholder: "METHOD", fallback: "linear" }),
    base: optional(text({ help: "checkpoint that differences are taken from", placeholder: "FILE" })),
    weights: optional({
      ...text({ help: "one number a file, such as 1,0.5", placeholder: "W,..." }),
      parse: parseWeights,
    }),
    set: repeated({
      ...text({ help: "a parameter of the method, such as density=0.5", placeholder: "NAME=VALUE" }),
      parse: parseSetting,
    }),
    "set-input": repeated({
      ...text({ help: "the same for the Nth file alone", placeholder: "N:NAME=VALUE" }),
      parse: parseInputSetting,
    }),
    statistics: repeated(text({ help: "statistics of a file, for methods that use them", placeholder: "FILE" })),
    // Recipes and safetensors write them in capitals.
    dtype: { ...dtype, parse: (given) => dtype.parse(given.toLowerCase()) },
    "non-float": choice(["error", "first"], {
      help: "integer and boolean tensors that differ: refuse, or take the first file's",
      fallback: "error",
    }),
    "allow-non-finite": flag("fuse files that hold NaN or infinity"),
    "require-alignment": flag("refuse unless the frozen entries that the files declare are bit-equal"),
    manifest: optional(text({ help: "write what was fused and found, as JSON", placeholder: "FILE" })),
    remote: flag("let the worker fuse, and keep the model there; with -o it is downloaded too"),
    lazy: flag("with --remote: compute what is read of the model when it is read"),
    private: flag("with --remote: readable with a token or a signed link only"),
    ...GATE_OPTIONS,
    alias: optional(
      text({ help: "with --remote: a name that points at the model once its gates have passed", placeholder: "NAME" }),
    ),
    plan: flag("only show what would be done, tensor by tensor"),
    force: flag("replace the output if it exists"),
    memory: wholeNumber(32, 65_536, { help: "MiB that buffers may take; never changes the result", fallback: "256" }),
  },
  examples: [
    { what: "the average of two", line: "edgefuse fuse a.safetensors b.safetensors -o mean.safetensors" },
    {
      what: "TIES on a common base",
      line: "edgefuse fuse a.safetensors b.safetensors -o c.safetensors --method ties --base z.safetensors --weights 1,1 --set density=0.5",
    },
    {
      what: "on the worker, with what an alias points at",
      line: "edgefuse fuse @team/digits c.safetensors --remote --weights 3,1 -o next.safetensors",
    },
    {
      what: "published under a name only where the average holds",
      line: "edgefuse fuse a.safetensors b.safetensors --remote --gate accuracyBarrier=0.02 --gate-dataset digits --alias team/digits",
    },
    { what: "look first", line: "edgefuse fuse a.safetensors b.safetensors --method slerp --set t=0.3 --plan" },
  ],
  async run(values, paths, context) {
    const { output } = values;
    if (!values.remote) refuseRemoteOptions(values);
    const gate = gateFromOptions(values, "fuse");
    if (gate !== undefined && values.lazy) {
      throw new Failure("usage", "--lazy and --gate contradict each other: a gate evaluates the model.");
    }
    if (output === undefined && !values.plan && !values.remote) {
      throw new Failure("usage", "-o FILE is needed, or --plan. See edgefuse fuse --help.");
    }
    const options: RecipeOptions = {
      method: values.method,
      weights: values.weights,
      settings: values.set,
      inputSettings: values["set-input"],
      dtype: values.dtype,
      nonFloat: values["non-float"],
      allowNonFinite: values["allow-non-finite"],
      requireAlignment: values["require-alignment"],
    };
    const given = { inputs: paths, base: values.base, statistics: values.statistics };
    if (values.remote) {
      const { manifest, force, plan: planOnly, lazy, private: isPrivate, alias } = values;
      const request = { options, output, manifest, force, plan: planOnly, lazy, isPrivate, gate, alias };
      // Loaded here: fusing on this machine takes none of it.
      const { fuseRemotely } = await import("../remote/fuse-remotely.ts");
      return fuseRemotely(given, request, context);
    }
    if (output !== undefined && !values.plan) {
      await checkOutput(output, values.force);
    }

    const files = await LocalFiles.open(given);
    try {
      // With stand-in ids first: whatever is wrong shows before the files are read.
      const { layout } = planFusion(recipeFromOptions(options, files.ids), files.inputs);
      const job = { files, recipeOf: (ids: LocalFiles["ids"]) => recipeFromOptions(options, ids), layout };
      const { force, manifest, memory } = values;
      if (output === undefined || values.plan) await showPlan(job, context);
      else await write(job, { path: output, force, manifest }, memory * MEBIBYTE, context);
    } catch (error) {
      throw files.explain(error);
    } finally {
      await files.close();
    }
  },
});

/** @throws Failure `usage` naming an option that only a worker knows what to do with */
function refuseRemoteOptions(values: {
  readonly lazy: boolean;
  readonly private: boolean;
  readonly gate: readonly unknown[];
  readonly "gate-dataset": string | undefined;
  readonly alias: string | undefined;
}): void {
  const given = {
    lazy: values.lazy,
    private: values.private,
    gate: values.gate.length > 0,
    "gate-dataset": values["gate-dataset"] !== undefined,
    alias: values.alias !== undefined,
  };
  const stray = Object.entries(given).find(([, isGiven]) => isGiven)?.[0];
  if (stray === undefined) return;
  throw new Failure("usage", `--${stray} goes with --remote. See edgefuse fuse --help.`);
}

async function showPlan(job: FusionJob, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { id, plan } = await planJob(job, context, new ByteProgress(terminal, () => performance.now()));
  const resolved = resolvePlan(plan);
  const inputs = resolved.inputs.map((input) => ({ ...input, path: job.files.pathOf(input.id) }));
  const value = { event: "plan", id, recipe: plan.recipe, ...resolved, inputs };
  terminal.result(value, planText(id, { ...resolved, inputs }));
}

async function write(
  job: FusionJob,
  target: FusionTarget,
  memoryBytes: number,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context;
  // Loaded here, because tfjs takes longer to load than a wrong command line takes to be refused.
  const starting = import("../backend/averaging-engine.ts").then(({ startAveragingEngine }) =>
    startAveragingEngine(memoryBytes),
  );
  const { manifest, plan } = await writeFusion(job, target, starting, context);
  warn(manifest, terminal);
  const { id, sha256, bytes, tensors, elements, nonFinite, overflows, alignment, milliseconds } = manifest;
  const { path } = target;
  const value = {
    event: "fused",
    path,
    id,
    sha256,
    bytes,
    tensors,
    elements,
    nonFinite,
    overflows,
    alignment,
    milliseconds,
  };
  const what = `${plan.recipe.method} of ${plan.members}`;
  terminal.result(value, `${sha256}  ${path}  ${byteSize(bytes)}, ${what}${aligned(alignment)}`);
}

/** What the reader should not overlook. */
function warn({ nonFinite, overflows }: ModelManifest, { note }: Terminal): void {
  const count = nonFinite.reduce((sum, entry) => sum + entry.count, 0);
  if (count > 0) note(`${count} elements of the inputs are NaN or infinite.`);
  if (overflows > 0) note(`${overflows} results became infinite though all inputs were finite; try --dtype f32.`);
}

function aligned({ declared, verified, mismatches }: ModelManifest["alignment"]): string {
  if (!declared) return "";
  return verified ? ", aligned" : `, ${mismatches} frozen entries differ`;
}
