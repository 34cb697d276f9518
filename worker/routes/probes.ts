import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { createProbeRequest, pendingProbe, probeDescription } from "../../shared/api/probes.ts";
import { probeId, type ProbeId } from "../../shared/identity.ts";
import type { AppContext } from "../environment.ts";
import { answerNow, isLittleWork } from "../probing/answer-inline.ts";
import { lookAtProbe, type ProbeState, startProbe } from "../probing/background.ts";
import { prepareEvaluation } from "../probing/evaluation.ts";
import { resolveQuestion } from "../probing/question.ts";
import { findProbe, probeNotFound } from "../probing/store.ts";
import { seeThrough } from "./body.ts";
import { acknowledge, type Preferences, preferencesOf, waitFor } from "./preferences.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const create = createRoute({
  method: "post",
  path: "/v1/probes",
  summary: "Measure loss and accuracy between models on validation shards",
  description:
    "Evaluates models on the straight line between two, around the mean of several, or on the plane through three. The " +
    "same question has one answer, stored once. What takes more than some seconds, and everything with " +
    "`Prefer: respond-async` or `Prefer: wait=20`, a Workflow answers, and `Location` is where to look: with progress " +
    "and the answer over the shards that are done.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createProbeRequest } } } },
  responses: {
    200: jsonOf("Answered before", probeDescription),
    201: jsonOf("The answer", probeDescription),
    202: jsonOf("It is being answered", pendingProbe),
    ...problems,
  },
});

/** When to ask again, in seconds. */
const RETRY_AFTER = "1";

const parameters = { params: z.object({ id: probeId }) };

const get = createRoute({
  method: "get",
  path: "/v1/probes/{id}",
  summary: "The answer of a probe, or how far it is",
  security: bearer,
  request: parameters,
  responses: {
    200: jsonOf("The probe", probeDescription),
    202: jsonOf("It is being answered", pendingProbe),
    ...problems,
  },
});

/** Probes: what lies between two models. */
export function probeRoutes({ now }: Dependencies) {
  return newRouter()
    .openapi(create, async (c) => {
      const { BUCKET, CATALOG } = c.env;
      const request = c.req.valid("json");
      const question = await resolveQuestion(CATALOG, request);
      const preferences = preferencesOf(c.req.header("prefer"));
      c.header("location", `/v1/probes/${question.id}`);
      acknowledge(c, preferences);
      const known = await findProbe(BUCKET, question.id);
      if (known !== undefined) return c.json(known, 200);
      // Also where a Workflow is to answer: what cannot be evaluated is refused now.
      const prepared = await prepareEvaluation(c.env, question);
      const isForWorkflow =
        preferences.isAsync || preferences.waitSeconds !== undefined || !isLittleWork(c.env, prepared);
      if (isForWorkflow) {
        await seeThrough(c, startProbe(c.env, question, now));
        const state = await lookFor(c, question.id, preferences);
        if (state.kind === "answered") return c.json(state.probe, 201);
        c.header("retry-after", RETRY_AFTER);
        return c.json(state.probe, 202);
      }
      const { probe, isNew } = await seeThrough(c, answerNow(c.env, question, prepared, now));
      return isNew ? c.json(probe, 201) : c.json(probe, 200);
    })
    .openapi(get, async (c) => {
      const preferences = { ...preferencesOf(c.req.header("prefer")), isAsync: false };
      const state = await lookFor(c, c.req.valid("param").id, preferences);
      acknowledge(c, preferences);
      if (state.kind === "answered") return c.json(state.probe, 200);
      c.header("retry-after", RETRY_AFTER);
      c.header("cache-control", "no-store");
      return c.json(state.probe, 202);
    });

  /**
   * A probe as it is now, or when it is answered, or when the client has waited for as long as it would.
   * @throws Problem `probe-not-found`; why the answer failed
   */
  async function lookFor(
    c: AppContext,
    id: ProbeId,
    { waitSeconds }: Preferences,
  ): Promise<Exclude<ProbeState, { kind: "failed" }>> {
    const state = await waitFor(() => lookAtProbe(c.env, id, now), {
      hasEnded: (seen) => seen?.kind !== "pending",
      seconds: waitSeconds ?? 0,
      now,
    });
    if (state === undefined) throw probeNotFound(id);
    if (state.kind === "failed") throw state.problem;
    return state;
  }
}
