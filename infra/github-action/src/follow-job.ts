import type { JobDescription, JobSummary } from "../../../shared/api/jobs.ts";
import { isFinal } from "../../../shared/jobs/reasons.ts";
import type { JobId } from "../../../shared/jobs/job-id.ts";
import type { Deployment } from "./deployment.ts";
import { asFailure, isOutage, textOf } from "./failure.ts";
import type { LiveLog } from "./live-log.ts";
import type { WorkflowCommands } from "./workflow-commands.ts";
import type { ActionWorld } from "./world.ts";

/** Between two looks: soon at first, since much goes wrong at the beginning. */
const FIRST_LOOK_MS = 1_000;
const LAST_LOOK_MS = 5_000;
const SLOWER = 1.1;
/** For each part, whose log is a request of its own: a deployment counts requests. */
const LOOK_MS_A_PART = 100;

/** The deployment may be out of reach for so long; the job does not mind. */
const PATIENCE_MS = 15 * 60_000;

/** From a cancel until an agent hears of it, and until the deployment hears of the end: two heartbeats and some. */
const CANCEL_MARGIN_MS = 75_000;
/** The runner kills a step 7.5 s after it asked it to end; the post step waits for the rest. */
const INTERRUPTED_MS = 3_000;

/** How following a job ended. */
export type FollowEnd =
  /** The job is over. */
  | { readonly kind: "ended"; readonly job: JobDescription }
  /** It took longer than the step allows and was cancelled. */
  | { readonly kind: "timed-out"; readonly job: JobDescription }
  /** The step was cancelled, and the job with it; it may take a while to stop. */
  | { readonly kind: "interrupted"; readonly job: JobDescription };

export interface FollowOptions {
  readonly deployment: Deployment;
  readonly log: LiveLog;
  readonly commands: WorkflowCommands;
  readonly world: ActionWorld;
  /** Milliseconds; undefined: as long as it takes. */
  readonly timeout: number | undefined;
}

/**
 * Follows a job to its end and shows its log on the way. Cancels it where the step is cancelled or its time is over.
 * @throws ActionFailure `unreachable`, `refused`: the job goes on
 */
export async function followJob(first: JobDescription, options: FollowOptions): Promise<FollowEnd> {
  const { deployment, world, timeout } = options;
  const { now, wait, interrupted } = world;
  const deadline = timeout === undefined ? Infinity : now() + timeout;
  const follower = new Follower(options);
  let job = first;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(LAST_LOOK_MS, pause * SLOWER)) {
    await follower.show(job);
    if (isFinal(job.state)) break;
    const part = LOOK_MS_A_PART * job.children.length;
    await wait(Math.max(0, Math.min(pause + part, deadline - now())), interrupted);
    if (interrupted.aborted || now() >= deadline) {
      const patience = interrupted.aborted ? INTERRUPTED_MS : job.spec.stopGraceSeconds * 1000 + CANCEL_MARGIN_MS;
      const kind = interrupted.aborted ? "interrupted" : "timed-out";
      options.commands.say(
        kind === "interrupted" ? "The run was cancelled; so is the job." : "The time is over; the job is cancelled.",
      );
      job = await cancelAndWait(deployment, job.id, patience, world, (seen) => follower.show(seen)).catch(
        (error: unknown) => {
          throw asFailure(error, `cancel the job ${job.id}`);
        },
      );
      options.log.close();
      // It may have ended just before.
      return job.state === "succeeded" || job.state === "failed" ? { kind: "ended", job } : { kind, job };
    }
    job = (await follower.look(job.id)) ?? job;
  }
  options.log.close();
  return { kind: "ended", job };
}

/**
 * Cancels a job and gives it time to stop.
 * @param patience milliseconds
 * @returns the job as it ended, or as it is when patience is over
 * @throws ApiError
 */
export async function cancelAndWait(
  deployment: Deployment,
  id: JobId,
  patience: number,
  { now, wait }: ActionWorld,
  onLook: (job: JobDescription) => Promise<void> = () => Promise.resolve(),
): Promise<JobDescription> {
  const until = now() + patience;
  let job = await deployment.jobs.cancel(id);
  while (!isFinal(job.state) && now() < until) {
    await onLook(job);
    await wait(Math.min(FIRST_LOOK_MS, until - now()));
    job = await deployment.jobs.get(id);
  }
  return job;
}

/** Looks at a job, through outages, and shows what is new about it. */
class Follower {
  readonly #options: FollowOptions;
  readonly #offsets = new Map<JobId, number>();
  #silentSince: number | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** @returns undefined where nobody answers, for now */
  async look(id: JobId): Promise<JobDescription | undefined> {
    const { deployment, world, commands } = this.#options;
    try {
      const job = await deployment.jobs.get(id);
      if (this.#silentSince !== undefined) commands.say("The deployment answers again.");
      this.#silentSince = undefined;
      return job;
    } catch (error) {
      const failure = asFailure(error, `follow the job ${id}`);
      if (failure.kind !== "unreachable") throw failure;
      if (this.#silentSince === undefined) commands.warning(`${failure.message}. The job goes on; so does this.`);
      this.#silentSince ??= world.now();
      if (world.now() - this.#silentSince > PATIENCE_MS) throw failure;
      return undefined;
    }
  }

  async show(job: JobDescription): Promise<void> {
    const { log } = this.#options;
    log.enter(phaseOf(job));
    await this.#read(job, "");
    for (const child of job.children) await this.#read(child, partName(child));
  }

  async #read({ id, logBytes }: JobSummary, part: string): Promise<void> {
    const { deployment, log, commands } = this.#options;
    const offset = this.#offsets.get(id) ?? 0;
    if (logBytes <= offset) return;
    try {
      const { text, next } = await deployment.jobs.log(id, offset);
      this.#offsets.set(id, next);
      log.append(part, text);
    } catch (error) {
      // The job matters more than its log; what is missing comes with the next look.
      if (!isOutage(error)) commands.warning(`The log of ${id} cannot be read: ${textOf(error)}`);
      if (!isOutage(error)) this.#offsets.set(id, Infinity);
    }
  }
}

/** What a part of a job is called in logs and reports: `member 2`. */
export function partName({ member, kind, id }: Pick<JobSummary, "member" | "kind" | "id">): string {
  return member === null ? `${kind} ${id.slice(-6)}` : `member ${member}`;
}

/** One line on how far a job is. It changes seldom: each one begins a group of the log. */
export function phaseOf(job: JobDescription): string {
  const now = `${job.kind} ${job.state}${job.attempt > 1 ? `, attempt ${job.attempt}` : ""}`;
  if (job.children.length === 0) return job.agent === null ? now : `${now} on ${job.agent}`;
  const done = job.children.filter(({ state }) => state === "succeeded").length;
  const ended = job.children.filter(({ state }) => isFinal(state)).length;
  const failed = ended - done === 0 ? "" : `, ${ended - done} not`;
  return `${now}: ${done} of ${job.children.length} members done${failed}`;
}
