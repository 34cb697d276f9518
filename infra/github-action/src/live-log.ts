import { showLog } from "../../../shared/jobs/log-text.ts";
import type { WorkflowCommands } from "./workflow-commands.ts";

/** Lines of each job that are kept for the report of one that failed. */
export const TAIL_LINES = 100;

/**
 * The logs of a job and of its parts as one log: in groups, one for each phase of the whole, and each line with the name
 * of the part that it comes from.
 */
export class LiveLog {
  readonly #commands: WorkflowCommands;
  readonly #unfinished = new Map<string, string>();
  readonly #tails = new Map<string, string[]>();
  #phase = "";
  #isOpen = false;

  constructor(commands: WorkflowCommands) {
    this.#commands = commands;
  }

  /** What follows belongs to another phase. */
  enter(phase: string): void {
    if (phase === this.#phase) return;
    this.close();
    this.#phase = phase;
    this.#commands.say(phase);
  }

  /**
   * @param part whose log it is; empty of the job itself
   * @param text a piece, cut anywhere
   */
  append(part: string, text: string): void {
    const lines = ((this.#unfinished.get(part) ?? "") + text).split("\n");
    this.#unfinished.set(part, lines.pop() ?? "");
    this.#show(part, lines);
  }

  /** Ends the group, and lines that have no end of their own. */
  close(): void {
    for (const [part, line] of this.#unfinished) if (line !== "") this.#show(part, [line]);
    this.#unfinished.clear();
    if (this.#isOpen) this.#commands.endGroup();
    this.#isOpen = false;
  }

  /** The last lines of a part. */
  tail(part: string): readonly string[] {
    return this.#tails.get(part) ?? [];
  }

  #show(part: string, lines: readonly string[]): void {
    if (lines.length === 0) return;
    const shown = lines.map((line) => showLog(line.replace(/\r+$/, "")));
    this.#tails.set(part, [...this.tail(part), ...shown].slice(-TAIL_LINES));
    if (!this.#isOpen) this.#commands.group(`Log: ${this.#phase}`);
    this.#isOpen = true;
    this.#commands.foreign(part === "" ? shown : shown.map((line) => `${part} | ${line}`));
  }
}
