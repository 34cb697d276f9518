import type { StartChild } from "./child.ts";
import type { JobBackend } from "./job-words.ts";

/** What an agent is, and the world it works in. */
export interface AgentWorld {
  /** What it can compute on, the best first. */
  readonly backends: readonly JobBackend[];
  /** Folders of datasets that it has, by name. */
  readonly data: ReadonlyMap<string, string>;
  /** Where jobs have their folders. */
  readonly workFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly startChild: StartChild;
  /** Milliseconds between two looks at states that may have changed. */
  readonly stateInterval: number;
  /** Milliseconds between two looks at the log. */
  readonly logInterval: number;
  /** Milliseconds for which the deployment may be out of reach before the job counts as lost. */
  readonly patience: number;
  /** Pauses; ends early, without an error, when the signal is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly note: (line: string) => void;
  /** Aborted when the agent itself is to end. */
  readonly stop: AbortSignal;
}
