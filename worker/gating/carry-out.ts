import { Problem } from "../../shared/problem.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import { type AliasOrder, dropOrder, ordersFor } from "../catalog/alias-orders.ts";
import { type AliasRecord, createAlias, findAlias, type GateVerdict, moveAlias } from "../catalog/aliases.ts";
import { findGate, findPassedGate, type GateRecord } from "../catalog/gates.ts";
import { findModel } from "../catalog/models.ts";
import type { Environment } from "../environment.ts";
import { findFused } from "../fusing/served-model.ts";
import type { ModelId } from "../../shared/identity.ts";
import { resolveGate } from "./question.ts";

type Bindings = Pick<Environment, "CATALOG">;

/** How often an alias is moved against others who move it. */
const ATTEMPTS = 8;

/**
 * Moves the aliases that wait for a stored model: those whose gates have all let it pass. An order that a gate refused, or
 * that was overtaken, is dropped. Orders for a model that is not stored wait until it is.
 */
export async function carryOutOrders({ CATALOG }: Bindings, model: ModelId, now: () => Date): Promise<void> {
  const orders = await ordersFor(CATALOG, model);
  if (orders.length === 0 || (await findModel(CATALOG, model)) === undefined) return;
  for (const order of orders) {
    const gates: GateRecord[] = [];
    for (const id of order.gates) {
      const gate = await findGate(CATALOG, id);
      if (gate !== undefined) gates.push(gate);
    }
    const isWaiting = gates.some(({ state }) => state === "pending");
    if (isWaiting && !gates.some(({ state }) => state === "refused")) continue;
    const hasPassed = gates.length === order.gates.length && gates.every(({ state }) => state === "passed");
    try {
      if (hasPassed) await carryOut({ CATALOG }, order, now);
    } catch (error) {
      // Overtaken: the alias takes another gate by now, or the model has gone.
      if (!(error instanceof Problem) || error.status >= 500) throw error;
    }
    await dropOrder(CATALOG, order);
  }
}

/**
 * Points an alias at a model whose gates, those of the order, have let it pass; where there is no such alias, makes it.
 * @returns the alias; undefined where it has moved on from the version that the order was for
 * @throws Problem `gate-required` where the alias takes another gate by now, `model-not-found` where the model has gone
 */
export async function carryOut(
  { CATALOG }: Bindings,
  order: AliasOrder,
  now: () => Date,
): Promise<AliasRecord | undefined> {
  const { alias: name, model, version } = order;
  const fused = await findFused(CATALOG, model);
  if (fused === undefined) throw new Problem("model-not-found", `There is no model ${model}.`, { model });
  const { recipe } = fused.kind === "stored" ? fused.record : fused.fusion;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const change = { at: now().toISOString(), by: order.createdBy };
    const seen = await findAlias(CATALOG, name);
    if (seen === undefined) {
      if (version !== null) return undefined;
      const { isProtected, gate } = order;
      const made = { name, model, isProtected: isProtected ?? false, gateForm: gate };
      const created = await createAlias(CATALOG, made, change);
      if (created !== undefined) return created;
      continue;
    }
    if (version !== null && seen.version !== version) return undefined;
    const isProtected = order.isProtected ?? seen.isProtected;
    if (seen.model === model && isProtected === seen.isProtected && order.gate === undefined) return seen;
    const gate = await verdictFor({ CATALOG }, { seen, order, recipe });
    const moved = await moveAlias(CATALOG, { seen, model, isProtected, gateForm: order.gate, gate }, change);
    if (moved !== undefined) return moved;
  }
  throw new Error(`the alias ${name} moves again and again`);
}

/**
 * What a protected alias needs to see of a model: that it passed the alias's own gate or, where it has none, any.
 * @returns undefined where there is no such verdict
 */
export async function verdictFor(
  { CATALOG }: Bindings,
  { seen, order, recipe }: { seen: AliasRecord; order: Pick<AliasOrder, "model" | "gate">; recipe: Recipe },
): Promise<GateVerdict | undefined> {
  const { model } = order;
  const form = order.gate === undefined ? seen.gateForm : order.gate;
  const gate =
    form === null
      ? await findPassedGate(CATALOG, model)
      : await findGate(CATALOG, (await resolveGate(CATALOG, { id: model, recipe }, form)).id);
  return gate === undefined ? undefined : { model, probe: gate.probe, hasPassed: gate.state === "passed" };
}
