import type { ProbeDescription } from "../../shared/api/probes.ts";
import { gateMeasures, judgeGate } from "../../shared/evaluation/gate.ts";
import type { GateId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { type Decision, type GateRecord, requireGate } from "../catalog/gates.ts";
import { findModel } from "../catalog/models.ts";
import type { Environment } from "../environment.ts";
import { enterVerdict } from "./enter-verdict.ts";
import { gatherFacts } from "./measure.ts";

/** What deciding a gate goes by. */
export interface Evidence {
  /** Of the parents, or why they cannot be probed. */
  readonly probe: ProbeDescription | Problem | undefined;
  /** Shows that the work goes on; what it throws ends it. */
  readonly beat?: () => Promise<void>;
}

/**
 * Measures a model that is stored, judges it, and records the verdict; a model that passes becomes what it shall be.
 * Deciding twice changes nothing.
 * @throws Problem for what has nothing to do with the model, such as `over-budget`
 */
export async function decideGate(
  environment: Environment,
  gate: GateRecord,
  evidence: Evidence,
  now: () => Date,
): Promise<GateRecord> {
  const found = await examine(environment, gate, evidence);
  const decidedAt = now().toISOString();
  await enterVerdict(environment, gate, { ...found, decidedAt });
  return requireGate(environment.CATALOG, gate.id);
}

async function examine(
  environment: Environment,
  { question }: GateRecord,
  { probe, beat = async () => undefined }: Evidence,
): Promise<Omit<Decision, "decidedAt">> {
  if (probe instanceof Problem) return unmeasured(probe.message, null);
  try {
    const measured = gateMeasures(await gatherFacts(environment, question, probe, beat));
    return { ...judgeGate(measured, question.limits), probe: probe?.id ?? null, measured };
  } catch (error) {
    if (isAboutModels(error)) return unmeasured(error.message, probe?.id ?? null);
    throw error;
  }
}

/**
 * Refuses a stored model that cannot be measured any more, as something that its gate names was deleted: who looks finds
 * out why, and nobody tries for ever. A model that is not stored goes on waiting. A verdict that is there stays.
 */
export async function refuseUnmeasured(
  environment: Environment,
  id: GateId,
  why: string,
  now: () => Date,
): Promise<void> {
  const gate = await requireGate(environment.CATALOG, id);
  if (gate.state !== "pending" || (await findModel(environment.CATALOG, gate.question.model)) === undefined) return;
  await enterVerdict(environment, gate, { ...unmeasured(why, null), decidedAt: now().toISOString() });
}

/** What cannot be measured is not published: that is a verdict too, and no other will come. */
export function isAboutModels(error: unknown): error is Problem {
  return error instanceof Problem && error.status === 422;
}

function unmeasured(why: string, probe: Decision["probe"]): Omit<Decision, "decidedAt"> {
  return { state: "refused", probe, measured: null, reasons: [`It cannot be evaluated: ${why}`] };
}
