import type { JobDescription } from "../../../shared/api/jobs.ts";
import { asFailure } from "./failure.ts";
import { followJob } from "./follow-job.ts";
import { LiveLog } from "./live-log.ts";
import { exitCodeOf, type StepEnd, verdictOf } from "./report/verdict.ts";
import { openStep, type Step } from "./step.ts";
import { readSubmission } from "./submission.ts";
import { gatherFacts, outputsOf, writeComment, writeSummary } from "./tell.ts";
import { WorkflowCommands } from "./workflow-commands.ts";
import type { ActionWorld } from "./world.ts";

/** What the main step leaves for the post step. */
export const STATE = {
  /** Set by every main step. */
  begun: "begun",
  /** Key with which a job may have been posted. */
  key: "key",
  job: "job",
  /** The job was over, and told of. */
  done: "done",
} as const;

/**
 * The main step: posts the job, waits for it with its log, tells of it, and comes to its exit code.
 * @returns what the process exits with
 */
export async function runStep(world: ActionWorld): Promise<number> {
  const commands = new WorkflowCommands(world);
  try {
    const step = await openStep(world, commands);
    await step.files.saveState({ [STATE.begun]: "true" });
    return await carryOut(step);
  } catch (error) {
    const failure = asFailure(error, "carry out the step");
    commands.error(failure.message, { title: "edgefuse" });
    return failure.exitCode;
  }
}

async function carryOut(step: Step): Promise<number> {
  const { world, commands, files, inputs, run, deployment } = step;
  const job = await post(step);
  commands.say(`Job ${job.id}: ${inputs.url}/v1/jobs/${job.id}`);
  if (step.comment !== undefined) {
    await writeComment(step, await gatherFacts(step, job, "ended"));
  } else if (inputs.comment && run.pullRequest !== undefined) {
    commands.notice("There is no comment: the input github-token is empty.");
  }

  const log = new LiveLog(commands);
  const { kind: end, job: last } = await followJob(job, { deployment, log, commands, world, timeout: inputs.timeout });
  await files.setOutputs(outputsOf(last, end, inputs.url));
  const exitCode = exitCodeOf(last, end);
  announce(commands, last, end, exitCode);
  // The runner gives a cancelled step seconds; the post step has minutes, and knows how the job ended.
  if (end === "interrupted") return exitCode;
  const facts = await gatherFacts(step, last, end, log);
  await writeSummary(step, facts);
  await writeComment(step, facts);
  await files.saveState({ [STATE.done]: "true" });
  return exitCode;
}

/** The verdict as an annotation, which GitHub shows at the top of the run. */
function announce(commands: WorkflowCommands, job: JobDescription, end: StepEnd, exitCode: number): void {
  const { sentence } = verdictOf(job, end);
  const why = job.message === null || end !== "ended" ? "" : ` ${job.message}`;
  if (exitCode === 0) commands.notice(sentence, { title: "edgefuse" });
  else commands.error(sentence + why, { title: "edgefuse" });
}

async function post({ world, files, inputs, run, deployment, commands }: Step): Promise<JobDescription> {
  const submission = await readSubmission(inputs.spec, run, world);
  await deployment.identify();
  // Before the request: where this process is killed in the middle of it, the post step finds the job by its key.
  await files.saveState({ [STATE.key]: submission.key });
  try {
    const job = await deployment.post(submission);
    await files.saveState({ [STATE.job]: job.id });
    return job;
  } catch (error) {
    const failure = asFailure(error, "post the job");
    if (failure.kind === "bad-input") commands.error(failure.message, { title: "edgefuse", file: inputs.spec });
    throw failure;
  }
}
