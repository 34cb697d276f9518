import { readFileSync } from "node:fs";
import { JOB_KINDS, jobSpec, type JobSpecInput } from "../../shared/jobs/spec.ts";
import type { JobDescription } from "../../shared/api/jobs.ts";
import { type JobId, jobId } from "../../shared/jobs/job-id.ts";
import { exitCodeOfJob, JOB_STATES } from "../../shared/jobs/reasons.ts";
import { type Action, chooseAction } from "../command-line/actions.ts";
import { type CommandContext, defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, repeated, text, type ValueOption } from "../command-line/options.ts";
import { asFailure, Failure, kindOfExitCode } from "../failure.ts";
import { fullText, jobText } from "../remote/job-text.ts";
import { type RemoteWorker, workerOf } from "../remote/connect.ts";
import { LogReader, watchJob } from "../remote/watch-job.ts";

/** `pr=12`. */
const label: ValueOption<readonly [string, string]> = {
  kind: "value",
  placeholder: "NAME=VALUE",
  help: "submit: label it, beside the labels of its spec; list: only jobs with this label",
  parse(given) {
    const [, name = "", value = ""] = /^([^=]{1,32})=(.{1,200})$/.exec(given) ?? [];
    if (value === "") throw new Error("a name and a value, such as pr=12");
    return [name, value];
  },
};

interface JobsOptions {
  readonly wait: boolean;
  readonly follow: boolean;
  readonly deduplicate: boolean;
  readonly key: string | undefined;
  readonly state: (typeof JOB_STATES)[number] | undefined;
  readonly kind: (typeof JOB_KINDS)[number] | undefined;
  readonly label: readonly (readonly [string, string])[];
  readonly parent: string | undefined;
}

interface JobsAction extends Action {
  readonly options: readonly (keyof JobsOptions)[];
  run(operands: readonly string[], options: JobsOptions, worker: RemoteWorker, context: CommandContext): Promise<void>;
}

const ACTIONS: ReadonlyMap<string, JobsAction> = new Map([
  ["submit", { operands: ["FILE"], options: ["wait", "deduplicate", "key", "label"], run: submit }],
  ["list", { operands: [], options: ["state", "kind", "label", "parent"], run: list }],
  ["show", { operands: ["ID"], options: ["wait"], run: show }],
  ["log", { operands: ["ID"], options: ["follow"], run: log }],
  ["cancel", { operands: ["ID"], options: ["wait"], run: cancel }],
]);

export const jobs = defineCommand({
  name: "jobs",
  summary: "submit, watch and cancel jobs of a worker's agents",
  description:
    "submit FILE; list; show ID; log ID; cancel ID.\n" +
    "FILE is a job's spec as JSON, or - for stdin; docs/jobs.md says what it holds. With --wait the log of the job is shown\n" +
    "on stderr, and the exit code is the job's: 0, that of its process, 130 where it was cancelled, 124 where it took too\n" +
    "long or found no agent. A job goes on where this command is stopped. The worker is EDGEFUSE_URL, EDGEFUSE_TOKEN a\n" +
    "token of scope jobs.",
  operands: { placeholder: "ACTION...", help: "what to do: submit, list, show, log, cancel", least: 1 },
  options: {
    wait: flag("submit, show, cancel: until the job is over; the exit code is then the job's"),
    follow: flag("log: until the job is over", "f"),
    deduplicate: flag("submit: take a job of the same spec that is under way or has succeeded, if there is one"),
    key: optional(
      text({ help: "submit: such as the id of a CI run: who submits with it again within a day gets the same job" }),
    ),
    state: optional(choice(JOB_STATES, { help: "list: only jobs in this state" })),
    kind: optional(choice(JOB_KINDS, { help: "list: only jobs of this kind" })),
    label: repeated(label),
    parent: optional(text({ help: "list: only parts of this job", placeholder: "ID" })),
  },
  examples: [
    { what: "from CI", line: "edgefuse jobs submit train.json --label pr=12 --wait" },
    { what: "what runs now", line: "edgefuse jobs list --state running" },
    { what: "look over its shoulder", line: "edgefuse jobs log 01J8ZQ4M6X… -f" },
    { what: "stop it; its state is kept", line: "edgefuse jobs cancel 01J8ZQ4M6X…" },
  ],
  async run(values, words, context) {
    const { name, action, operands } = chooseAction("jobs", ACTIONS, words);
    const options: JobsOptions = values;
    const isGiven = (value: JobsOptions[keyof JobsOptions]) =>
      value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
    const stray = (Object.keys(values) as (keyof JobsOptions)[]).find(
      (option) => isGiven(options[option]) && !action.options.includes(option),
    );
    if (stray !== undefined) throw usage(`--${stray} does not go with jobs ${name}.`);
    await action.run(operands, options, workerOf(context), context);
  },
});

async function submit(
  [path = ""]: readonly string[],
  { wait, deduplicate, key, label: labels }: JobsOptions,
  worker: RemoteWorker,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context;
  const spec = withLabels(readSpec(path), labels);
  const job = await worker.ask("take the job", () => worker.client.jobs.create({ spec, deduplicate }, key));
  if (!wait) {
    terminal.result({ event: "submitted", ...job }, `${job.id}  ${jobText(job)}`);
    return;
  }
  terminal.note(`${job.id}: ${job.state}`);
  await finish(worker, job.id, context);
}

async function list(
  _: readonly string[],
  { state, kind, label: labels, parent }: JobsOptions,
  worker: RemoteWorker,
  { terminal }: CommandContext,
): Promise<void> {
  const [first, ...more] = labels;
  if (more.length > 0) throw usage("list takes one --label.");
  const filter = {
    ...(state === undefined ? {} : { state }),
    ...(kind === undefined ? {} : { kind }),
    ...(first === undefined ? {} : { label: first.join("=") }),
    ...(parent === undefined ? {} : { parent: parseId(parent) }),
  };
  await worker.ask("list jobs", async () => {
    for await (const job of worker.client.jobs.list(filter)) {
      terminal.result({ event: "job", ...job }, `${job.id}  ${jobText(job)}`);
    }
  });
}

async function show(
  [given = ""]: readonly string[],
  { wait }: JobsOptions,
  worker: RemoteWorker,
  context: CommandContext,
): Promise<void> {
  const id = parseId(given);
  if (wait) return finish(worker, id, context);
  const job = await worker.ask(`show the job ${id}`, () => worker.client.jobs.get(id));
  context.terminal.result({ event: "job", ...job }, fullText(job));
}

async function log(
  [given = ""]: readonly string[],
  { follow }: JobsOptions,
  worker: RemoteWorker,
  { terminal }: CommandContext,
): Promise<void> {
  const id = parseId(given);
  const onLine = (line: string) => terminal.result({ event: "log", line }, line);
  if (follow) {
    await watchJob(worker, id, { onLine });
    return;
  }
  const reader = new LogReader(worker, id, onLine);
  await reader.read();
  reader.end();
}

async function cancel(
  [given = ""]: readonly string[],
  { wait }: JobsOptions,
  worker: RemoteWorker,
  context: CommandContext,
): Promise<void> {
  const id = parseId(given);
  const job = await worker.ask(`cancel the job ${id}`, () => worker.client.jobs.cancel(id));
  if (wait) return finish(worker, id, context);
  const isOver = job.finishedAt !== null;
  const line = isOver ? jobText(job) : "its agent is told with the next heartbeat, and keeps the state";
  context.terminal.result({ event: "cancelled", ...job }, `${id}  ${line}`);
}

/** Waits, and ends as the job does. */
async function finish(worker: RemoteWorker, id: JobId, { terminal, signal }: CommandContext): Promise<void> {
  let shown = "";
  let job: JobDescription;
  try {
    job = await watchJob(worker, id, {
      onLine: (line) => terminal.note(line),
      onChange: (now) => {
        const line = [now.state, ...(now.agent === null ? [] : [`attempt ${now.attempt}, ${now.agent}`])].join(", ");
        if (line !== shown) terminal.note(`${id}: ${line}`);
        shown = line;
      },
    });
  } catch (error) {
    if (signal.aborted) terminal.note(`The job goes on; edgefuse jobs cancel ${id} ends it.`);
    throw error;
  }
  terminal.result({ event: "ended", ...job }, fullText(job));
  const exitCode = exitCodeOfJob(job);
  if (exitCode === 0) return;
  const why = job.message === null ? "" : `: ${job.message}`;
  throw new Failure(kindOfExitCode(exitCode), `The job ${id} ${job.state} (${job.reason ?? "no reason"})${why}`, {
    exitCode,
  });
}

/** @throws Failure `bad-input` */
function readSpec(path: string): JobSpecInput {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(path === "-" ? STDIN : path, "utf8"));
  } catch (error) {
    throw new Failure("bad-input", `${path}: ${asFailure(error).message}`, { cause: error });
  }
  const spec = jobSpec.safeParse(given);
  if (spec.success) return given as JobSpecInput;
  const [issue] = spec.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw new Failure(
    "bad-input",
    `${path} is no job's spec${where}: ${issue?.message ?? "not valid"}. See docs/jobs.md.`,
  );
}

function withLabels(spec: JobSpecInput, labels: JobsOptions["label"]): JobSpecInput {
  return labels.length === 0 ? spec : { ...spec, labels: { ...spec.labels, ...Object.fromEntries(labels) } };
}

function parseId(given: string): JobId {
  const id = jobId.safeParse(given);
  if (!id.success) throw usage(`${JSON.stringify(given)} is no job's id: ${id.error.issues[0]?.message ?? ""}.`);
  return id.data;
}

const STDIN = 0;

const usage = (message: string) => new Failure("usage", `${message} See edgefuse jobs --help.`);
