import type { JobDescription } from "../../../../shared/api/jobs.ts";
import { consequenceOf, exitCodeOfJob, isFinal } from "../../../../shared/jobs/reasons.ts";
import { EXIT_CODES } from "../failure.ts";
import { code } from "./markdown.ts";

/** How the step ended: as its job did, or because it did not wait for it any longer. */
export type StepEnd = "ended" | "timed-out" | "interrupted";

/** What came of a job, in words for the head of a report. */
export interface Verdict {
  readonly icon: string;
  /** Markdown. */
  readonly title: string;
  /** Plain words, for annotations. */
  readonly sentence: string;
  /** One word, for tables. */
  readonly word: string;
}

/** What the step exits with. Nothing but a job that succeeded comes to 0. */
export function exitCodeOf(job: JobDescription, end: StepEnd): number {
  switch (end) {
    case "ended":
      return exitCodeOfJob(job);
    case "timed-out":
      return EXIT_CODES["timed-out"];
    case "interrupted":
      return EXIT_CODES.cancelled;
    default:
      return end satisfies never;
  }
}

export function verdictOf(job: JobDescription, end: StepEnd): Verdict {
  const { state, reason, kind, result } = job;
  if (end === "timed-out") {
    return fell("⏱️", `The ${kind} took longer than the step allows`, "timed out", ", and was cancelled");
  }
  if (!isFinal(state)) {
    if (job.cancelRequested) return fell("🚫", `The ${kind} is being cancelled`, "cancelled");
    return { icon: "⏳", title: `The ${kind} is ${state}`, sentence: `The ${kind} is ${state}.`, word: state };
  }
  switch (state) {
    case "succeeded": {
      const alias = result?.alias ?? null;
      const passed = result?.gate?.state === "passed" ? " passed its gate" : " is there";
      if (alias !== null) {
        return {
          icon: "✅",
          title: `${code(alias.name)} is now version ${alias.version}`,
          sentence: `The model${passed}; ${alias.name} is now version ${alias.version}.`,
          word: "succeeded",
        };
      }
      const title = (result?.model ?? null) === null ? `The ${kind} succeeded` : `The model${passed}`;
      return { icon: "✅", title, sentence: `${title}.`, word: "succeeded" };
    }
    case "failed":
      if (reason === "gate-refused") return fell("⛔", "The gate refused the model", "refused");
      if (reason === "timed-out") return fell("⏱️", `The ${kind} took longer than its spec allows`, "timed out");
      return fell(
        "❌",
        `The ${kind} failed`,
        "failed",
        reason === null ? "" : `: ${consequenceOf(reason).meaning} (${reason})`,
      );
    case "cancelled":
      return fell("🚫", `The ${kind} was cancelled`, "cancelled");
    case "expired":
      return fell("⏱️", `No agent took the ${kind} in time`, "expired");
    default:
      return state satisfies never;
  }
}

function fell(icon: string, title: string, word: string, more = ""): Verdict {
  return { icon, title, word, sentence: `${title}${more}.` };
}
