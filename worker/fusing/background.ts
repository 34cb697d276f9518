import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { claimAttempt, endFusion, findFusion, type FusionRecord } from "../catalog/fusions.ts";
import { findModel } from "../catalog/models.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { modelKey } from "../objects/keys.ts";
import { problemDocument } from "../problems/render.ts";
import type { PreparedFusion } from "./prepare.ts";
import { discardModel } from "./publish.ts";
import { discardScratch } from "./statistics-steps.ts";

/**
 * Starts the Workflow of an attempt that the caller has claimed.
 * @throws what the platform throws; the fusion has failed then
 */
export async function startAttempt(
  { FUSE_WORKFLOW, CATALOG }: Environment,
  id: ModelId,
  attempt: number,
  now: () => Date,
): Promise<void> {
  try {
    // The same model may be made again after it was deleted, and no name is given twice.
    await FUSE_WORKFLOW.create({ params: { id, attempt } });
  } catch (error) {
    const problem = problemDocument(new Problem("internal", "The Workflow could not be started."), `/v1/fusions/${id}`);
    await endFusion(CATALOG, id, { state: "failed", problem, attempt, at: now().toISOString() });
    throw error;
  }
}

/** Starts a fusion anew, whatever it was: lazy, failed, cancelled. Of several who ask at once, one starts it. */
export async function restart(
  environment: Environment,
  fusion: FusionRecord,
  { etags }: Pick<PreparedFusion, "etags">,
  now: () => Date,
): Promise<void> {
  if (await claimAttempt(environment.CATALOG, fusion, now().toISOString(), etags)) {
    await startAttempt(environment, fusion.id, fusion.attempt + 1, now);
  }
}

/**
 * Takes a fusion over that should be running and has shown no sign of life for long: the worker was killed, and its
 * platform does not go on by itself. The new attempt makes only the parts that are not there yet, from the same versions
 * of the inputs. Should the earlier attempt be alive after all, it finds itself superseded and ends.
 */
export async function keepGoing(environment: Environment, fusion: FusionRecord, now: () => Date): Promise<void> {
  if (fusion.state !== "queued" && fusion.state !== "running") return;
  const silentMs = now().getTime() - Date.parse(fusion.updatedAt);
  if (silentMs < limitsOf(environment).stallSeconds * 1000) return;
  if (!(await claimAttempt(environment.CATALOG, fusion, now().toISOString()))) return;
  await startAttempt(environment, fusion.id, fusion.attempt + 1, now);
}

/**
 * Cancels a fusion that is queued or running: nothing of it remains, no multipart upload and no object, and no alias
 * waits for it any more.
 * @throws Problem `model-not-found`, `fusion-finished`
 */
export async function cancelFusion(environment: Environment, id: ModelId, now: () => Date): Promise<void> {
  const { BUCKET, CATALOG } = environment;
  const fusion = await findFusion(CATALOG, id);
  if (fusion === undefined) {
    const model = await findModel(CATALOG, id);
    if (model === undefined) throw new Problem("model-not-found", `There is no fusion ${id}.`, { model: id });
    throw new Problem("fusion-finished", "The model is stored; there is nothing to cancel.", { state: "succeeded" });
  }
  const ended = await endFusion(CATALOG, id, { state: "cancelled", problem: null, at: now().toISOString() });
  if (ended === undefined) {
    throw new Problem("fusion-finished", `The fusion is ${fusion.state}; there is nothing to cancel.`, {
      state: fusion.state,
    });
  }
  // The attempt ends itself at its next heartbeat. One that begins its upload after this takes the upload back.
  if (ended.uploadId !== null) await abortUpload(BUCKET, id, ended.uploadId);
  await discardScratch(BUCKET, id);
  await discardModel(environment, id);
}

/** Ends a multipart upload that may have ended already. */
export async function abortUpload(bucket: R2Bucket, id: ModelId, uploadId: string): Promise<void> {
  try {
    await bucket.resumeMultipartUpload(modelKey(id), uploadId).abort();
  } catch {
    // Completed or aborted before: either way there is nothing left to abort.
  }
}
