import type { RunFacts } from "../run-facts.ts";
import { fit, type Section } from "./fit.ts";
import { details, link, table } from "./markdown.ts";
import { bestOf, measuresOf } from "./measures.ts";
import { percent, points } from "./numbers.ts";
import { type ReportFacts, reportOf } from "./report.ts";
import { verdictOf } from "./verdict.ts";

/** Characters of a comment that GitHub takes. */
export const MOST_COMMENT_CHARACTERS = 65_536;

/** Earlier runs that a comment remembers. */
const MOST_EARLIER = 10;

/** A run as later comments tell of it: in a comment of HTML, which nobody sees. */
const RECORD = /^<!-- edgefuse-run (\d+)\.(\d+) (\|[^\n<>]{1,400}\|) -->$/gm;

interface EarlierRun {
  readonly id: string;
  readonly attempt: string;
  /** Of a table. */
  readonly row: string;
}

/**
 * The mark by which a comment is found again: of a workflow's file and a spec, so that there is one comment for each.
 * @param spec path of the spec
 */
export function markerOf({ workflowFile }: RunFacts, spec: string): string {
  const clean = (text: string) => text.replaceAll(/[^A-Za-z0-9._/-]/g, "_").replaceAll("--", "_");
  return `<!-- edgefuse-report ${clean(workflowFile)} ${clean(spec)} -->`;
}

/**
 * The body of the one comment on a pull request.
 * @param marker as {@link markerOf} has it
 * @param previous what the comment says so far: runs that it tells of are kept, one line each
 */
export function commentOf(facts: ReportFacts, marker: string, previous: string | undefined): string {
  const { run } = facts;
  const earlier = recordsOf(previous ?? "").filter(({ id, attempt }) => id !== run.runId || attempt !== run.runAttempt);
  const kept = earlier.slice(0, MOST_EARLIER);
  const hidden = [{ id: run.runId, attempt: run.runAttempt, row: rowOf(facts) }, ...kept].map(
    ({ id, attempt, row }) => `<!-- edgefuse-run ${id}.${attempt} ${row} -->`,
  );
  const frame = [marker, ...hidden].join("\n");
  const [head, ...rest] = reportOf(facts);
  const sections = [{ text: `${frame}\n${head?.text ?? ""}`, isKept: true }, ...rest, ...historyOf(kept)];
  return fit(sections, MOST_COMMENT_CHARACTERS - 1, (text) => text.length);
}

function historyOf(kept: readonly EarlierRun[]): Section[] {
  if (kept.length === 0) return [];
  const rows = kept.map(({ row }) => row).join("\n");
  const titles = table(["commit", "", ">accuracy", ">to the best member", "run"], []);
  return [{ text: details(`Earlier runs: ${kept.length}`, `${titles}\n${rows}`), isKept: true }];
}

/** As a row of a table. Nothing in it comes from others but a commit's id. */
function rowOf(facts: ReportFacts): string {
  const { job, run, end, probe } = facts;
  const { icon, word } = verdictOf(job, end);
  const { model, members } = measuresOf(job, probe);
  const best = bestOf(members.values())?.accuracy ?? null;
  const accuracy = model?.accuracy ?? null;
  const cells = [
    run.commit?.slice(0, 7) ?? "",
    `${icon} ${word}`,
    percent(accuracy),
    points(accuracy === null || best === null ? null : accuracy - best),
    link(run.runNumber || run.runId, run.runUrl),
  ];
  return `| ${cells.join(" | ")} |`;
}

function recordsOf(body: string): EarlierRun[] {
  return [...body.matchAll(RECORD)].map(([, id = "", attempt = "", row = ""]) => ({ id, attempt, row }));
}
