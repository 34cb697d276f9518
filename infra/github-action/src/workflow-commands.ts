import type { ActionWorld } from "./world.ts";

export interface Annotation {
  readonly title?: string;
  /** Relative to the root of the repository. */
  readonly file?: string;
}

/**
 * What a step says to its runner by lines of its log.
 * @see https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
 */
export class WorkflowCommands {
  readonly #world: Pick<ActionWorld, "write" | "randomText">;

  constructor(world: Pick<ActionWorld, "write" | "randomText">) {
    this.#world = world;
  }

  /** From now on the runner shows asterisks for the value, wherever it stands. */
  mask(secret: string): void {
    // Each line of the log is searched by itself.
    for (const line of secret.split(/\r?\n/)) if (line.trim() !== "") this.#command("add-mask", line);
  }

  notice(message: string, annotation: Annotation = {}): void {
    this.#command("notice", message, annotation);
  }

  warning(message: string, annotation: Annotation = {}): void {
    this.#command("warning", message, annotation);
  }

  error(message: string, annotation: Annotation = {}): void {
    this.#command("error", message, annotation);
  }

  group(title: string): void {
    this.#command("group", title);
  }

  endGroup(): void {
    this.#command("endgroup", "");
  }

  /** A line of our own, of which nothing is a command. */
  say(line: string): void {
    this.foreign([line]);
  }

  /** Lines that others wrote: whatever commands are in them, the runner does not obey. */
  foreign(lines: readonly string[]): void {
    if (lines.length === 0) return;
    // Nobody who writes a log knows the word that ends the pause.
    const resume = this.#world.randomText();
    this.#world.write([`::stop-commands::${resume}`, ...lines, `::${resume}::`, ""].join("\n"));
  }

  #command(name: string, message: string, properties: Annotation = {}): void {
    const given = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(String(value))}`);
    this.#world.write(`::${name}${given.length === 0 ? "" : ` ${given.join(",")}`}::${escapeData(message)}\n`);
  }
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
