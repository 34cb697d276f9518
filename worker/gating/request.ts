import type { AliasName } from "../../shared/api/aliases.ts";
import type { Visibility } from "../../shared/api/fusions.ts";
import type { ParsedGateForm } from "../../shared/api/gates.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { Problem } from "../../shared/problem.ts";
import { insufficientScope } from "../auth/principal.ts";
import { type AliasOrder, placeOrder } from "../catalog/alias-orders.ts";
import { findAlias } from "../catalog/aliases.ts";
import {
  enterGate,
  findGate,
  findPassedGate,
  forgetGate,
  type GateRecord,
  isHeld,
  keepPrivate,
} from "../catalog/gates.ts";
import type { Environment } from "../environment.ts";
import { type FusionRequest, type RequestedFusion, requestFusion } from "../fusing/request-fusion.ts";
import { findFused, type ServedModel } from "../fusing/served-model.ts";
import { visibilityOf } from "../fusing/visibility.ts";
import { carryOut, carryOutOrders } from "./carry-out.ts";
import { decideNow, probeParentsNow } from "./decide-now.ts";
import { repeatVerdict } from "./enter-verdict.ts";
import { startGate } from "./background.ts";
import { type ResolvedGate, resolveGate } from "./question.ts";

export interface GatedRequest extends FusionRequest {
  readonly gate: ParsedGateForm | undefined;
  readonly alias: AliasName | undefined;
  /** Id of the principal. */
  readonly by: string;
  /** On whose behalf; should it end before its time, the alias stays where it is. */
  readonly job?: JobId | undefined;
}

export interface GatedFusion extends RequestedFusion {
  /** The gates that were asked for, as they are now: the request's, then the alias's. */
  readonly gates: readonly GateRecord[];
}

/**
 * Brings a fusion about that may have gates to pass: it is private until it has. Where it is small, everything happens
 * within the request; else Workflows make the model, then measure it. Whoever asks again gets the same verdict.
 * @throws Problem `gate-required` where a protected alias takes a gate and none is named, `dataset-not-found`,
 *   `insufficient-scope` where a private model shall be published; what `requestFusion` throws; of a small fusion, why
 *   its inputs cannot be evaluated: nothing is stored then
 */
export async function requestGatedFusion(
  environment: Environment,
  request: GatedRequest,
  now: () => Date,
): Promise<GatedFusion> {
  const wanted = await gatesFor(environment, request);
  if (wanted.length === 0) return requestFreely(environment, request, now);
  const { CATALOG } = environment;
  const { id, visibility, isAsync } = request;
  if (request.materialize === "lazy") {
    throw new Problem("malformed-request", "A gate evaluates the model, so it is made eagerly.", {
      alias: request.alias,
    });
  }
  const known = await findFused(CATALOG, id);
  const release = await releaseOf(environment, known, request);
  if (!isAsync) {
    // Before anything is made: inputs that cannot be evaluated leave nothing behind, and no verdict either.
    for (const gate of wanted) {
      const isDecided = ((await findGate(CATALOG, gate.id))?.state ?? "pending") !== "pending";
      if (!isDecided) await probeParentsNow(environment, gate.question, now);
    }
  }
  if (visibility === "private") await keepPrivate(CATALOG, id);
  // First of all: should this request die half-way, whoever asks again finds a model that is held, and why.
  const entered: GateRecord[] = [];
  for (const [index, gate] of wanted.entries()) {
    // With a gate of the request's own, that one publishes, and the alias's decides on the alias alone.
    const releases = index === 0 ? release : "private";
    entered.push(await enterGate(CATALOG, { ...gate, release: releases }, now().toISOString()));
  }
  const hidden = known === undefined || visibility === "private" ? "private" : undefined;
  const { isNew } = await fuseBehind(environment, entered, { ...request, visibility: hidden, isForNow: true }, now);
  if (request.alias !== undefined) {
    await placeOrder(CATALOG, orderOf(request, request.alias, entered, now()));
  }
  const gates = await goOn(environment, { entered, isNew, isAsync, release }, now);
  await carryOutOrders(environment, id, now);
  return { fused: await existing(environment, request), isNew, gates };
}

/** Makes the model that gates wait for. Where the recipe is none, so are they. */
async function fuseBehind(
  environment: Environment,
  gates: readonly GateRecord[],
  request: FusionRequest,
  now: () => Date,
): Promise<RequestedFusion> {
  try {
    return await requestFusion(environment, request, now);
  } catch (error) {
    if (error instanceof Problem && error.status < 500) {
      for (const { id } of gates) await forgetGate(environment.CATALOG, id);
    }
    throw error;
  }
}

/** No gate stands in the way. The alias moves at once; that of a job, once its model is made. */
async function requestFreely(environment: Environment, request: GatedRequest, now: () => Date): Promise<GatedFusion> {
  const { id, alias, job } = request;
  const requested = await requestFusion(environment, request, now);
  if (alias !== undefined) {
    const order = orderOf(request, alias, [], now());
    if (job === undefined || requested.fused.kind === "stored") {
      await carryOut(environment, order, now);
    } else {
      await placeOrder(environment.CATALOG, order);
      // It may have been made before there was an order.
      await carryOutOrders(environment, id, now);
    }
  }
  return { ...requested, gates: [] };
}

/** What moves the alias of a request. */
function orderOf(
  { id: model, by, job }: Pick<GatedRequest, "id" | "by" | "job">,
  alias: AliasName,
  gates: readonly GateRecord[],
  at: Date,
): AliasOrder {
  return {
    model,
    alias,
    gates: gates.map((gate) => gate.id),
    version: null,
    isProtected: null,
    gate: undefined,
    createdAt: at.toISOString(),
    createdBy: by,
    job,
  };
}

/** Decides what can be decided: within the request where that is small, else by Workflows. */
async function goOn(
  environment: Environment,
  {
    entered,
    isNew,
    isAsync,
    release,
  }: { entered: readonly GateRecord[]; isNew: boolean; isAsync: boolean; release: Visibility },
  now: () => Date,
): Promise<GateRecord[]> {
  const gates: GateRecord[] = [];
  for (const gate of entered) {
    const fused = await findFused(environment.CATALOG, gate.question.model);
    if (gate.state !== "pending" || fused?.kind !== "stored") {
      // The model was made anew, or shall be public now and needed not be when it passed.
      const isLate = gate.state === "passed" && gate.release === "public" && release === "public";
      if (fused?.kind === "stored" && (isNew || isLate)) await repeatVerdict(environment, gate);
      gates.push(gate);
    } else if (isAsync) {
      await startGate(environment, gate, now);
      gates.push(gate);
    } else {
      gates.push(await decideNow(environment, gate, now));
    }
  }
  return gates;
}

/** The gates that a model must pass to be what is asked for. */
async function gatesFor(
  { CATALOG }: Environment,
  { id, recipe, gate, alias }: Pick<GatedRequest, "id" | "recipe" | "gate" | "alias">,
): Promise<readonly ResolvedGate[]> {
  const own = gate === undefined ? [] : [await resolveGate(CATALOG, { id, recipe }, gate)];
  const target = alias === undefined ? undefined : await findAlias(CATALOG, alias);
  if (target === undefined || !target.isProtected || target.model === id) return own;
  if (target.gateForm !== null) {
    const required = await resolveGate(CATALOG, { id, recipe }, target.gateForm);
    return own.some((known) => known.id === required.id) ? own : [...own, required];
  }
  if (own.length === 0 && (await findPassedGate(CATALOG, id)) === undefined) {
    throw new Problem("gate-required", `The alias ${alias} is protected: name a gate that the model must pass.`, {
      alias,
      model: id,
    });
  }
  return own;
}

/**
 * What the model becomes when it passes. One that is held by a gate was meant for the public; one that someone made
 * private is published by those only who may.
 * @throws Problem `insufficient-scope`
 */
async function releaseOf(
  { CATALOG }: Environment,
  known: ServedModel | undefined,
  { id, visibility, mayPublish }: Pick<GatedRequest, "id" | "visibility" | "mayPublish">,
): Promise<Visibility> {
  if (known === undefined || visibilityOf(known) === "public" || (await isHeld(CATALOG, id))) {
    return visibility ?? "public";
  }
  if (visibility === "public" && !mayPublish) throw insufficientScope(["publish"]);
  return visibility ?? "private";
}

async function existing({ CATALOG }: Environment, { id }: Pick<GatedRequest, "id">): Promise<ServedModel> {
  const fused = await findFused(CATALOG, id);
  if (fused === undefined) throw new Error(`fusion ${id} was there a moment ago`);
  return fused;
}
