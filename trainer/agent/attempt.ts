import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ClaimedJob, CompleteRequest, HeartbeatAnswer } from "../../shared/api/jobs.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { type AgentReason, reasonOfExitCode } from "../../shared/jobs/reasons.ts";
import { type AgentKind, isAgentKind, type JobSpec, type SpecOf } from "../../shared/jobs/spec.ts";
import { asFailure, EXIT_CODES } from "../failure.ts";
import type { AgentWorld } from "./agent-world.ts";
import { checkpointPaths } from "./attempt-files.ts";
import { childEnvironment } from "./child-environment.ts";
import { ChildProgress } from "./child-progress.ts";
import type { Child } from "./child.ts";
import { beat } from "./heartbeat.ts";
import { type JobBackend, jobWords, membersOf } from "./job-words.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { LogShipper } from "./log-shipper.ts";
import { messageOf } from "./message.ts";
import { nowAndThen } from "./now-and-then.ts";
import { failureText, isOutage, LeaseLost, type Persistence, persistently } from "./persistence.ts";
import { restoreFiles } from "./restore.ts";
import { StateKeeper } from "./state-keeper.ts";

/** What became of a job that an agent had. */
export type AttemptEnd =
  /** Its end is reported. */
  | { readonly kind: "completed"; readonly reason: AgentReason; readonly exitCode: number }
  /** The agent had to stop; the job goes on elsewhere. */
  | { readonly kind: "handed-back" }
  /** It is another's now, or nobody could be told. */
  | { readonly kind: "lost" };

type StopCause = "agent-stopped" | NonNullable<HeartbeatAnswer["reason"]>;

/** Milliseconds that the last words of an agent which has to end may take. */
const LAST_WORDS = 60_000;
/** Heartbeats after the attempt's time at which it ends also where nobody says so. */
const OVERTIME_BEATS = 2;

/** Of a process that was asked to end, or killed because it did not. */
const STOPPED_CODES: ReadonlySet<number> = new Set([75, 130, 137, 143]);
/** With these the process has done all that it could, and what it made counts. */
const DONE_CODES: ReadonlySet<number> = new Set([EXIT_CODES.ok.code, EXIT_CODES.diverged.code]);

/** One try of a job, from its claim to its report. */
export class Attempt {
  readonly #claimed: ClaimedJob;
  readonly #calls: LeaseCalls;
  readonly #world: AgentWorld;
  readonly #folder: string;
  readonly #out: string;
  readonly #log: LogShipper;
  readonly #states: StateKeeper;
  /** Ends what looks at log and states beside the process. */
  readonly #processOver = new AbortController();
  /** Ends the heartbeats too. */
  readonly #over = new AbortController();
  /** Ends whatever is under way: the deployment takes nothing from here any more. */
  readonly #lost = new AbortController();
  #progress = new ChildProgress(undefined);
  #child: Child | undefined;
  #cause: StopCause | undefined;

  /** @param claimed as the deployment gave it */
  constructor(claimed: ClaimedJob, calls: LeaseCalls, world: AgentWorld) {
    const { id, attempt } = claimed.job;
    this.#claimed = claimed;
    this.#calls = calls;
    this.#world = world;
    this.#folder = join(world.workFolder, `${id}-${attempt}`);
    this.#out = join(this.#folder, "out");
    this.#log = new LogShipper(calls);
    this.#states = new StateKeeper(calls, this.#out);
  }

  /**
   * Restores what earlier attempts left, runs the trainer in a process of its own, sends log, progress and states on the
   * way, obeys a cancel, uploads what was made, and reports how it ended.
   * @returns once all is over and the folder is gone; never rejects for what happens to the job
   */
  async run(): Promise<AttemptEnd> {
    const { stop } = this.#world;
    const onStop = () => this.#stop("agent-stopped");
    if (stop.aborted) onStop();
    stop.addEventListener("abort", onStop, { once: true });
    const beside = [this.#beat(), this.#send(), this.#watchTime()];
    try {
      return await this.#finish(await this.#work());
    } catch (error) {
      this.#say(`the job is given up: ${failureText(error)}`);
      return { kind: "lost" };
    } finally {
      stop.removeEventListener("abort", onStop);
      this.#child?.kill();
      this.#processOver.abort();
      this.#over.abort();
      await Promise.all(beside);
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  /** @throws LeaseLost */
  async #work(): Promise<CompleteRequest> {
    const { job, resume } = this.#claimed;
    const { spec } = job;
    try {
      if (!isForAgents(spec)) return { exitCode: EXIT_CODES.usage.code, message: `No agent does a ${job.kind}.` };
      this.#progress = new ChildProgress(membersOf(spec));
      const { backend: wanted } = spec.resources;
      const backends = this.#world.backends.filter((one) => wanted === "auto" || wanted === one);
      await rm(this.#folder, { recursive: true, force: true });
      await mkdir(this.#out, { recursive: true });
      const { files, backend, leftOut } = await restoreFiles(
        resume.files,
        this.#out,
        backends,
        this.#calls,
        this.#persistence(this.#world.patience),
      );
      this.#states.assume(files);
      for (const reason of leftOut) this.#say(`${reason}, so it is left out`);
      if (files.length > 0) this.#say(`goes on from ${files.map(({ name }) => name).join(", ")}`);
      const chosen = backend ?? backends[0];
      if (chosen === undefined) return { exitCode: EXIT_CODES["no-gpu"].code, message: `There is no ${wanted} here.` };
      return await this.#runChild(spec, chosen);
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      const { kind, message } = asFailure(error);
      this.#say(message);
      return { exitCode: EXIT_CODES[isOutage(error) ? "unreachable" : kind].code, message: messageOf(message) };
    }
  }

  async #runChild(spec: SpecOf<AgentKind>, backend: JobBackend): Promise<CompleteRequest> {
    const { id, attempt } = this.#claimed.job;
    if (this.#cause !== undefined) return { exitCode: EXIT_CODES["resume-me"].code };
    const words = jobWords(spec, { out: this.#out, backend, data: this.#world.data });
    this.#say(`attempt ${attempt}: edgefuse ${words.join(" ")}`);
    let message: string | undefined;
    this.#child = this.#world.startChild({
      words,
      environment: childEnvironment(this.#world.environment, { job: id, attempt }),
      folder: this.#folder,
      onLine: (line) => {
        if (line.startsWith(FAILURE_PREFIX)) message = messageOf(line.slice(FAILURE_PREFIX.length));
        this.#progress.hear(line);
        this.#log.append(line);
      },
    });
    // Whatever came while it was started.
    if (this.#lost.signal.aborted) this.#child.kill();
    if (this.#cause !== undefined) this.#stopChild();
    const { exitCode, killed } = await this.#child.ended;
    this.#say(killed ? "the process did not end in time and was killed" : `the process ended with ${exitCode}`);
    return { exitCode, ...(message === undefined || exitCode === 0 ? {} : { message }) };
  }

  /** @throws LeaseLost; what the deployment refuses */
  async #finish(end: CompleteRequest): Promise<AttemptEnd> {
    this.#processOver.abort();
    if (this.#lost.signal.aborted) return { kind: "lost" };
    // Whoever stops an agent does not wait for long.
    const { patience } = this.#world;
    const persistence = this.#persistence(this.#cause === "agent-stopped" ? Math.min(LAST_WORDS, patience) : patience);
    let request = end;
    try {
      request = { ...end, outputs: await this.#bringHome(end.exitCode, persistence) };
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      const message = `What the job made could not be uploaded: ${failureText(error)}`;
      this.#say(message);
      const kind = isOutage(error) ? "unreachable" : "refused";
      if (end.exitCode === 0) request = { exitCode: EXIT_CODES[kind].code, message: messageOf(message) };
    }
    const isStopped = this.#cause !== undefined && STOPPED_CODES.has(request.exitCode);
    if (isStopped) request = { ...request, reason: "agent-stopped" };
    await this.#log.flush(persistence);
    // How far it came, which nobody has heard since the last beat.
    await persistently(() => this.#calls.heartbeat(this.#progress.progress()), persistence);
    this.#over.abort();
    await persistently(() => this.#calls.complete(request), persistence);
    if (isStopped && this.#cause === "agent-stopped") return { kind: "handed-back" };
    const reason = request.reason ?? reasonOfExitCode(request.exitCode);
    return { kind: "completed", reason, exitCode: request.exitCode };
  }

  /** Uploads what was made, or what can be gone on from. */
  async #bringHome(exitCode: number, persistence: Persistence): Promise<CheckpointId[]> {
    const outputs: CheckpointId[] = [];
    if (!DONE_CODES.has(exitCode)) {
      await this.#states.keep(persistence);
      return outputs;
    }
    for (const path of await checkpointPaths(this.#out)) {
      outputs.push(await persistently(() => this.#calls.putOutput(path), persistence));
    }
    await this.#states.keepReports(persistence);
    return outputs;
  }

  async #beat(): Promise<void> {
    const { patience, wait, now } = this.#world;
    await beat(
      {
        calls: this.#calls,
        heartbeatSeconds: this.#claimed.lease.heartbeatSeconds,
        progress: () => this.#progress.progress(),
        onCancel: (reason) => this.#stop(reason),
        onLost: (why) => this.#lose(why),
        note: (line) => this.#say(line),
        ...{ patience, wait, now },
      },
      AbortSignal.any([this.#over.signal, this.#lost.signal]),
    );
  }

  /** Sends log and states as they grow, each on its own: a large state keeps no line of the log waiting. */
  async #send(): Promise<void> {
    const { wait, logInterval, stateInterval } = this.#world;
    const told = { wait, onLost: (why: string) => this.#lose(why), note: (line: string) => this.#say(line) };
    const signal = AbortSignal.any([this.#processOver.signal, this.#lost.signal]);
    // Without patience: the next time is soon enough.
    const once = this.#persistence(0);
    await Promise.all([
      nowAndThen(() => this.#log.flush(once), { ...told, interval: logInterval }, signal),
      nowAndThen(() => this.#states.keep(once), { ...told, interval: stateInterval }, signal),
    ]);
  }

  /** The deployment ends an attempt that takes too long; this is for one that cannot be reached. */
  async #watchTime(): Promise<void> {
    const { job, lease } = this.#claimed;
    const seconds = job.spec.timeoutSeconds + OVERTIME_BEATS * lease.heartbeatSeconds;
    // Longer waits overflow a timer; an agent is not expected to live through one.
    await this.#world.wait(Math.min(1_000 * seconds, 2 ** 31 - 1), this.#over.signal);
    if (!this.#over.signal.aborted) this.#stop("timed-out");
  }

  #stop(cause: StopCause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#say(`stops: ${cause}`);
    this.#stopChild();
  }

  #stopChild(): void {
    this.#child?.stop(1_000 * this.#claimed.job.spec.stopGraceSeconds);
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted || this.#over.signal.aborted) return;
    this.#say(`the job is not this agent's any more: ${why}`);
    this.#lost.abort();
    this.#child?.kill();
  }

  #say(line: string): void {
    this.#log.append(`agent: ${line}`);
    this.#world.note(`${this.#claimed.job.id}: ${line}`);
  }

  #persistence(patience: number): Persistence {
    const { wait, now } = this.#world;
    return { wait, now, patience, signal: this.#lost.signal };
  }
}

const FAILURE_PREFIX = "edgefuse: ";

function isForAgents(spec: JobSpec): spec is SpecOf<AgentKind> {
  return isAgentKind(spec.kind);
}
