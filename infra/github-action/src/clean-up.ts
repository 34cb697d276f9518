import { isFinal } from "../../../shared/jobs/reasons.ts";
import { type JobId, jobId } from "../../../shared/jobs/job-id.ts";
import { asFailure } from "./failure.ts";
import { cancelAndWait } from "./follow-job.ts";
import { STATE } from "./run-step.ts";
import { openStep, type Step } from "./step.ts";
import { readSubmission } from "./submission.ts";
import { gatherFacts, writeComment, writeSummary } from "./tell.ts";
import { WorkflowCommands } from "./workflow-commands.ts";
import type { ActionWorld } from "./world.ts";

/** A cancelled run has five minutes in all. */
const PATIENCE_MS = 120_000;

/**
 * The post step, which runs also where the run was cancelled or the main step was killed: nothing that the run began goes
 * on without it. Cancels a job that is not over, and tells of it.
 * @returns what the process exits with
 */
export async function cleanUp(world: ActionWorld): Promise<number> {
  const state = (name: string) => world.environment[`STATE_${name}`] ?? "";
  if (state(STATE.done) !== "" || state(STATE.key) === "") return 0;
  const commands = new WorkflowCommands(world);
  try {
    const step = await openStep(world, commands);
    const id = jobId.safeParse(state(STATE.job)).data ?? (await findByKey(step, state(STATE.key)));
    if (id === undefined) return 0;
    const job = await cancelAndWait(step.deployment, id, PATIENCE_MS, world);
    commands.say(
      isFinal(job.state) ? `Job ${id}: ${job.state}` : `Job ${id} is told to stop with its agent's next heartbeat.`,
    );
    const end = job.state === "succeeded" || job.state === "failed" ? "ended" : "interrupted";
    const facts = await gatherFacts(step, job, end);
    await writeSummary(step, facts);
    await writeComment(step, facts);
    return 0;
  } catch (error) {
    const failure = asFailure(error, "cancel the job");
    commands.error(`${failure.message} It may go on until its time is over.`, { title: "edgefuse" });
    return failure.exitCode;
  }
}

/**
 * The job that the main step posted without hearing of it. Posting it again with the same key finds it; where it never
 * arrived, it is made now, and cancelled at once.
 */
async function findByKey({ world, inputs, run, deployment }: Step, key: string): Promise<JobId | undefined> {
  const submission = await readSubmission(inputs.spec, run, world);
  if (submission.key !== key) return undefined;
  return (await deployment.post(submission)).id;
}
