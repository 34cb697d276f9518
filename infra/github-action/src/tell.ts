import type { JobDescription } from "../../../shared/api/jobs.ts";
import { textOf } from "./failure.ts";
import { partName } from "./follow-job.ts";
import type { LiveLog } from "./live-log.ts";
import { commentOf } from "./report/comment.ts";
import type { LogTail, ReportFacts } from "./report/report.ts";
import { summaryOf } from "./report/summary.ts";
import { exitCodeOf, type StepEnd } from "./report/verdict.ts";
import type { Step } from "./step.ts";

/** What there is to tell of a job. Asks for the probe and the picture, which a report can do without. */
export async function gatherFacts(
  { deployment, run, inputs }: Step,
  job: JobDescription,
  end: StepEnd,
  log?: LiveLog,
): Promise<ReportFacts> {
  const { result, state } = job;
  const [model, asked] = [result?.model ?? null, result?.probe ?? null];
  const isMeasured = (result?.gate?.measured ?? null) !== null;
  const picture = asked === null || model === null ? undefined : await deployment.publicPicture(model);
  // Without a picture, for a chart; without a gate, which has the figures already, for those.
  const isWanted = asked !== null && (!isMeasured || picture === undefined);
  const probe = isWanted ? await deployment.probe(asked).catch(() => undefined) : undefined;
  const logs = state === "succeeded" || log === undefined ? [] : tailsOf(job, log);
  return { job, end, run, url: inputs.url, probe, picture, logs };
}

/** Of the job itself, and of its parts that failed. */
function tailsOf(job: JobDescription, log: LiveLog): LogTail[] {
  const failed = job.children.filter(({ state }) => state === "failed").map((child) => partName(child));
  return ["", ...failed].map((part) => ({ part, lines: log.tail(part) }));
}

/** Writes the sticky comment. That it cannot be written is no reason to fail. */
export async function writeComment({ comment, commands, marker }: Step, facts: ReportFacts): Promise<void> {
  try {
    await comment?.write((previous) => commentOf(facts, marker, previous));
  } catch (error) {
    commands.warning(
      `The comment could not be written: ${textOf(error)}. It takes \`permissions: pull-requests: write\`.`,
    );
  }
}

/** Appends the report to the page of the run. */
export async function writeSummary({ files }: Step, facts: ReportFacts): Promise<void> {
  await files.addSummary(summaryOf(facts));
}

/** Outputs of the step, for steps that follow. What there is none of is empty. */
export function outputsOf(job: JobDescription, end: StepEnd, url: string): Record<string, string> {
  const { result } = job;
  const model = result?.model ?? "";
  const checkpoints =
    result === null || result.members.length === 0 ? job.outputs.map(({ checkpoint }) => checkpoint) : result.members;
  return {
    job: job.id,
    state: job.state,
    reason: job.reason ?? "",
    "exit-code": String(exitCodeOf(job, end)),
    checkpoints: JSON.stringify(checkpoints),
    model,
    "model-url": model === "" ? "" : `${url}/models/${model}/model.safetensors`,
    probe: result?.probe ?? "",
    gate: result?.gate?.state ?? "",
    alias: result?.alias?.name ?? "",
    "alias-version": String(result?.alias?.version ?? ""),
  };
}
