import { PROBLEMS, Problem } from "../shared/problem.ts";

/**
 * Why a command ended, and with which exit code. Scripts and schedulers branch on these numbers: they are added, never
 * changed. 75 is EX_TEMPFAIL of sysexits.h; 130 and 143 are 128 + the signal, as shells report it.
 */
export const EXIT_CODES = {
  ok: { code: 0, meaning: "done" },
  internal: { code: 1, meaning: "something failed inside edgefuse; please report it" },
  usage: { code: 2, meaning: "the command line is not valid" },
  "bad-input": { code: 3, meaning: "a file or dataset is not what it should be" },
  refused: { code: 4, meaning: "not found, or refused by the worker or the bucket" },
  unreachable: { code: 5, meaning: "network or storage failed; running again may help" },
  diverged: { code: 6, meaning: "training diverged; nothing was written for that model" },
  "out-of-memory": { code: 7, meaning: "the model or the batch does not fit into memory" },
  "no-gpu": { code: 8, meaning: "a GPU was asked for and there is none that can be used" },
  "gate-refused": { code: 9, meaning: "a gate's limit is exceeded; nothing was published" },
  "resume-me": { code: 75, meaning: "stopped in good order; run the same command again to go on" },
  "timed-out": { code: 124, meaning: "a job took longer than it may, or found no agent" },
  interrupted: { code: 130, meaning: "interrupted (SIGINT), or a job was cancelled; nothing half-written" },
  killed: { code: 137, meaning: "a job's process was killed, most often for its memory" },
  terminated: { code: 143, meaning: "terminated (SIGTERM); nothing half-written" },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type Outcome = keyof typeof EXIT_CODES;
export type FailureKind = Exclude<Outcome, "ok">;

export interface FailureOptions extends ErrorOptions {
  /** Where it is not the kind's: a command that waits for another process ends as that one did. */
  readonly exitCode?: number;
  /** Whether it stays what is told where the command was stopped by a signal; `resume-me` and `interrupted` always do. */
  readonly tellsOfStop?: boolean;
}

/** Anything the trainer gives up on deliberately. The message is one line: what, which, what to do. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly kind: FailureKind;
  readonly exitCode: number;
  readonly tellsOfStop: boolean;

  constructor(
    kind: FailureKind,
    message: string,
    { exitCode, tellsOfStop = kind === "resume-me" || kind === "interrupted", ...options }: FailureOptions = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.exitCode = exitCode ?? EXIT_CODES[kind].code;
    this.tellsOfStop = tellsOfStop;
  }
}

/** What a failure is like that another process's exit code tells of; one of its own insides is none of ours. */
export function kindOfExitCode(exitCode: number): FailureKind {
  for (const [kind, { code }] of Object.entries(EXIT_CODES) as [Outcome, { code: number }][]) {
    if (code === exitCode && kind !== "ok" && kind !== "internal") return kind;
  }
  return "refused";
}

/**
 * The failure that stands for any error: a {@link Failure} itself, a Problem by its status, file errors by their code,
 * exhausted memory by what engines say of it.
 */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Problem) return new Failure(kindOfProblem(error), oneLine(error.message), { cause: error });
  if (isOutOfMemory(error)) return new Failure("out-of-memory", oneLine(error.message), { cause: error });
  if (error instanceof Error) {
    const code = "code" in error ? error.code : undefined;
    switch (code) {
      case "ENOENT":
      case "EISDIR":
      case "ENOTDIR":
        return new Failure("bad-input", oneLine(error.message), { cause: error });
      case "EACCES":
      case "EPERM":
      case "EROFS":
      case "EIO":
        return new Failure("unreachable", oneLine(error.message), { cause: error });
      case "ENOSPC":
      case "EDQUOT":
        return new Failure("unreachable", `${oneLine(error.message)}. Free some space and run the command again.`, {
          cause: error,
        });
      default:
        return new Failure("internal", oneLine(error.message), { cause: error });
    }
  }
  return new Failure("internal", oneLine(String(error)));
}

/**
 * Whether an error says that memory is exhausted: the WASM heap (our kernels, emscripten's abort), a JavaScript buffer
 * (V8's wording), a worker thread's heap, or a GPU.
 */
function isOutOfMemory(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if ("code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") return true;
  return /WASM heap has no room|allocation failed|Invalid (typed )?array( buffer)? length|Maximum memory size|\bOOM\b|out of memory/i.test(
    error.message,
  );
}

function kindOfProblem(problem: Problem): FailureKind {
  if (problem.code === "gate-refused") return "gate-refused";
  const { status } = PROBLEMS[problem.code];
  if (status === 401 || status === 403 || status === 404) return "refused";
  if (status === 503) return "unreachable";
  return status < 500 ? "bad-input" : "internal";
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}
