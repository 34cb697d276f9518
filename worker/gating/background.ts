import type { ModelId } from "../../shared/identity.ts";
import { claimGate, type GateRecord, gatesOf } from "../catalog/gates.ts";
import { findModel } from "../catalog/models.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { carryOutOrders } from "./carry-out.ts";
import { repeatVerdict } from "./enter-verdict.ts";

/** Has a Workflow decide a pending gate. Of several who start it at once, one does. */
export async function startGate(
  { CATALOG, GATE_WORKFLOW }: Environment,
  { id, attempt }: Pick<GateRecord, "id" | "attempt">,
  now: () => Date,
): Promise<void> {
  if (!(await claimGate(CATALOG, { id, attempt }, now().toISOString()))) return;
  // The same gate may be entered again after it was forgotten, and no name is given twice.
  await GATE_WORKFLOW.create({ params: { id, attempt: attempt + 1 } });
}

/** To be called when a model is stored: whatever waits for it goes on, gates and aliases. */
export async function startGatesOf(environment: Environment, model: ModelId, now: () => Date): Promise<void> {
  for (const gate of await gatesOf(environment.CATALOG, model)) {
    if (gate.state === "pending") await startGate(environment, gate, now);
    // From before the model was deleted and made anew.
    else await repeatVerdict(environment, gate);
  }
  await carryOutOrders(environment, model, now);
}

/**
 * Takes gates of a stored model over that should be decided by now and have shown no sign of life for long: the worker
 * was killed, or nobody started them. What was probed already is not probed again. Gates of a model that is not stored
 * wait until it is.
 */
export async function keepDeciding(environment: Environment, model: ModelId, now: () => Date): Promise<void> {
  const longAgo = now().getTime() - limitsOf(environment).stallSeconds * 1000;
  const silent = (await gatesOf(environment.CATALOG, model)).filter(
    ({ state, updatedAt }) => state === "pending" && Date.parse(updatedAt) <= longAgo,
  );
  if (silent.length === 0 || (await findModel(environment.CATALOG, model)) === undefined) return;
  for (const gate of silent) await startGate(environment, gate, now);
}
