import type { ActionWorld } from "./world.ts";

/** Bytes of a step's summary that GitHub keeps; a longer one is not shown at all. */
export const MOST_SUMMARY_BYTES = 1024 * 1024;

/**
 * What a step leaves in the files that the runner names in its environment: outputs, state for the post step, the
 * summary. Where the runner names none, as outside of one, nothing is written.
 * @see https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files
 */
export class CommandFiles {
  readonly #world: Pick<ActionWorld, "environment" | "appendFile" | "randomText">;

  constructor(world: Pick<ActionWorld, "environment" | "appendFile" | "randomText">) {
    this.#world = world;
  }

  async setOutputs(outputs: Readonly<Record<string, string>>): Promise<void> {
    await this.#append("GITHUB_OUTPUT", outputs);
  }

  /** Is in the environment of the post step as `STATE_<name>`. */
  async saveState(state: Readonly<Record<string, string>>): Promise<void> {
    await this.#append("GITHUB_STATE", state);
  }

  /** Appends Markdown to the summary of the job. */
  async addSummary(markdown: string): Promise<void> {
    const path = this.#world.environment["GITHUB_STEP_SUMMARY"];
    if (path !== undefined && path !== "") await this.#world.appendFile(path, `${markdown.trimEnd()}\n`);
  }

  async #append(variable: string, values: Readonly<Record<string, string>>): Promise<void> {
    const path = this.#world.environment[variable];
    if (path === undefined || path === "") return;
    const text = Object.entries(values).map(([name, value]) => {
      // Random, so that no value can end itself and begin another.
      const end = `ends-${this.#world.randomText()}`;
      return `${name}<<${end}\n${value}\n${end}\n`;
    });
    await this.#world.appendFile(path, text.join(""));
  }
}
