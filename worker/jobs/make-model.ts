import type { z } from "zod";
import type { AliasName } from "../../shared/api/aliases.ts";
import type { createFusionRequest } from "../../shared/api/fusions.ts";
import { gateForm } from "../../shared/api/gates.ts";
import type { JobResult } from "../../shared/api/jobs.ts";
import type { ProblemDocument } from "../../shared/api/problem.ts";
import { createProbeRequest, type ProbeQuestion } from "../../shared/api/probes.ts";
import type { CheckpointId, GateId, ModelId, ProbeId } from "../../shared/identity.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import type { SpecOf } from "../../shared/jobs/spec.ts";
import { Problem } from "../../shared/problem.ts";
import { modelIdOf, parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import { findAlias } from "../catalog/aliases.ts";
import { findGate, type GateRecord } from "../catalog/gates.ts";
import type { Environment } from "../environment.ts";
import { keepGoing } from "../fusing/background.ts";
import { findFused } from "../fusing/served-model.ts";
import { keepDeciding } from "../gating/background.ts";
import { carryOutOrders } from "../gating/carry-out.ts";
import { describeGate, refusedByGate } from "../gating/describe.ts";
import { requestGatedFusion } from "../gating/request.ts";
import { lookAtProbe, startProbe } from "../probing/background.ts";
import { resolveQuestion } from "../probing/question.ts";
import { problemDocument } from "../problems/render.ts";

/** What to fuse, and what becomes of it: as the body of `POST /v1/fusions`. */
export type FusionOrder = z.output<typeof createFusionRequest>;

/** A fusion that was asked for. */
export interface Ordered {
  readonly model: ModelId;
  readonly gates: readonly GateId[];
}

/** What a pipeline fuses of its members. */
export function orderOf(
  { fuse, gate, dataset, datasetVersion, alias }: SpecOf<"pipeline">,
  members: readonly CheckpointId[],
): FusionOrder {
  const { method, parameters, weights, dtype, visibility } = fuse;
  const inputs = members.map((checkpoint, index) => ({
    checkpoint,
    ...(weights === undefined ? {} : { weight: weights[index] }),
  }));
  const recipe = parseRecipe({ method, inputs, parameters, ...(dtype === undefined ? {} : { dtype }) });
  const version = datasetVersion === undefined ? {} : { version: datasetVersion };
  return {
    // The same as its own schema makes of it.
    recipe: recipe as unknown as FusionOrder["recipe"],
    materialize: "eager",
    ...(visibility === undefined ? {} : { visibility }),
    ...(gate === undefined ? {} : { gate: gateForm.parse({ ...gate, dataset, ...version }) }),
    ...(alias === undefined ? {} : { alias }),
  };
}

/**
 * Asks for a fusion, by the same function as the route. Asking again changes nothing.
 * @param job what orders it, and the id of the principal that posted it, who had the scope `publish` where an alias is
 *   named
 */
export async function orderModel(
  environment: Environment,
  { recipe: draft, visibility, gate, alias }: FusionOrder,
  { id: job, createdBy: by }: { readonly id: JobId; readonly createdBy: string },
  now: () => Date,
): Promise<Ordered> {
  const recipe = parseRecipe(draft);
  const id = modelIdOf(recipe);
  const whose = { mayPublish: alias !== undefined, by, job };
  const request = { id, recipe, materialize: "eager" as const, isAsync: true, visibility, gate, alias, ...whose };
  const { gates } = await requestGatedFusion(environment, request, now);
  return { model: id, gates: gates.map((entered) => entered.id) };
}

/** How a fusion and its gates are. */
export type Making =
  | { readonly kind: "waiting" }
  | { readonly kind: "made"; readonly gate: JobResult["gate"] }
  | { readonly kind: "failed"; readonly problem: ProblemDocument; readonly gate: JobResult["gate"] };

/** Looks at a fusion, and wakes it where it fell asleep. */
export async function lookAtModel(
  environment: Environment,
  { model, gates: ids }: Ordered,
  now: () => Date,
): Promise<Making> {
  const path = `/v1/fusions/${model}`;
  const fused = await findFused(environment.CATALOG, model);
  const failed = (problem: Problem, gate: GateRecord | undefined): Making => ({
    kind: "failed",
    problem: problemDocument(problem, path),
    gate: gate === undefined ? null : describeGate(gate),
  });
  if (fused === undefined) {
    return failed(new Problem("model-not-found", "The model was deleted.", { model }), undefined);
  }
  if (fused.kind === "computed") {
    const { state, problem } = fused.fusion;
    switch (state) {
      case "failed":
        return problem === null
          ? failed(new Problem("internal", "The fusion failed inside edgefuse."), undefined)
          : { kind: "failed", problem, gate: null };
      case "cancelled":
        return failed(new Problem("fusion-cancelled", "The fusion was cancelled.", { model }), undefined);
      case "lazy":
      case "queued":
      case "running":
        await keepGoing(environment, fused.fusion, now);
        return { kind: "waiting" };
      default:
        return state satisfies never;
    }
  }
  await keepDeciding(environment, model, now);
  const gates: GateRecord[] = [];
  for (const id of ids) {
    const gate = await findGate(environment.CATALOG, id);
    if (gate !== undefined) gates.push(gate);
  }
  const refused = gates.find(({ state }) => state === "refused");
  if (refused !== undefined) return failed(refusedByGate(refused), refused);
  if (gates.some(({ state }) => state === "pending")) return { kind: "waiting" };
  await carryOutOrders(environment, model, now);
  const [first] = gates;
  return { kind: "made", gate: first === undefined ? null : describeGate(first) };
}

/** Where an alias is, if it is at this model. */
export async function aliasAt(
  { CATALOG }: Pick<Environment, "CATALOG">,
  name: AliasName,
  model: ModelId,
): Promise<JobResult["alias"]> {
  const found = await findAlias(CATALOG, name);
  return found?.model === model ? { name: found.name, version: found.version, model } : null;
}

/** What a pipeline asks of its members: the path between two, the mean of more. */
export function questionOf(
  { dataset, datasetVersion, gate }: SpecOf<"pipeline">,
  members: readonly CheckpointId[],
): ProbeQuestion | undefined {
  const models = [...new Set(members)];
  if (dataset === undefined || models.length < 2 || models.length > 16) return undefined;
  const { statistics, calibration, as } = gate ?? {};
  const on = {
    dataset,
    ...(datasetVersion === undefined ? {} : { version: datasetVersion }),
    statistics,
    calibration,
    as,
  };
  return createProbeRequest.parse(
    models.length === 2 ? { kind: "path", a: models[0], b: models[1], ...on } : { kind: "mean", models, ...on },
  );
}

/** Asks a question. @returns its name */
export async function askProbe(environment: Environment, question: ProbeQuestion, now: () => Date): Promise<ProbeId> {
  const resolved = await resolveQuestion(environment.CATALOG, question);
  const state = await lookAtProbe(environment, resolved.id, now);
  if (state?.kind !== "answered") await startProbe(environment, resolved, now);
  return resolved.id;
}

/** @returns whether it is answered @throws Problem why it cannot be */
export async function isAnswered(environment: Environment, id: ProbeId, now: () => Date): Promise<boolean> {
  const state = await lookAtProbe(environment, id, now);
  if (state === undefined) throw new Problem("probe-not-found", `The probe ${id} was lost.`, { probe: id });
  if (state.kind === "failed") throw state.problem;
  return state.kind === "answered";
}
