import type { z } from "zod";
import type { CheckpointDescription } from "../../shared/api/checkpoints.ts";
import type { knownOutput } from "../../shared/api/jobs.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { requireCheckpoint } from "../catalog/checkpoints.ts";
import { enterOutput } from "../catalog/job-files.ts";
import { isolateBudget } from "../engine/budget.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { discardUnknown } from "../deleting/delete.ts";
import { describeCheckpoint } from "../objects/describe-checkpoint.ts";
import { checkpointKey } from "../objects/keys.ts";
import { cleanName } from "../objects/names.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";
import { receiveFile } from "../objects/receive.ts";
import { checkpointPlace, enterCheckpoint, type Registered, validateCheckpoint } from "../registering/checkpoints.ts";
import type { AnnouncedFile } from "../routes/body.ts";
import { type HeldJob, leaseLost } from "./lease.ts";

/**
 * Registers a checkpoint that an attempt made, as any checkpoint is registered. Of an attempt that lost the job while it
 * sent, nothing remains.
 * @throws Problem `lease-lost`; what receiving a checkpoint throws
 */
export async function postOutput(
  environment: Environment,
  held: HeldJob,
  { body, name, ...announcement }: AnnouncedFile & { readonly name: string | null },
  { at, uniqueName }: { readonly at: Date; readonly uniqueName: () => string },
): Promise<Registered<CheckpointDescription>> {
  const file = await receiveFile(body, {
    ...announcement,
    ...checkpointPlace(environment, at),
    budget: isolateBudget(limitsOf(environment).memoryBudgetBytes),
    stagingName: uniqueName,
    validate: validateCheckpoint,
  });
  const checkpoint = file.sha256 as CheckpointId;
  const output = { checkpoint, name, bytes: file.bytes, at: at.getTime() };
  if (!(await enterOutput(environment.CATALOG, held, output))) {
    if (file.stored) {
      await discardUnknown(environment, { table: "checkpoints", id: checkpoint, key: checkpointKey(checkpoint), at });
    }
    throw leaseLost(held.job);
  }
  return enterCheckpoint(environment, file, name, at);
}

/**
 * Notes a checkpoint that is registered already as what an attempt made.
 * @throws Problem `checkpoint-not-found`, `lease-lost`
 */
export async function recordOutput(
  environment: Environment,
  held: HeldJob,
  { checkpoint, name }: z.infer<typeof knownOutput>,
  at: Date,
): Promise<Registered<CheckpointDescription>> {
  const { CATALOG } = environment;
  const summary = await requireCheckpoint(CATALOG, checkpoint);
  const shown = name === undefined ? summary.name : cleanName(name);
  const output = { checkpoint, name: shown, bytes: summary.bytes, at: at.getTime() };
  if (!(await enterOutput(CATALOG, held, output))) throw leaseLost(held.job);
  const { input } = await openCheckpoint(environment, checkpoint);
  return { body: describeCheckpoint(summary, input.header), isNew: false };
}
