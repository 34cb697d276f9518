import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How a job's process ended. */
export interface ChildEnd {
  /** As a shell reports it: 128 + the signal's number where one ended the process. */
  readonly exitCode: number;
  /** SIGKILL after the grace of {@link Child.stop}. */
  readonly killed: boolean;
}

/** The process of a job. */
export interface Child {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  readonly ended: Promise<ChildEnd>;
  /**
   * Asks the process to save its state and end, and kills it where it has not after the grace. Asking again does
   * nothing: a second SIGTERM would end a training run before its state is saved.
   */
  stop(graceMilliseconds: number): void;
  /** Ends the process at once. */
  kill(): void;
}

export interface ChildOptions {
  /** Words after `edgefuse`. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Lines as they come, without their ends. */
  readonly onLine: (line: string, from: "stdout" | "stderr") => void;
}

/** What starts jobs; a test may start something else. */
export type StartChild = (options: ChildOptions) => Child;

const ENTRY = new URL("./job-process.ts", import.meta.url);

/** Signals that end a process, by what shells add to 128. */
const SIGNAL_NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** Runs a command line of edgefuse in a process of its own. */
export const startChild: StartChild = ({ words, environment, folder, onLine }) => {
  const child = spawn(process.execPath, [fileURLToPath(ENTRY), ...words], {
    cwd: folder,
    env: environment,
    // The channel carries nothing: that it closes tells the job that its agent is gone.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A group of its own: Ctrl-C in a terminal is for the agent, which then asks the job to end.
    detached: true,
  });
  return superviseChild(child, onLine);
};

/** @param child with its output piped */
function superviseChild(child: ChildProcess, onLine: ChildOptions["onLine"]): Child {
  for (const from of ["stdout", "stderr"] as const) {
    const stream = child[from];
    if (stream === null) continue;
    // A carriage return redraws a line; a log wants each on its own.
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => onLine(line, from));
  }
  let isOver = false;
  let killed = false;
  let grace: NodeJS.Timeout | undefined;
  const kill = () => {
    if (isOver) return;
    killed = true;
    // The whole group: a job may have started processes too.
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      child.kill("SIGKILL");
    }
  };
  const ended = new Promise<ChildEnd>((resolve) => {
    const end = (exitCode: number) => {
      isOver = true;
      clearTimeout(grace);
      resolve({ exitCode, killed });
    };
    child.once("error", (error) => {
      if (child.pid !== undefined) return;
      onLine(`could not be started: ${error.message}`, "stderr");
      end(1);
    });
    // Not `exit`: the last lines of output come after it.
    child.once("close", (code, signal) => end(code ?? 128 + (SIGNAL_NUMBERS[signal ?? "SIGTERM"] ?? 15)));
  });
  return {
    pid: child.pid,
    ended,
    stop(graceMilliseconds) {
      if (isOver || grace !== undefined) return;
      child.kill("SIGTERM");
      grace = setTimeout(kill, graceMilliseconds);
    },
    kill,
  };
}
