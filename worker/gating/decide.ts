import type { ProbeDescription } from "../../shared/api/probes.ts";
import { gateMeasures, judgeGate } from "../../shared/evaluation/gate.ts";
import { Problem } from "../../shared/problem.ts";
import { type Decision, type GateRecord, requireGate } from "../catalog/gates.ts";
import type { Environment } from "../environment.ts";
import { enterVerdict } from "./enter-verdict.ts";
import { gatherFacts } from "./measure.ts";

/**
 * Measures a model that is stored, judges it, and records the verdict; a model that passes becomes what it shall be.
 * Deciding twice changes nothing.
 * @param probe of the parents, or why they cannot be probed
 * @throws Problem for what has nothing to do with the model, such as `over-budget`
 */
export async function decideGate(
  environment: Environment,
  gate: GateRecord,
  probe: ProbeDescription | Problem | undefined,
  now: () => Date,
): Promise<GateRecord> {
  const found = await examine(environment, gate, probe);
  const decidedAt = now().toISOString();
  await enterVerdict(environment, gate, { ...found, decidedAt });
  return requireGate(environment.CATALOG, gate.id);
}

async function examine(
  environment: Environment,
  { question }: GateRecord,
  probe: ProbeDescription | Problem | undefined,
): Promise<Omit<Decision, "decidedAt">> {
  if (probe instanceof Problem) return unmeasured(probe, null);
  try {
    const measured = gateMeasures(await gatherFacts(environment, question, probe));
    return { ...judgeGate(measured, question.limits), probe: probe?.id ?? null, measured };
  } catch (error) {
    if (isAboutModels(error)) return unmeasured(error, probe?.id ?? null);
    throw error;
  }
}

/** What cannot be measured is not published: that is a verdict too, and no other will come. */
export function isAboutModels(error: unknown): error is Problem {
  return error instanceof Problem && error.status === 422;
}

function unmeasured({ message }: Problem, probe: Decision["probe"]): Omit<Decision, "decidedAt"> {
  return { state: "refused", probe, measured: null, reasons: [`It cannot be evaluated: ${message}`] };
}
