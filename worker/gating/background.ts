import type { ModelId } from "../../shared/identity.ts";
import { claimGate, type GateRecord, gatesOf } from "../catalog/gates.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { repeatVerdict } from "./enter-verdict.ts";

/** Has a Workflow decide a pending gate. Of several who start it at once, one does. */
export async function startGate(
  { CATALOG, GATE_WORKFLOW }: Environment,
  { id, attempt }: Pick<GateRecord, "id" | "attempt">,
  now: () => Date,
): Promise<void> {
  if (!(await claimGate(CATALOG, { id, attempt }, now().toISOString()))) return;
  await GATE_WORKFLOW.create({ id: `${id}-${attempt + 1}`, params: { id } });
}

/** To be called when a model is stored: whatever waits for it goes on. */
export async function startGatesOf(environment: Environment, model: ModelId, now: () => Date): Promise<void> {
  for (const gate of await gatesOf(environment.CATALOG, model)) {
    if (gate.state === "pending") await startGate(environment, gate, now);
    // From before the model was deleted and made anew.
    else await repeatVerdict(environment, gate);
  }
}

/**
 * Takes gates of a stored model over that should be decided by now and have shown no sign of life for long: the worker
 * was killed, or nobody started them. What was measured already is not measured again.
 */
export async function keepDeciding(environment: Environment, model: ModelId, now: () => Date): Promise<void> {
  const longAgo = now().getTime() - limitsOf(environment).stallSeconds * 1000;
  for (const gate of await gatesOf(environment.CATALOG, model)) {
    if (gate.state !== "pending") continue;
    if (Date.parse(gate.updatedAt) <= longAgo) await startGate(environment, gate, now);
  }
}
