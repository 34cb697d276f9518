import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import type { Environment, FuseParameters } from "../environment.ts";
import { groupParts, partCount } from "../fusing/part-layout.ts";
import {
  abandonAttempt,
  beginAttempt,
  completeUpload,
  gatherStep,
  makeParts,
  mergeStep,
  sealModel,
} from "./fuse-steps.ts";
import { inParallel } from "./in-parallel.ts";
import { startGatesOf } from "../gating/background.ts";
import { type Outcome, Refused, settle, Superseded, valueOf } from "./outcome.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/** Steps that fuse at a time. Each may take a quarter of an isolate's budget, and reads from four objects at once. */
const PARALLEL_STEPS = 2;

/**
 * Makes a model that is too large for one request: parts of equal size, fused in parallel, each a part of one multipart
 * upload, then sealed with a manifest. Every step may run again: a part that is in the journal is not made twice, and
 * one that is made twice has the same bytes.
 */
export class FuseWorkflow extends WorkflowEntrypoint<Environment, FuseParameters> {
  override async run(
    { payload, timestamp }: Readonly<WorkflowEvent<FuseParameters>>,
    step: WorkflowStep,
  ): Promise<void> {
    const now = () => new Date();
    const context = { environment: this.env, ...payload, started: timestamp, now };
    const run = async <Value>(name: string, work: () => Promise<Value>): Promise<Value> => {
      const outcome = await step.do(name, PATIENT, async () => {
        // What a step returns is kept as JSON; ours is JSON by construction.
        return (await settle(`/v1/fusions/${payload.id}`, work)) as never;
      });
      return valueOf(outcome as Outcome<Value>);
    };

    let uploadId: string | null = null;
    try {
      const job = await run("plan", () => beginAttempt(context));
      uploadId = job.uploadId;
      await inParallel(job.statisticsRanges, PARALLEL_STEPS, (index) =>
        run(`statistics ${index + 1}`, () => gatherStep(context, job, index)),
      );
      if (job.statisticsRanges > 0) await run("statistics", () => mergeStep(context, job));
      const groups = groupParts(partCount(job.bytes, job.partBytes));
      await inParallel(groups.length, PARALLEL_STEPS, async (index) => {
        const group = groups[index];
        if (group === undefined) return;
        await run(`parts ${group.first} to ${group.last}`, () => makeParts(context, job, group));
      });
      await run("complete", () => completeUpload(context, job));
      await run("seal", () => sealModel(context, job));
      await run("gates", () => startGatesOf(this.env, payload.id, now));
    } catch (error) {
      const problem = error instanceof Refused ? error.problem : undefined;
      const cause = error instanceof Error ? error.message : String(error);
      await step.do("abandon", PATIENT, () =>
        abandonAttempt(context, { uploadId, problem, cause, isSuperseded: error instanceof Superseded }),
      );
    }
  }
}
