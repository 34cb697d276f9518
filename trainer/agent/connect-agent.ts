import type { ClaimRequest } from "../../shared/api/jobs.ts";
import { Connection } from "../../shared/api/client/connection.ts";
import { checkpointId } from "../../shared/identity.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandContext } from "../command-line/command.ts";
import { connectWorker, type WorkerAccess } from "../remote/connect.ts";
import { openPusher, pushTarget } from "../storage/push-checkpoint.ts";
import type { Claim } from "./agent.ts";
import { claimJob, type Connections } from "./http-lease.ts";

/** Milliseconds that an answer may take: to what is short, and to a file. */
const QUICK = 20_000;
const PATIENT = 600_000;
/** Milliseconds that no pause between tries exceeds: what repeats a request for longer is the agent itself. */
const LONGEST_WAIT = 2_000;

/** A deployment as an agent sees it. */
export interface AgentDeployment {
  claim(): Promise<Claim>;
  /** Runs what asks for jobs. @throws Failure where the deployment refuses */
  ask<Answer>(asking: () => Promise<Answer>): Promise<Answer>;
}

/**
 * Connects an agent. A signal that ends the agent breaks no request off: a job that is being claimed is then handed back,
 * not lost, and the last words about one still arrive.
 */
export function connectAgent(access: WorkerAccess, context: CommandContext, request: ClaimRequest): AgentDeployment {
  const connect = (milliseconds: number) =>
    new Connection({
      ...access,
      // A token must not follow a redirect to another host.
      fetch: (input, init) =>
        context.fetch(input, { ...init, redirect: "error", signal: AbortSignal.timeout(milliseconds) }),
      wait: (pause) => sleep(Math.min(pause, LONGEST_WAIT)),
    });
  const connections: Connections = { quick: connect(QUICK), patient: connect(PATIENT) };
  const uploadLarge = async (path: string) => {
    const pusher = openPusher(pushTarget(context.environment, { uploadOnly: false }), {
      ...context,
      signal: new AbortController().signal,
    });
    try {
      return checkpointId.parse((await pusher.push(path)).sha256);
    } finally {
      pusher.close();
    }
  };
  const { ask } = connectWorker(access, context);
  return {
    claim: () => claimJob(connections, request, uploadLarge),
    ask: (asking) => ask("give out jobs", asking),
  };
}
