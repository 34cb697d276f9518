import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../../shared/api/index.ts";
import type {
  ClaimedJob,
  CompleteRequest,
  HeartbeatAnswer,
  JobFile,
  JobProgress,
  LogWriteAnswer,
} from "../../../shared/api/jobs.ts";
import type { CheckpointId } from "../../../shared/identity.ts";
import { type JobId, jobId } from "../../../shared/jobs/job-id.ts";
import { jobSpec, type JobSpecInput } from "../../../shared/jobs/spec.ts";
import type { AgentWorld } from "../../../trainer/agent/agent-world.ts";
import type { FileVersion } from "../../../trainer/agent/attempt-files.ts";
import type { Child, ChildEnd, ChildOptions, StartChild } from "../../../trainer/agent/child.ts";
import type { LeaseCalls } from "../../../trainer/agent/lease-calls.ts";
import type { LogChunk } from "../../../trainer/agent/log-buffer.ts";

export const JOB: JobId = jobId.parse("01J8ZQ4M6X0000000000000000");

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export const refusal = (status: number, code: string) =>
  new ApiError("POST /v1/jobs", status, { type: "x", title: "t", status, code, detail: `said ${code}` });

/** The deployment's side of a lease, in memory. */
export class FakeLease implements LeaseCalls {
  /** Everything that was asked, in order. */
  readonly asked: string[] = [];
  readonly progress: (JobProgress | undefined)[] = [];
  readonly files = new Map<string, Uint8Array>();
  readonly outputs: string[] = [];
  completed: CompleteRequest | undefined;
  received = Buffer.alloc(0);
  answer: HeartbeatAnswer = { cancel: false, reason: null, expiresAt: "2026-01-01T00:00:00.000Z" };
  /** Called before each answer; what it throws is the answer. */
  meddle: (what: string) => void = () => undefined;

  get text(): string {
    return this.received.toString("utf8");
  }

  async heartbeat(progress: JobProgress | undefined): Promise<HeartbeatAnswer> {
    this.#hear("heartbeat");
    this.progress.push(progress);
    return this.answer;
  }

  async log({ offset, bytes }: LogChunk): Promise<LogWriteAnswer> {
    this.#hear("log");
    if (offset > this.received.length) throw refusal(409, "log-gap");
    this.received = Buffer.concat([this.received.subarray(0, offset), bytes]);
    return { next: this.received.length, truncated: false };
  }

  async putFile({ name, bytes, sha256: digest }: FileVersion): Promise<void> {
    this.#hear(`put ${name}`);
    if (sha256(bytes) !== digest) throw refusal(422, "digest-mismatch");
    this.files.set(name, bytes);
  }

  async getFile({ name }: JobFile): Promise<Uint8Array<ArrayBuffer>> {
    this.#hear(`get ${name}`);
    return new Uint8Array(this.files.get(name) ?? []);
  }

  async putOutput(path: string): Promise<CheckpointId> {
    this.#hear(`output ${basename(path)}`);
    const id = sha256(await readFile(path)) as CheckpointId;
    this.outputs.push(id);
    return id;
  }

  async complete(request: CompleteRequest): Promise<void> {
    this.#hear("complete");
    this.completed = request;
  }

  #hear(what: string): void {
    this.asked.push(what);
    this.meddle(what);
  }
}

export function claimed(
  spec: JobSpecInput,
  { attempt = 1, files = [] as JobFile[], heartbeatSeconds = 0.005 } = {},
): ClaimedJob {
  return {
    job: {
      id: JOB,
      kind: "train",
      spec: jobSpec.parse(spec),
      attempt,
      parent: null,
      createdAt: "2026-01-01T00:00:00Z",
    },
    lease: { token: "t", attempt, expiresAt: "x", heartbeatSeconds, deadlineAt: "x" },
    resume: { files },
  };
}

const HOUR = 3_600_000;

/** A process that does what a test says. */
export interface FakeChild {
  readonly options: ChildOptions;
  /** What was asked of it. */
  readonly asked: string[];
  say(line: string): void;
  end(exitCode: number): void;
}

/** Starts processes that a test plays. @param play what they do; a kill ends them in any case */
export function fakeStart(play: (child: FakeChild) => void | Promise<void>): StartChild {
  return (options): Child => {
    let resolve: (end: ChildEnd) => void = () => undefined;
    const ended = new Promise<ChildEnd>((settle) => (resolve = settle));
    const asked: string[] = [];
    void play({
      options,
      asked,
      say: (line) => options.onLine(line, "stderr"),
      end: (exitCode) => resolve({ exitCode, killed: false }),
    });
    return {
      pid: undefined,
      ended,
      stop: (grace) => void asked.push(`stop ${grace}`),
      kill() {
        asked.push("kill");
        resolve({ exitCode: 137, killed: true });
      },
    };
  };
}

/** @param startChild see {@link fakeStart} */
export function worldOf(
  workFolder: string,
  startChild: StartChild,
  more: Partial<AgentWorld> = {},
): AgentWorld & { readonly notes: string[] } {
  const notes: string[] = [];
  return {
    backends: ["wasm"],
    data: new Map(),
    workFolder,
    environment: { PATH: process.env["PATH"], EDGEFUSE_TOKEN: "secret" },
    startChild,
    stateInterval: 5,
    logInterval: 5,
    patience: 60_000,
    // Pauses are short here; only what is to be hours stays so.
    wait: (milliseconds, signal) =>
      sleep(milliseconds > HOUR ? milliseconds : Math.min(milliseconds, 20), undefined, { signal }).catch(
        () => undefined,
      ),
    now: () => performance.now(),
    note: (line) => void notes.push(line),
    stop: new AbortController().signal,
    ...more,
    notes,
  };
}

/** Waits until something holds; a test's own time limit is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2);
}
