import type { PendingProbe, ProbeDescription } from "../../shared/api/probes.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { Problem, type ProblemCode, PROBLEMS } from "../../shared/problem.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import type { Environment } from "../environment.ts";
import type { Outcome } from "../workflows/outcome.ts";
import type { ResolvedQuestion } from "./question.ts";
import { findProbe } from "./store.ts";

/** How far a question is: answered, being answered, or given up. */
export type ProbeState =
  | { readonly kind: "answered"; readonly probe: ProbeDescription }
  | { readonly kind: "pending"; readonly probe: PendingProbe }
  | { readonly kind: "failed"; readonly problem: Problem };

/** Has a question answered by a Workflow, named like the probe: of several who ask, one starts it. */
export async function startProbe(
  { PROBE_WORKFLOW }: Environment,
  { id, a, b, shards, points }: ResolvedQuestion,
  batch: number | undefined,
): Promise<void> {
  const question = { a: a.id, b: b.id, shards: shards.map((shard) => shard.id), points };
  const existing = await findInstance(PROBE_WORKFLOW, id);
  if (existing === undefined) {
    try {
      await PROBE_WORKFLOW.create({ id, params: { id, question, ...(batch === undefined ? {} : { batch }) } });
    } catch (error) {
      // Someone else may have been first.
      if ((await findInstance(PROBE_WORKFLOW, id)) === undefined) throw error;
    }
  } else if (hasStopped(await existing.status())) {
    await existing.restart();
  }
}

/** @returns undefined where nobody asked for it, or the answer is lost */
export async function lookAtProbe(environment: Environment, id: ProbeId): Promise<ProbeState | undefined> {
  const answered = await findProbe(environment.BUCKET, id);
  if (answered !== undefined) return { kind: "answered", probe: answered };
  const instance = await findInstance(environment.PROBE_WORKFLOW, id);
  if (instance === undefined) return undefined;
  const status = await instance.status();
  if (!hasStopped(status)) {
    return { kind: "pending", probe: { id, state: "running", links: { self: `/v1/probes/${id}` } } };
  }
  // It may have ended between the two looks.
  const probe = await findProbe(environment.BUCKET, id);
  if (probe !== undefined) return { kind: "answered", probe };
  const outcome = status.output as Outcome<null> | undefined;
  if (outcome?.kind === "refused") return { kind: "failed", problem: problemFrom(outcome.problem) };
  return outcome?.kind === "done"
    ? undefined
    : { kind: "failed", problem: new Problem("internal", "The probe failed inside edgefuse; ask for it anew.") };
}

async function findInstance(
  workflow: Environment["PROBE_WORKFLOW"],
  id: ProbeId,
): Promise<WorkflowInstance | undefined> {
  try {
    return await workflow.get(id);
  } catch {
    // The platform throws for a name that it does not know, and says so only in words.
    return undefined;
  }
}

function hasStopped({ status }: InstanceStatus): boolean {
  return status === "complete" || status === "errored" || status === "terminated";
}

/** A problem as it was kept. */
function problemFrom({
  code,
  detail,
  type: _type,
  title: _title,
  status: _status,
  instance: _instance,
  ...members
}: ProblemDocument) {
  return new Problem(code in PROBLEMS ? (code as ProblemCode) : "internal", detail, members);
}
