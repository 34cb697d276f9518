import type { JobDescription } from "../../../../shared/api/jobs.ts";
import type { ProbeDescription } from "../../../../shared/api/probe-answers.ts";
import { partName } from "../follow-job.ts";
import type { RunFacts } from "../run-facts.ts";
import { chartOf } from "./chart.ts";
import type { Section } from "./fit.ts";
import { code, codeBlock, details, link, plain, table } from "./markdown.ts";
import { barriersOf, bestOf, type Check, checksOf, measuresOf } from "./measures.ts";
import { duration, loss, percent, points, short } from "./numbers.ts";
import { type StepEnd, verdictOf } from "./verdict.ts";

/** The last lines of a log. */
export interface LogTail {
  /** Empty of the job's own log. */
  readonly part: string;
  readonly lines: readonly string[];
}

/** All that a report is made of. */
export interface ReportFacts {
  readonly job: JobDescription;
  readonly end: StepEnd;
  readonly run: RunFacts;
  /** Address of the deployment. */
  readonly url: string;
  readonly probe: ProbeDescription | undefined;
  /** Address of the picture; undefined where strangers cannot see it. */
  readonly picture: string | undefined;
  readonly logs: readonly LogTail[];
}

const LONGEST_LINE = 500;
const LONGEST_MESSAGE = 1_000;
/** Forms of a log, by number of lines. */
const LOG_LINES = [100, 40, 12] as const;

/** What came of a job, for people: the head first, then what they may want to know, the least important last. */
export function reportOf(facts: ReportFacts): Section[] {
  return [head(facts), ...gate(facts), ...models(facts), ...picture(facts), ...members(facts), ...logs(facts)];
}

function head({ job, end, run }: ReportFacts): Section {
  const { icon, title } = verdictOf(job, end);
  const about = [
    ...(run.commit === undefined ? [] : [`commit ${code(run.commit.slice(0, 7))}`]),
    link(`run ${run.runNumber || run.runId}${run.runAttempt === "1" ? "" : `, attempt ${run.runAttempt}`}`, run.runUrl),
    `job ${code(job.id)}`,
    `took ${duration(job.createdAt, job.finishedAt)}`,
  ];
  const { message, reason, state } = job;
  const why =
    state === "succeeded" || message === null
      ? []
      : [`${reason === null ? "" : `${code(reason)}: `}${plain(message.slice(0, LONGEST_MESSAGE))}`];
  const open = job.finishedAt === null ? about.slice(0, -1) : about;
  return { text: [`### ${icon} ${title}`, open.join(" · "), ...why].join("\n\n") };
}

/** What was measured against what is allowed; without a gate, what the probe found. */
function gate({ job, probe }: ReportFacts): Section[] {
  const verdict = job.result?.gate ?? null;
  const checks = verdict === null ? barriersOf(probe) : checksOf(verdict);
  if (verdict === null && checks.length === 0) return [];
  const where = verdict === null ? "Measured" : `Gate on ${code(verdict.dataset)}, version ${verdict.version}`;
  const { samples } = measuresOf(job, probe);
  const title = samples === undefined ? where : `${where}${verdict === null ? " on" : ","} ${samples} samples`;
  const rows = checks.map((check) => [check.name, valueOf(check), limitOf(check), holdsText(check)]);
  // The head has the job's message already.
  const more = (verdict?.reasons ?? []).filter((reason) => job.message?.includes(reason) !== true);
  const reasons = more.map((reason) => `- ${plain(reason)}`).join("\n");
  return [
    { text: rows.length === 0 ? title : `${title}\n\n${table(["measure", ">measured", ">at most", ""], rows)}` },
    ...(reasons === "" ? [] : [{ text: reasons }]),
  ];
}

function valueOf({ value, unit }: Check): string {
  return unit === "loss" ? loss(value) : points(value).replace("+", "");
}

function limitOf({ most, unit }: Check): string {
  if (most === undefined) return "";
  return unit === "loss" ? loss(most) : points(most).replace("+", "");
}

function holdsText({ holds }: Check): string {
  return holds === undefined ? "" : holds ? "✅ holds" : "⛔ exceeded";
}

/** The fused model, or the mean, beside the best member. */
function models({ job, url, probe }: ReportFacts): Section[] {
  const { model, members: measured } = measuresOf(job, probe);
  const id = job.result?.model ?? null;
  const name = id === null ? "mean" : `model ${link(code(short(id)), `${url}/models/${id}`)}`;
  if (model === undefined) return id === null ? [] : [{ text: `The ${name}` }];
  const best = bestOf(measured.values())?.accuracy ?? null;
  const difference = model.accuracy === null || best === null ? null : model.accuracy - best;
  const row = [name, percent(model.accuracy), points(difference), loss(model.loss)];
  return [{ text: table(["", ">accuracy", ">to the best member", ">loss"], [row]) }];
}

function picture({ picture: address, job, probe }: ReportFacts): Section[] {
  if (address !== undefined) return [{ text: `![What lies between the members of the model](${address})` }];
  const chart = chartOf(job, probe);
  return chart === undefined ? [] : [{ text: chart }];
}

function members(facts: ReportFacts): Section[] {
  const { job, url, probe } = facts;
  const made = job.outputs.map(({ checkpoint, name }) => [
    code(name ?? "checkpoint"),
    link(code(short(checkpoint)), `${url}/v1/checkpoints/${checkpoint}`),
  ]);
  const outputs = made.length === 0 ? [] : [{ text: table(["made", "checkpoint"], made) }];
  if (job.children.length === 0) return outputs;
  const { members: measured } = measuresOf(job, probe);
  const rows = job.children.map((child) => {
    const id = child.member === null ? undefined : job.result?.members[child.member - 1];
    const quality = id === undefined ? undefined : measured.get(id);
    return [
      partName(child),
      child.reason === null || child.reason === "done" ? child.state : `${child.state} (${child.reason})`,
      id === undefined ? "" : code(short(id)),
      percent(quality?.accuracy ?? null),
      loss(quality?.loss ?? null),
      child.agent === null ? "" : code(child.agent),
      String(child.attempt),
      duration(child.startedAt, child.finishedAt),
    ];
  });
  const done = job.children.filter(({ state }) => state === "succeeded").length;
  const columns = ["member", "state", "checkpoint", ">accuracy", ">loss", "agent", ">attempts", ">time"];
  return [...outputs, { text: details(`Members: ${done} of ${rows.length} trained`, table(columns, rows)) }];
}

/** Logs of what failed. */
function logs({ logs: tails, run }: ReportFacts): Section[] {
  return tails
    .filter(({ lines }) => lines.length > 0)
    .map(({ part, lines }) => {
      const form = (count: number) => {
        const shown = lines
          .slice(-count)
          .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line));
        const title = `Last ${shown.length} lines of the log${part === "" ? "" : ` of ${part}`}`;
        return details(title, `${codeBlock(shown)}\n\n${link("The whole log", run.runUrl)} is with the run.`);
      };
      const [most, ...fewer] = LOG_LINES;
      return { text: form(most), shorter: fewer.map(form) };
    });
}
