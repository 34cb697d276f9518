/** All that the action has to do with the outside. */
export interface ActionWorld {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Pauses; ends early, without an error, when the signal is aborted. */
  readonly wait: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** A value that nobody can guess: hex. */
  readonly randomText: () => string;
  /** To the step's log, on which the runner listens. */
  readonly write: (text: string) => void;
  readonly appendFile: (path: string, text: string) => Promise<void>;
  readonly readFile: (path: string) => Promise<string>;
  /** Aborted when the runner cancels the step. */
  readonly interrupted: AbortSignal;
}
