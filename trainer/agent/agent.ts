import type { ClaimedJob } from "../../shared/api/jobs.ts";
import type { AgentWorld } from "./agent-world.ts";
import { Attempt, type AttemptEnd } from "./attempt.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { failureText, isOutage } from "./persistence.ts";

/** What came of asking for a job. */
export type Claim =
  | { readonly kind: "job"; readonly claimed: ClaimedJob; readonly calls: LeaseCalls }
  /** There is none for this agent. */
  | { readonly kind: "none"; readonly retryAfterSeconds: number };

export interface AgentRules {
  /** End after one job. */
  readonly once: boolean;
  /** Milliseconds without a job after which the agent ends; undefined: it stays. */
  readonly maxIdle: number | undefined;
}

/** What an agent has done when it ends. */
export interface AgentSummary {
  /** In order. */
  readonly ends: readonly AttemptEnd[];
  /** Whether the deployment was ever reached. */
  readonly reached: boolean;
}

/** Between two tries while the deployment does not answer, in milliseconds. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/**
 * Asks for a job, does it, and asks again, until it is stopped, has been idle for too long, or has done the one job that
 * it was to do. A deployment that does not answer is asked again; one that refuses is not.
 * @param random in [0, 1): many agents that start at once do not ask at once for ever
 * @throws ApiError where the deployment refuses to give it any job
 */
export async function runAgent(
  claim: () => Promise<Claim>,
  { once, maxIdle }: AgentRules,
  world: AgentWorld,
  random: () => number,
): Promise<AgentSummary> {
  const { stop, now, wait, note } = world;
  const ends: AttemptEnd[] = [];
  let reached = false;
  let idleSince = now();
  let pause = FIRST_PAUSE;
  while (!stop.aborted) {
    let milliseconds: number;
    try {
      const answer = await claim();
      if (!reached || pause > FIRST_PAUSE) note("waits for jobs");
      reached = true;
      pause = FIRST_PAUSE;
      if (answer.kind === "job") {
        const end = await new Attempt(answer.claimed, answer.calls, world).run();
        note(`${answer.claimed.job.id}: ${endText(end)}`);
        ends.push(end);
        if (once) break;
        idleSince = now();
        continue;
      }
      milliseconds = 1_000 * answer.retryAfterSeconds;
    } catch (error) {
      if (stop.aborted) break;
      if (!isOutage(error)) throw error;
      if (pause === FIRST_PAUSE) note(`the deployment does not answer (${failureText(error)}); it is asked again`);
      milliseconds = pause;
      pause = Math.min(LONGEST_PAUSE, 2 * pause);
    }
    const left = maxIdle === undefined ? Number.POSITIVE_INFINITY : maxIdle - (now() - idleSince);
    if (left <= 0) break;
    await wait(Math.min(left, milliseconds * (0.75 + 0.5 * random())), stop);
  }
  return { ends, reached };
}

function endText(end: AttemptEnd): string {
  switch (end.kind) {
    case "completed":
      return `over: ${end.reason} (exit code ${end.exitCode})`;
    case "handed-back":
      return "handed back";
    case "lost":
      return "lost to another agent, or to none";
    default:
      return end satisfies never;
  }
}
