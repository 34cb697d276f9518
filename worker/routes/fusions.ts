import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  createFusionRequest,
  fusionDescription,
  fusionPlanDescription,
  planFusionRequest,
} from "../../shared/api/fusions.ts";
import { modelId, type ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { modelIdOf, parseRecipe } from "../../shared/recipe/canonical-recipe.ts";
import { hasScope, requireScope } from "../auth/principal.ts";
import { findGate, type GateRecord } from "../catalog/gates.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { cancelFusion, keepGoing } from "../fusing/background.ts";
import { describeFused, describePlan } from "../fusing/describe.ts";
import { hasEnded } from "../fusing/has-ended.ts";
import { prepareFusion } from "../fusing/prepare.ts";
import { findFused, type ServedModel } from "../fusing/served-model.ts";
import { keepDeciding } from "../gating/background.ts";
import { describeGate, refusedByGate } from "../gating/describe.ts";
import { type GatedFusion, requestGatedFusion } from "../gating/request.ts";
import { malformedRequest } from "../problems/validation.ts";
import { seeThrough } from "./body.ts";
import { fusionEvents } from "./fusion-events.ts";
import { acknowledge, type Preferences, preferencesOf, waitFor } from "./preferences.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** When to ask again, in seconds: a part takes about as long. */
const RETRY_AFTER = "1";

const create = createRoute({
  method: "post",
  path: "/v1/fusions",
  summary: "Fuse checkpoints by a recipe",
  description:
    "The same recipe has one answer: who asks again, or lists the inputs in another order, gets the same model. " +
    "Small inputs are fused within the request; larger ones by a Workflow, which `Location` tells about. " +
    "A lazy model is computed where and when it is read, and stored by the first read of all of it. " +
    "`Prefer: respond-async` leaves small inputs to a Workflow too; `Prefer: wait=20` waits for a Workflow so long. " +
    "With a `gate` the model is private until it was measured and has passed: then it is published, and `alias` points " +
    "at it. Where it does not pass, the answer is 409 `gate-refused` with what was measured; whoever asks again gets " +
    "the same verdict.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createFusionRequest } } } },
  responses: {
    200: jsonOf("The model exists already, or may be read already", fusionDescription),
    201: jsonOf("The model is made, or may be read from now on", fusionDescription),
    202: jsonOf("The model is being made", fusionDescription),
    ...problems,
  },
});

const dryRun = createRoute({
  method: "post",
  path: "/v1/fusions/plan",
  summary: "What a recipe comes to, tensor by tensor, without fusing anything",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: planFusionRequest } } } },
  responses: { 200: jsonOf("The plan", fusionPlanDescription), ...problems },
});

const parameters = { params: z.object({ id: modelId }) };

const get = createRoute({
  method: "get",
  path: "/v1/fusions/{id}",
  summary: "A fusion: its state, its progress, and where its result is",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The fusion", fusionDescription), ...problems },
});

const cancel = createRoute({
  method: "delete",
  path: "/v1/fusions/{id}",
  summary: "Cancel a fusion that is queued or running",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The fusion is cancelled; nothing of it remains", fusionDescription), ...problems },
});

const plan = createRoute({
  method: "get",
  path: "/v1/fusions/{id}/plan",
  summary: "What a fusion's recipe comes to, tensor by tensor",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The plan", fusionPlanDescription), ...problems },
});

const events = createRoute({
  method: "get",
  path: "/v1/fusions/{id}/events",
  summary: "Progress as server-sent events, until the fusion has ended",
  description:
    "Events are called `progress`; the last one `end`. The data of each is the fusion. A comment every 15 seconds keeps " +
    "the connection open.",
  security: bearer,
  request: {
    ...parameters,
    headers: z.object({
      "last-event-id": z.string().optional().describe("Id of the last event that was seen: only what is new is told"),
    }),
  },
  responses: {
    204: { description: "The end was seen already; there is nothing more to come" },
    200: { description: "Events", content: { "text/event-stream": { schema: { type: "string" as const } } } },
    ...problems,
  },
});

/** Fusions: models made on demand. */
export function fusionRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(
      create,
      async (c) => {
        const { recipe: draft, materialize, visibility, gate, alias } = c.req.valid("json");
        if (alias !== undefined) requireScope(c, "publish");
        const recipe = parseRecipe(draft);
        const id = modelIdOf(recipe);
        const preferences = preferencesOf(c.req.header("prefer"));
        const { isAsync } = preferences;
        const whose = { mayPublish: hasScope(c, "publish"), by: c.get("principal").id };
        const request = { id, recipe, materialize, isAsync, visibility, gate, alias, ...whose };
        const requested = await seeThrough(c, requestGatedFusion(c.env, request, now));
        const first = await describeGated(c, requested);
        const body = hasEnded(first) ? first : await waitForGated(c, requested, preferences);
        const { isNew: wasMade } = requested;
        const isNew = wasMade || (body.state === "succeeded" && first.state !== "succeeded");
        acknowledge(c, preferences);
        if (!hasEnded(body)) {
          c.header("location", body.links.self);
          c.header("retry-after", RETRY_AFTER);
          return c.json(body, 202);
        }
        const refused = await refusedOf(c, requested);
        if (refused !== undefined) throw refusedByGate(refused);
        // One that failed, or was cancelled meanwhile, has no model; its own description says why.
        const isReadable = body.state === "succeeded" || body.state === "lazy";
        c.header("location", isReadable ? body.links.model : body.links.self);
        return isNew ? c.json(body, 201) : c.json(body, 200);
      },
      (result, c) => (result.success ? undefined : refuse(c, result.target, result.error)),
    )
    .openapi(
      dryRun,
      async (c) => {
        const recipe = parseRecipe(c.req.valid("json").recipe);
        return c.json(await planFor(c, modelIdOf(recipe), recipe), 200);
      },
      (result, c) => (result.success ? undefined : refuse(c, result.target, result.error)),
    )
    .openapi(get, async (c) => {
      const preferences = preferencesOf(c.req.header("prefer"));
      const body = await lookFor(c, c.req.valid("param").id, preferences);
      acknowledge(c, { ...preferences, isAsync: false });
      if (!hasEnded(body)) c.header("retry-after", RETRY_AFTER);
      c.header("cache-control", "no-store");
      return c.json(body, 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid("param");
      await seeThrough(c, cancelFusion(c.env, id, now));
      return c.json(await describe(c, await requireFused(c, id)), 200);
    })
    .openapi(plan, async (c) => {
      const { id } = c.req.valid("param");
      const fused = await requireFused(c, id);
      const { recipe } = fused.kind === "stored" ? fused.record : fused.fusion;
      return c.json(await planFor(c, id, recipe), 200);
    })
    .openapi(events, async (c) => {
      const { id } = c.req.valid("param");
      await requireFused(c, id);
      return fusionEvents(c, async () => describe(c, await look(c, id)));
    });

  /** A fusion as it is now, or as it is when it has ended or the client has waited for as long as it would. */
  function lookFor(c: AppContext, id: ModelId, { waitSeconds }: Preferences) {
    const lookNow = async () => describe(c, await look(c, id));
    return waitFor(lookNow, { hasEnded, seconds: waitSeconds ?? 0, now });
  }

  /** Finds a fusion, and wakes it where it fell asleep. */
  async function look(c: AppContext, id: ModelId): Promise<ServedModel> {
    const fused = await requireFused(c, id);
    if (fused.kind === "computed") await keepGoing(c.env, fused.fusion, now);
    else await keepDeciding(c.env, id, now);
    return fused;
  }

  /** The same for a fusion with the gates that were asked for. */
  function waitForGated(c: AppContext, requested: GatedFusion, { waitSeconds }: Preferences) {
    const { id } = idOf(requested.fused);
    const lookNow = async () => describeGated(c, { ...requested, fused: await look(c, id) });
    return waitFor(lookNow, { hasEnded, seconds: waitSeconds ?? 0, now });
  }
}

const idOf = (fused: ServedModel) => (fused.kind === "stored" ? fused.record : fused.fusion);

/** A fusion with that of the gates that were asked for on which it depends what it becomes. */
async function describeGated(c: AppContext, { fused, gates }: GatedFusion) {
  const description = await describe(c, fused);
  const [first, ...others] = await freshGates(c, gates);
  if (first === undefined) return description;
  const all = [first, ...others];
  const telling = all.find(({ state }) => state === "refused") ?? all.find(({ state }) => state === "pending") ?? first;
  return { ...description, gate: describeGate(telling) };
}

/** A gate that refused the model, of those that were asked for. */
async function refusedOf(c: AppContext, { gates }: GatedFusion): Promise<GateRecord | undefined> {
  return (await freshGates(c, gates)).find(({ state }) => state === "refused");
}

/** Gates as they are now; verdicts never change, so only pending ones are looked up. */
function freshGates(c: AppContext, gates: readonly GateRecord[]): Promise<GateRecord[]> {
  return Promise.all(
    gates.map(async (gate) => (gate.state === "pending" ? ((await findGate(c.env.CATALOG, gate.id)) ?? gate) : gate)),
  );
}

function describe(c: AppContext, fused: ServedModel) {
  return describeFused(c.env.CATALOG, fused);
}

async function planFor(c: AppContext, id: ModelId, recipe: ReturnType<typeof parseRecipe>) {
  return describePlan(id, await prepareFusion(c.env, recipe), limitsOf(c.env).inlineBytes);
}

/** @throws Problem `model-not-found` */
async function requireFused(c: AppContext, id: ModelId): Promise<ServedModel> {
  const fused = await findFused(c.env.CATALOG, id);
  if (fused === undefined) throw new Problem("model-not-found", `There is no fusion ${id}.`, { model: id });
  return fused;
}

/** What is wrong within the recipe is the recipe's own kind of problem. */
async function refuse(c: AppContext, target: string, error: z.ZodError): Promise<never> {
  const within = ({ path, code }: z.core.$ZodIssue) =>
    path[0] === "recipe" && (path.length > 1 || code === "unrecognized_keys");
  if (error.issues.every(within)) {
    parseRecipe((await c.req.json<{ recipe: unknown }>()).recipe);
  }
  throw malformedRequest(target, error);
}
