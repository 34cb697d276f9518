import type { ActionWorld } from "./world.ts";

/** What the step knows about the run that it is part of. */
export interface RunFacts {
  /** `owner/name`. */
  readonly repository: string;
  readonly runId: string;
  readonly runNumber: string;
  readonly runAttempt: string;
  /** Address of the run's page. */
  readonly runUrl: string;
  /** Of GitHub's REST API. */
  readonly apiUrl: string;
  /** Name of the workflow, or the path of its file. */
  readonly workflow: string;
  /** File of the workflow, such as `train.yml`: it stays when the workflow is renamed. */
  readonly workflowFile: string;
  /** Key of the workflow's job. */
  readonly job: string;
  /** Key of the step, unlike any other's in the job. */
  readonly step: string;
  /** The commit that people see: of a pull request its head, not the merge that the runner tries. */
  readonly commit: string | undefined;
  readonly pullRequest: number | undefined;
}

/** The few members of events that are read; none is sure to be there. */
interface GitHubEvent {
  readonly pull_request?: PullRequest;
  readonly workflow_run?: { readonly head_sha?: unknown; readonly pull_requests?: readonly PullRequest[] };
  readonly issue?: { readonly number?: unknown; readonly pull_request?: unknown };
}
interface PullRequest {
  readonly number?: unknown;
  readonly head?: { readonly sha?: unknown };
}

/** Facts of the run from the runner's environment and the event's file. What is missing is left out or empty. */
export async function readRunFacts({
  environment,
  readFile,
}: Pick<ActionWorld, "environment" | "readFile">): Promise<RunFacts> {
  const value = (name: string) => environment[`GITHUB_${name}`] ?? "";
  const event = await readEvent(value("EVENT_PATH"), readFile);
  const repository = value("REPOSITORY");
  const head = event.pull_request?.head;
  const runUrl = `${value("SERVER_URL") || "https://github.com"}/${repository}/actions/runs/${value("RUN_ID")}`;
  const [workflowPath = ""] = value("WORKFLOW_REF").split("@");
  return {
    repository,
    runId: value("RUN_ID"),
    runNumber: value("RUN_NUMBER"),
    runAttempt: value("RUN_ATTEMPT") || "1",
    runUrl,
    apiUrl: value("API_URL") || "https://api.github.com",
    workflow: value("WORKFLOW"),
    workflowFile: workflowPath.split("/").at(-1) || value("WORKFLOW"),
    job: value("JOB"),
    step: value("ACTION"),
    commit: commitOf(head?.sha) ?? commitOf(event.workflow_run?.head_sha) ?? commitOf(value("SHA")),
    pullRequest: pullRequestOf(event, value("REF")),
  };
}

async function readEvent(path: string, readFile: ActionWorld["readFile"]): Promise<GitHubEvent> {
  try {
    const event: unknown = JSON.parse(await readFile(path));
    return typeof event === "object" && event !== null ? event : {};
  } catch {
    // The event tells of a pull request, if at all; training goes without.
    return {};
  }
}

function pullRequestOf({ pull_request, workflow_run, issue }: GitHubEvent, ref: string): number | undefined {
  const [, fromRef] = /^refs\/pull\/(\d+)\//.exec(ref) ?? [];
  return (
    numberOf(pull_request?.number) ??
    numberOf(workflow_run?.pull_requests?.[0]?.number) ??
    (issue?.pull_request === undefined ? undefined : numberOf(issue.number)) ??
    numberOf(fromRef === undefined ? undefined : Number(fromRef))
  );
}

const numberOf = (value: unknown) => (Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : undefined);
const commitOf = (value: unknown) => (typeof value === "string" && /^[0-9a-f]{40,64}$/.test(value) ? value : undefined);
