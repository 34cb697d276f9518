import { rm } from "node:fs/promises";
import type { ModelManifest } from "../../shared/api/manifest.ts";
import type { SoupSelection } from "../../shared/api/soup-trace.ts";
import {
  type FusionEngine,
  type FusionPlan,
  gatherStatistics,
  needsStatistics,
  planFusion,
} from "../../shared/fusion/index.ts";
import { manifestOf } from "../../shared/fusion/manifest.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import type { CommandContext } from "../command-line/command.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { ByteProgress } from "./byte-progress.ts";
import { fuseToFile, PART_BYTES } from "./fuse-to-file.ts";
import type { LocalFiles } from "./local-files.ts";
import { modelJsonOf, tfjsFiles } from "./tfjs-output.ts";

/** Files, and the recipe that they are fused by once their ids are known. */
export interface FusionJob {
  readonly files: LocalFiles;
  readonly recipeOf: (files: LocalFiles["ids"]) => Recipe;
  /** Of the output. Tried with stand-in ids: tensors are final, metadata is not. */
  readonly layout: SafetensorsHeader;
}

export interface FusionTarget {
  /** A safetensors file, or `model.json` for the TF.js form. */
  readonly path: string;
  readonly force: boolean;
  /** File for the manifest. */
  readonly manifest: string | undefined;
  /** Of a soup: how its inputs were chosen. */
  readonly selection?: SoupSelection;
}

/** Hashes the files and plans the fusion. */
export async function planJob(
  { files, recipeOf }: FusionJob,
  { signal }: Pick<CommandContext, "signal">,
  progress: ByteProgress,
): Promise<{ readonly id: ModelManifest["id"]; readonly plan: FusionPlan }> {
  await files.hash(progress, signal);
  const recipe = recipeOf(files.ids);
  return { id: modelIdOf(recipe), plan: planFusion(recipe, files.inputs) };
}

/**
 * Fuses files into one, which appears whole or not at all.
 * @param starting the engine, on its way: what can be refused before it is there, is
 * @throws Problem as planning and fusing do; Failure; the signal's reason
 */
export async function writeFusion(
  job: FusionJob,
  { path, force, manifest: manifestPath, selection }: FusionTarget,
  starting: Promise<FusionEngine>,
  context: Pick<CommandContext, "terminal" | "signal">,
): Promise<{ readonly manifest: ModelManifest; readonly plan: FusionPlan }> {
  const { terminal, signal } = context;
  const { files } = job;
  const started = performance.now();
  const progress = new ByteProgress(terminal, () => performance.now());
  const onProgress = (bytes: number) => progress.advance(bytes);
  const tfjs = tfjsFiles(path);
  // Needs tfjs, and may be refused: before the files are read.
  const modelJson = tfjs && (await starting, modelJsonOf(job.layout, files.modelJsons));
  const [{ id, plan }, engine] = await Promise.all([planJob(job, context, progress), starting]);
  if (needsStatistics(plan)) progress.begin("measuring");
  const statistics = await gatherStatistics(plan, engine, { signal, onProgress });
  progress.begin("fusing", plan.layout.fileLength);
  const fused = await fuseToFile(plan, engine, tfjs?.weightsPath ?? path, {
    statistics,
    replace: force,
    async beforeCommit() {
      await files.checkUnchanged();
      // No model.json ever goes with weights that are not its own.
      if (tfjs !== undefined && force) await rm(tfjs.modelPath, { force });
    },
    skip: tfjs === undefined ? 0 : plan.layout.dataOffset,
    signal,
    onProgress,
  });
  if (tfjs !== undefined && modelJson !== undefined) await writeAtomically(tfjs.modelPath, modelJson);
  progress.end();

  const manifest = manifestOf({
    id,
    plan,
    files: files.named,
    statistics,
    ...fused,
    partBytes: PART_BYTES,
    createdAt: new Date(),
    milliseconds: Math.round(performance.now() - started),
    path: "inline",
    selection,
  });
  if (manifestPath !== undefined) {
    await writeAtomically(manifestPath, new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`));
  }
  return { manifest, plan };
}
