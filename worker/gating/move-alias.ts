import { Problem } from "../../shared/problem.ts";
import { placeOrder } from "../catalog/alias-orders.ts";
import { type AliasRecord, type Change, type Move, moveAlias } from "../catalog/aliases.ts";
import { enterGate, type GateRecord } from "../catalog/gates.ts";
import type { Environment } from "../environment.ts";
import { findFused } from "../fusing/served-model.ts";
import { carryOutOrders, verdictFor } from "./carry-out.ts";
import { decideNow } from "./decide-now.ts";
import { resolveGate } from "./question.ts";

/** What became of moving an alias. */
export type Passage =
  /** `alias` is undefined where it has changed since it was seen, or the model has gone. */
  | { readonly kind: "moved"; readonly alias: AliasRecord | undefined }
  | { readonly kind: "refused"; readonly gate: GateRecord }
  | { readonly kind: "pending"; readonly gate: GateRecord };

/**
 * Moves an alias; where it takes a gate, has the model measured first, unless there is a verdict. Measuring that is too
 * much for a request goes on by itself, and so does the move then.
 * @throws Problem `gate-required` where a protected alias has no gate and the model passed none, `not-materialized` where
 *   there is no stored model to measure
 */
export async function moveThroughGate(
  environment: Environment,
  move: Omit<Move, "gate">,
  change: Change,
  now: () => Date,
): Promise<Passage> {
  const { CATALOG } = environment;
  const { seen, model, isProtected } = move;
  const form = move.gateForm === undefined ? seen.gateForm : move.gateForm;
  const isOther = model !== seen.model;
  const fused = isOther ? await findFused(CATALOG, model) : undefined;
  if (!isOther || fused === undefined || !(seen.isProtected || isProtected)) {
    return { kind: "moved", alias: await moveAlias(CATALOG, move, change) };
  }
  const { recipe } = fused.kind === "stored" ? fused.record : fused.fusion;
  if (form === null) {
    const gate = await verdictFor({ CATALOG }, { seen, order: { model, gate: move.gateForm }, recipe });
    return { kind: "moved", alias: await moveAlias(CATALOG, { ...move, gate }, change) };
  }
  const resolved = await resolveGate(CATALOG, { id: model, recipe }, form);
  let gate = await enterGate(CATALOG, { ...resolved, release: "private" }, now().toISOString());
  if (gate.state === "pending") gate = await decide(environment, gate, { isStored: fused.kind === "stored" }, now);
  const passage = await passageBehind({ CATALOG }, gate, move, change);
  // Others may wait for this verdict; and one that was pending may have come before there was an order.
  await carryOutOrders(environment, model, now);
  return passage;
}

/** What a gate's verdict means for the move; one that is pending has the move ordered. */
async function passageBehind(
  { CATALOG }: Pick<Environment, "CATALOG">,
  gate: GateRecord,
  move: Omit<Move, "gate">,
  change: Change,
): Promise<Passage> {
  const { seen, model, isProtected } = move;
  switch (gate.state) {
    case "refused":
      return { kind: "refused", gate };
    case "pending":
      await placeOrder(CATALOG, {
        model,
        alias: seen.name,
        gates: [gate.id],
        version: seen.version,
        isProtected,
        gate: move.gateForm,
        createdAt: change.at,
        createdBy: change.by,
      });
      return { kind: "pending", gate };
    case "passed": {
      const verdict = { model, probe: gate.probe, hasPassed: true };
      return { kind: "moved", alias: await moveAlias(CATALOG, { ...move, gate: verdict }, change) };
    }
    default:
      return gate.state satisfies never;
  }
}

async function decide(
  environment: Environment,
  gate: GateRecord,
  { isStored }: { isStored: boolean },
  now: () => Date,
): Promise<GateRecord> {
  if (isStored) return decideNow(environment, gate, now);
  const { model } = gate.question;
  throw new Problem("not-materialized", `Model ${model} is not stored yet; a gate measures what is stored.`, { model });
}
