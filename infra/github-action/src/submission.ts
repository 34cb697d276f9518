import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import { ActionFailure, textOf } from "./failure.ts";
import type { RunFacts } from "./run-facts.ts";
import type { ActionWorld } from "./world.ts";

/** A job to be posted. */
export interface Submission {
  /** The deployment checks it: it knows what its own version takes. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** The same for the same step of the same attempt of a run, so that it posts one job however often it tries. */
  readonly key: string;
}

const LONGEST_LABEL = 200;
/** C0, DEL and C1, line and paragraph separators, and what turns the direction of text. */
const CONTROL = new RegExp(String.raw`[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]`, "g");

/**
 * Reads a spec and says in its labels and `commit` where it comes from.
 * @param path relative to the workspace
 * @throws ActionFailure `bad-input`
 */
export async function readSubmission(path: string, run: RunFacts, world: ActionWorld): Promise<Submission> {
  const given = await readSpec(path, world);
  const labels = { ...objectOf(given["labels"]), ...labelsOf(run) };
  const spec = { ...given, ...(run.commit === undefined ? {} : { commit: run.commit }), labels };
  const { runId, runAttempt, job, step, repository } = run;
  // A matrix runs one step of one job several times; its specs differ.
  const identity = JSON.stringify([repository, runId, runAttempt, job, step, spec]);
  return { spec, key: `github-${createHash("sha256").update(identity).digest("hex").slice(0, 40)}` };
}

/** Labels by which jobs of a repository, a pull request or a run are found. */
export function labelsOf({
  repository,
  runId,
  runAttempt,
  workflow,
  pullRequest,
  commit,
}: RunFacts): Record<string, string> {
  const labels = {
    repo: repository,
    sha: commit ?? "",
    pr: pullRequest === undefined ? "" : String(pullRequest),
    run: runId,
    attempt: runAttempt,
    workflow,
  };
  const clean = Object.entries(labels).map(([name, text]) => [
    name,
    text.replaceAll(CONTROL, " ").trim().replace(/^-+/, "").slice(0, LONGEST_LABEL),
  ]);
  return Object.fromEntries(clean.filter(([, text]) => text !== ""));
}

async function readSpec(path: string, { environment, readFile }: ActionWorld): Promise<Record<string, unknown>> {
  const whole = isAbsolute(path) ? path : join(environment["GITHUB_WORKSPACE"] ?? ".", path);
  let spec: unknown;
  try {
    spec = JSON.parse(await readFile(whole));
  } catch (error) {
    const hint = error instanceof SyntaxError ? "is not JSON" : "cannot be read; is the repository checked out?";
    throw new ActionFailure("bad-input", `The spec ${path} ${hint} (${textOf(error)})`, { cause: error });
  }
  if (!isObject(spec)) throw new ActionFailure("bad-input", `The spec ${path} is not a JSON object.`);
  return spec;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const objectOf = (value: unknown) => (isObject(value) ? value : {});
