import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ActionWorld } from "../../infra/github-action/src/world.ts";
import type { FakeGitHub } from "./fake-github.ts";
import { SPEC } from "./job-descriptions.ts";

const EVENTS = join(import.meta.dirname, "../infra/github-action/events");

/** A step of a job on a runner: its environment, its files, its log. */
export class FakeRunner {
  readonly folder: string;
  readonly environment: Record<string, string>;
  readonly #interruption = new AbortController();
  log = "";
  /** Milliseconds since 1970: pauses take no time. */
  time = Date.parse("2026-11-23T10:00:00Z");
  /** Called at each pause. */
  onWait: (milliseconds: number) => void = () => undefined;
  #texts = 0;

  private constructor(folder: string, environment: Record<string, string>) {
    this.folder = folder;
    this.environment = environment;
  }

  /** @param event name of a file of events */
  static async open(
    url: string,
    github: FakeGitHub,
    event: "pull-request" | "push" = "pull-request",
  ): Promise<FakeRunner> {
    const folder = await mkdtemp(join(tmpdir(), "edgefuse-action-"));
    await writeFile(join(folder, "job.json"), JSON.stringify(SPEC));
    return new FakeRunner(folder, {
      ...github.environment,
      ...runEnvironment(folder, event),
      INPUT_URL: url,
      INPUT_SPEC: "job.json",
      INPUT_AUDIENCE: "edgefuse",
      "INPUT_GITHUB-TOKEN": github.token,
    });
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }

  interrupt(): void {
    this.#interruption.abort();
  }

  /** The step as the action sees it, with a clock of its own. */
  get world(): ActionWorld {
    return {
      environment: this.environment,
      fetch: (input, init) => fetch(input, init),
      now: () => this.time,
      wait: (milliseconds) => {
        this.time += milliseconds;
        this.onWait(milliseconds);
        return Promise.resolve();
      },
      randomText: () => `random-${++this.#texts}`,
      write: (text) => {
        this.log += text;
      },
      appendFile: (path, text) => appendFile(path, text),
      readFile: (path) => readFile(path, "utf8"),
      interrupted: this.#interruption.signal,
    };
  }

  /** What the runner passes from the main step to the post step. */
  async toPostStep(): Promise<void> {
    const state = await this.values("state");
    for (const [name, value] of Object.entries(state)) this.environment[`STATE_${name}`] = value;
  }

  /** Values that were written to a file of the runner, as it reads them. */
  async values(name: "output" | "state"): Promise<Record<string, string>> {
    return parseValues(await this.text(name));
  }

  /** The text of a file of the runner. */
  text(name: "output" | "state" | "summary"): Promise<string> {
    return readFile(join(this.folder, name), "utf8").catch(() => "");
  }
}

/** What a runner tells a step about its run. */
export function runEnvironment(folder: string, event: "pull-request" | "push"): Record<string, string> {
  const isPullRequest = event === "pull-request";
  return {
    GITHUB_ACTIONS: "true",
    GITHUB_WORKSPACE: folder,
    GITHUB_OUTPUT: join(folder, "output"),
    GITHUB_STATE: join(folder, "state"),
    GITHUB_STEP_SUMMARY: join(folder, "summary"),
    GITHUB_EVENT_PATH: join(EVENTS, `${event}.json`),
    GITHUB_EVENT_NAME: isPullRequest ? "pull_request" : "push",
    GITHUB_REPOSITORY: "owner/name",
    GITHUB_RUN_ID: "1234567890",
    GITHUB_RUN_NUMBER: "41",
    GITHUB_RUN_ATTEMPT: "1",
    GITHUB_WORKFLOW: "Candidate",
    GITHUB_WORKFLOW_REF: "owner/name/.github/workflows/train.yml@refs/heads/main",
    GITHUB_JOB: "train",
    GITHUB_ACTION: "__edgefuse",
    GITHUB_SHA: "0".repeat(39) + (isPullRequest ? "1" : "2"),
    GITHUB_REF: isPullRequest ? "refs/pull/12/merge" : "refs/heads/main",
    INPUT_COMMENT: "true",
    INPUT_TIMEOUT: "",
  };
}

/** As the runner does: `name<<delimiter`, lines, the delimiter. */
export function parseValues(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const [, name, end] = /^([\w-]+)<<(.+)$/.exec(lines[at] ?? "") ?? [];
    if (name === undefined || end === undefined) continue;
    const from = at + 1;
    for (at = from; lines[at] !== end; at++) if (at >= lines.length) throw new Error(`${name} has no end`);
    values[name] = lines.slice(from, at).join("\n");
  }
  return values;
}
