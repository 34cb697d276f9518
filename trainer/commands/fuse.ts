import { lstat, rm } from "node:fs/promises";
import { gatherStatistics, needsStatistics, planFusion, resolvePlan } from "../../shared/fusion/index.ts";
import type { ModelManifest } from "../../shared/api/manifest.ts";
import { manifestOf } from "../../shared/fusion/manifest.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { type CommandContext, defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, repeated, text, wholeNumber } from "../command-line/options.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { Failure } from "../failure.ts";
import { ByteProgress, byteSize } from "../fusing/byte-progress.ts";
import { alreadyThere, fuseToFile, PART_BYTES } from "../fusing/fuse-to-file.ts";
import { LocalFiles } from "../fusing/local-files.ts";
import {
  parseInputSetting,
  parseSetting,
  parseWeights,
  recipeFromOptions,
  type RecipeOptions,
} from "../fusing/recipe-options.ts";
import { planText } from "../fusing/plan-text.ts";
import { modelJsonOf, tfjsFiles } from "../fusing/tfjs-output.ts";
import { writeAtomically } from "../storage/atomic-file.ts";

const DTYPES = ["input", "f16", "bf16", "f32", "f64"] as const;
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
    dtype: choice(DTYPES, { help: "dtype of the output's floats; input keeps each tensor's", fallback: "input" }),
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
    { what: "look first", line: "edgefuse fuse a.safetensors b.safetensors --method slerp --set t=0.3 --plan" },
  ],
  async run(values, paths, context) {
    const { output } = values;
    if (!values.remote && (values.lazy || values.private)) {
      throw new Failure("usage", `--${values.lazy ? "lazy" : "private"} goes with --remote. See edgefuse fuse --help.`);
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
      const { manifest, force, plan: planOnly, lazy, private: isPrivate } = values;
      const request = { options, output, manifest, force, plan: planOnly, lazy, isPrivate };
      // Loaded here: fusing on this machine takes none of it.
      const { fuseRemotely } = await import("../remote/fuse-remotely.ts");
      return fuseRemotely(given, request, context);
    }
    if (output !== undefined && !values.plan) {
      const { modelPath, weightsPath } = tfjsFiles(output) ?? { modelPath: output, weightsPath: output };
      for (const path of new Set([modelPath, weightsPath])) await checkOutput(path, values.force);
    }

    const files = await LocalFiles.open(given);
    try {
      // With stand-in ids first: whatever is wrong shows before the files are read.
      const { layout } = planFusion(recipeFromOptions(options, files.ids), files.inputs);
      const job = { files, options, layout, memoryBytes: values.memory * MEBIBYTE };
      if (output === undefined || values.plan) await showPlan(job, context);
      else await write(job, { path: output, force: values.force, manifest: values.manifest }, context);
    } catch (error) {
      throw files.explain(error);
    } finally {
      await files.close();
    }
  },
});

interface Job {
  readonly files: LocalFiles;
  readonly options: RecipeOptions;
  /** Of the output. Tried with stand-in ids: tensors are final, metadata is not. */
  readonly layout: SafetensorsHeader;
  readonly memoryBytes: number;
}

async function plan({ files, options }: Job, { signal }: CommandContext, progress: ByteProgress) {
  await files.hash(progress, signal);
  const recipe = recipeFromOptions(options, files.ids);
  return { id: modelIdOf(recipe), plan: planFusion(recipe, files.inputs) };
}

async function showPlan(job: Job, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { id, plan: planned } = await plan(job, context, new ByteProgress(terminal, () => performance.now()));
  const resolved = resolvePlan(planned);
  const inputs = resolved.inputs.map((input) => ({ ...input, path: job.files.pathOf(input.id) }));
  const value = { event: "plan", id, recipe: planned.recipe, ...resolved, inputs };
  terminal.result(value, planText(id, { ...resolved, inputs }));
}

interface Target {
  readonly path: string;
  readonly force: boolean;
  readonly manifest: string | undefined;
}

async function write(
  job: Job,
  { path, force, manifest: manifestPath }: Target,
  context: CommandContext,
): Promise<void> {
  const { terminal, signal } = context;
  const started = performance.now();
  const progress = new ByteProgress(terminal, () => performance.now());
  const onProgress = (bytes: number) => progress.advance(bytes);
  // Loaded here, because tfjs takes longer to load than a wrong command line takes to be refused.
  const starting = import("../backend/averaging-engine.ts").then(({ startAveragingEngine }) =>
    startAveragingEngine(job.memoryBytes),
  );
  const tfjs = tfjsFiles(path);
  // Needs tfjs, and may be refused: before the files are read.
  const modelJson = tfjs && (await starting, modelJsonOf(job.layout, job.files.modelJsons));
  const [{ id, plan: planned }, engine] = await Promise.all([plan(job, context, progress), starting]);
  if (needsStatistics(planned)) progress.begin("measuring");
  const statistics = await gatherStatistics(planned, engine, { signal, onProgress });
  progress.begin("fusing", planned.layout.fileLength);
  const fused = await fuseToFile(planned, engine, tfjs?.weightsPath ?? path, {
    statistics,
    replace: force,
    async beforeCommit() {
      await job.files.checkUnchanged();
      // No model.json ever goes with weights that are not its own.
      if (tfjs !== undefined && force) await rm(tfjs.modelPath, { force });
    },
    skip: tfjs === undefined ? 0 : planned.layout.dataOffset,
    signal,
    onProgress,
  });
  if (tfjs !== undefined && modelJson !== undefined) await writeAtomically(tfjs.modelPath, modelJson);
  progress.end();

  const manifest = manifestOf({
    id,
    plan: planned,
    files: job.files.named,
    statistics,
    ...fused,
    partBytes: PART_BYTES,
    createdAt: new Date(),
    milliseconds: Math.round(performance.now() - started),
    path: "inline",
  });
  if (manifestPath !== undefined) {
    await writeAtomically(manifestPath, new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`));
  }
  warn(manifest, terminal);
  const { sha256, bytes, tensors, elements, nonFinite, overflows, alignment, milliseconds } = manifest;
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
  const what = `${planned.recipe.method} of ${planned.members}`;
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

/** Fails before anything is read; that the name is still free is made sure of at the end. */
async function checkOutput(path: string, force: boolean): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (found.isDirectory()) throw new Failure("usage", `${path} is a folder; give the name of a file.`);
  if (!force) throw alreadyThere(path);
}
