import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import type { JobProgress, JobResult } from "../../shared/api/jobs.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import { type FailureReason, isFinal, type JobEvent } from "../../shared/jobs/decide.ts";
import type { SpecOf } from "../../shared/jobs/spec.ts";
import { withdrawOrders } from "../catalog/alias-orders.ts";
import { touchJob } from "../catalog/job-claims.ts";
import { type JobRecord, requireJob } from "../catalog/jobs.ts";
import type { Environment, JobParameters } from "../environment.ts";
import { applyEvent, cancelChildren, leaseMsOf, workflowPauseMsOf } from "../jobs/apply.ts";
import * as making from "../jobs/make-model.ts";
import { lookAtMembers, postMembers } from "../jobs/pipeline-members.ts";
import { type Outcome, Refused, settle, Superseded, valueOf } from "./outcome.ts";

/** A platform's hiccup passes; the lease ends soon after the last repetition. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 5, delay: "1 second", backoff: "exponential" },
  timeout: "5 minutes",
};

const FIRST_PAUSE_MS = 1_000;

/** Looks grow rarer the longer it takes. */
const PAUSE_SHARE = 1 / 8;

/** Steps of an instance are counted (1024 on the free plan); after so many looks another instance goes on. */
const MOST_LOOKS = 900;

const NOTHING: JobResult = { members: [], model: null, probe: null, gate: null, alias: null, problem: null };

interface Failure {
  readonly reason: FailureReason;
  readonly exitCode: number | null;
  /** Left out: unless edgefuse itself failed. */
  readonly isLast?: boolean;
}

/** How the job failed; what came of it all the same. */
class Failed extends Error {
  override readonly name = "Failed";
  readonly reason: FailureReason;
  readonly exitCode: number | null;
  readonly result: JobResult;
  /** Another attempt would find the same. */
  readonly isLast: boolean;

  constructor({ reason, exitCode, isLast = reason !== "internal" }: Failure, message: string, result: JobResult) {
    super(message);
    this.reason = reason;
    this.exitCode = exitCode;
    this.result = result;
    this.isLast = isLast;
  }
}

/** This instance has looked often enough: another one goes on. */
class Relieved extends Error {
  override readonly name = "Relieved";
}

/**
 * Does a job that takes no agent: a probe, a fusion, or a pipeline, whose members are jobs of their own. What takes long is
 * done elsewhere, by agents and other Workflows; here is asked for it, and looked how far it is. Each look is the job's
 * heartbeat. An instance that lost the lease ends without a word; another attempt finds all that was begun.
 */
export class JobWorkflow extends WorkflowEntrypoint<Environment, JobParameters> {
  override async run(event: Readonly<WorkflowEvent<JobParameters>>, step: WorkflowStep): Promise<void> {
    const run = new JobRun(this.env, event.payload, step);
    try {
      await run.finish({ kind: "complete", attempt: event.payload.attempt }, await run.carryOut());
    } catch (error) {
      if (error instanceof Superseded) {
        await run.takeBack();
        return;
      }
      const { attempt } = event.payload;
      const failure = failureOf(error);
      if (failure === undefined) {
        await run.finish({ kind: "fail", attempt, reason: "agent-stopped", exitCode: null }, undefined);
        return;
      }
      const { reason, exitCode, message, result, isLast } = failure;
      await run.finish({ kind: "fail", attempt, reason, exitCode, isLast }, result, message);
    }
  }
}

class JobRun {
  readonly #environment: Environment;
  readonly #parameters: JobParameters;
  readonly #step: WorkflowStep;
  #looks = 0;
  #result: JobResult = NOTHING;

  constructor(environment: Environment, parameters: JobParameters, step: WorkflowStep) {
    this.#environment = environment;
    this.#parameters = parameters;
    this.#step = step;
  }

  async carryOut(): Promise<JobResult> {
    const job = await this.#do("begin", (found) => Promise.resolve(found));
    const { spec } = job;
    switch (spec.kind) {
      case "probe":
        return this.#probe(spec.question);
      case "fuse":
        return this.#make(spec.fusion, job);
      case "pipeline":
        return this.#pipeline({ ...job, spec });
      case "train":
      case "experiment":
        throw new Error(`${spec.kind} takes an agent`);
      default:
        return spec satisfies never;
    }
  }

  /** Ends the attempt, once. */
  async finish(event: JobEvent, result: JobResult | undefined, message?: string): Promise<void> {
    const { id, lease } = this.#parameters;
    await this.#step.do("finish", PATIENT, async () => {
      const job = await requireJob(this.#environment.CATALOG, id);
      await applyEvent(this.#environment, job, event, () => new Date(), { lease, result, message: message ?? null });
    });
  }

  /**
   * A job that ended while it ordered something, or posted members, takes that back; one that another attempt goes on
   * with does not.
   */
  async takeBack(): Promise<void> {
    await this.#step.do("take back", PATIENT, async () => {
      const { CATALOG } = this.#environment;
      const { id, spec, status } = await requireJob(CATALOG, this.#parameters.id);
      if (!isFinal(status.state) || status.state === "succeeded") return;
      if (spec.kind === "pipeline") await cancelChildren(this.#environment, id, () => new Date());
      await withdrawOrders(CATALOG, id);
    });
  }

  async #pipeline(job: JobRecord & { readonly spec: SpecOf<"pipeline"> }): Promise<JobResult> {
    const now = () => new Date();
    const total = job.spec.train.models;
    const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    await this.#do("members", async () => {
      await postMembers(this.#environment, job, { now, randomBytes });
      return null;
    });
    const trained = await this.#until("trained", async () => {
      const found = await lookAtMembers(this.#environment, job, now);
      const done = found.kind === "waiting" ? found.done : total;
      return { found: found.kind === "waiting" ? undefined : found, progress: { done, total, unit: "members" } };
    });
    if (trained.kind === "failed") {
      // Whatever the reason: the member had its own attempts, and is over.
      throw new Failed({ ...trained, isLast: true }, trained.message, this.#result);
    }
    const { members } = trained;
    this.#result = { ...this.#result, members };
    await this.#make(making.orderOf(job.spec, members), job);
    const { gate } = this.#result;
    const question = (gate?.probe ?? null) === null ? making.questionOf(job.spec, members) : undefined;
    if (question !== undefined) await this.#probe(question);
    else if (gate !== null) this.#result = { ...this.#result, probe: gate.probe };
    return this.#result;
  }

  async #make(order: making.FusionOrder, job: Pick<JobRecord, "id" | "createdBy">): Promise<JobResult> {
    const now = () => new Date();
    const ordered = await this.#do("fuse", () => making.orderModel(this.#environment, order, job, now));
    this.#result = { ...this.#result, model: ordered.model };
    const made = await this.#until("made", async () => {
      const found = await making.lookAtModel(this.#environment, ordered, now);
      return { found: found.kind === "waiting" ? undefined : found, progress: { note: "fusing and measuring" } };
    });
    this.#result = { ...this.#result, gate: made.gate, probe: made.gate?.probe ?? null };
    if (made.kind === "failed") throw this.#refused(made.problem);
    const { alias } = order;
    if (alias !== undefined) {
      const at = await this.#do("alias", () => making.aliasAt(this.#environment, alias, ordered.model));
      this.#result = { ...this.#result, alias: at };
    }
    return this.#result;
  }

  async #probe(question: Parameters<typeof making.askProbe>[1]): Promise<JobResult> {
    const now = () => new Date();
    const probe = await this.#do("ask", () => making.askProbe(this.#environment, question, now));
    await this.#until("answered", async () => {
      const isAnswered = await making.isAnswered(this.#environment, probe, now);
      return { found: isAnswered ? true : undefined, progress: { note: "measuring" } };
    });
    this.#result = { ...this.#result, probe };
    return this.#result;
  }

  /** One step of an attempt that still has the job; each is a sign of life. @throws Failed, Superseded */
  async #do<Value>(name: string, work: (job: JobRecord) => Promise<Value>, progress?: JobProgress): Promise<Value> {
    const { id, lease } = this.#parameters;
    const environment = this.#environment;
    const outcome = await this.#step.do(name, PATIENT, async () => {
      const done = await settle(`/v1/jobs/${id}`, async () => {
        const at = Date.now();
        const leaseMs = leaseMsOf(environment, { kind: "pipeline" });
        const beat = await touchJob(environment.CATALOG, id, { lease, leaseMs, at, progress });
        // Whoever asked it to stop, or saw that it takes too long, ended it as well.
        if (beat === undefined || beat.stop !== null) throw new Superseded();
        return work(await requireJob(environment.CATALOG, id));
      });
      // What a step returns is kept as JSON; ours is JSON by construction.
      return done as never;
    });
    try {
      return valueOf(outcome as Outcome<Value>);
    } catch (error) {
      throw error instanceof Refused ? this.#refused(error.problem) : error;
    }
  }

  /** Looks until there is something to be found, ever more rarely. */
  async #until<Found>(
    name: string,
    look: () => Promise<{ readonly found: Found | undefined; readonly progress: JobProgress }>,
  ): Promise<Found> {
    let progress: JobProgress | undefined;
    let waitedMs = 0;
    for (let round = 1; ; round++) {
      if (++this.#looks > MOST_LOOKS) throw new Relieved();
      const seen: { found?: Found | undefined; progress: JobProgress } = await this.#do(
        `${name} ${round}`,
        look,
        progress,
      );
      if (seen.found !== undefined) return seen.found;
      progress = seen.progress;
      const pause = Math.min(workflowPauseMsOf(this.#environment), Math.max(FIRST_PAUSE_MS, waitedMs * PAUSE_SHARE));
      await this.#step.sleep(`${name}, after ${round}`, pause);
      waitedMs += pause;
    }
  }

  #refused(problem: ProblemDocument): Failed {
    const failure = { reason: reasonOfProblem(problem), exitCode: null };
    return new Failed(failure, problem.detail, { ...this.#result, problem });
  }
}

/** @returns undefined where the instance only hands over */
function failureOf(error: unknown): Failed | undefined {
  if (error instanceof Relieved) return undefined;
  if (error instanceof Failed) return error;
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error(JSON.stringify({ level: "error", code: "internal", cause }));
  const message = "Something failed inside edgefuse, again and again; its log says what.";
  return new Failed({ reason: "internal", exitCode: null }, message, NOTHING);
}

/** What a request for the same would have been answered, as the reason of a job. */
function reasonOfProblem({ code, status }: ProblemDocument): FailureReason {
  if (code === "gate-refused") return "gate-refused";
  if (status >= 500) return "internal";
  return status === 400 || status === 413 || status === 422 ? "bad-input" : "refused";
}
