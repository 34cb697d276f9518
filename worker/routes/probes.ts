import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import { createProbeRequest, type ProbeDescription, probeDescription } from "../../shared/api/probes.ts";
import { barrierChart } from "../../shared/evaluation/chart.ts";
import { probeId, type ProbeId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { limitsOf } from "../environment.ts";
import { engineOf } from "../engine/engine.ts";
import { chartKey, probeKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";
import { answerQuestion } from "../probing/answer.ts";
import { resolveQuestion } from "../probing/question.ts";
import { seeThrough } from "./body.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const create = createRoute({
  method: "post",
  path: "/v1/probes",
  summary: "Measure the barrier between two models on validation shards",
  description: "Evaluates models on the straight line between a and b. The same question has one answer, stored once.",
  security: bearer,
  request: { body: { required: true, content: { "application/json": { schema: createProbeRequest } } } },
  responses: {
    200: jsonOf("Answered before", probeDescription),
    201: jsonOf("The answer", probeDescription),
    ...problems,
  },
});

const parameters = { params: z.object({ id: probeId }) };

const get = createRoute({
  method: "get",
  path: "/v1/probes/{id}",
  summary: "The answer of a probe",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The probe", probeDescription), ...problems },
});

const chart = createRoute({
  method: "get",
  path: "/v1/probes/{id}/barrier.svg",
  summary: "The barrier as a picture",
  security: bearer,
  request: parameters,
  responses: {
    200: { description: "The chart", content: { "image/svg+xml": { schema: { type: "string" as const } } } },
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
      c.header("location", `/v1/probes/${question.id}`);
      const known = await findProbe(BUCKET, question.id);
      if (known !== undefined) return c.json(known, 200);

      const engine = await engineOf(limitsOf(c.env).memoryBudgetBytes);
      const report = await seeThrough(
        c,
        engine.turns.run(() => answerQuestion(BUCKET, engine, question, request.batch)),
      );
      const probe: ProbeDescription = {
        id: question.id,
        a: question.a.id,
        b: question.b.id,
        shards: question.shards.map(({ id }) => id),
        ...report,
        points: [...report.points],
        createdAt: now().toISOString(),
      };
      const stored = await seeThrough(c, storeProbe(BUCKET, probe));
      return stored === probe ? c.json(probe, 201) : c.json(stored, 200);
    })
    .openapi(get, async (c) => c.json(await requireProbe(c.env.BUCKET, c.req.valid("param").id), 200))
    .openapi(chart, async (c) => {
      const { id } = c.req.valid("param");
      const object = await c.env.BUCKET.get(chartKey(id));
      if (object === null) throw notFound(id);
      return c.body(object.body, 200, {
        "content-type": "image/svg+xml; charset=utf-8",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
        "x-content-type-options": "nosniff",
        "cache-control": "private, max-age=31536000, immutable",
      });
    });
}

/**
 * Stores an answer and its picture. The answer goes last, since it is what makes the probe exist; where two requests
 * answered at once, the first one's is kept.
 */
async function storeProbe(bucket: R2Bucket, probe: ProbeDescription): Promise<ProbeDescription> {
  const title = `Between ${probe.a.slice(0, 8)} and ${probe.b.slice(0, 8)}`;
  const picture = barrierChart(title, [{ label: `${probe.samples} samples`, points: probe.points }]);
  const hasDrawn = await putOnce(bucket, chartKey(probe.id), picture, "image/svg+xml");
  try {
    const isFirst = await putOnce(bucket, probeKey(probe.id), JSON.stringify(probe), "application/json");
    return isFirst ? probe : await requireProbe(bucket, probe.id);
  } catch (error) {
    if (hasDrawn) await bucket.delete(chartKey(probe.id));
    throw error;
  }
}

async function findProbe(bucket: R2Bucket, id: ProbeId): Promise<ProbeDescription | undefined> {
  const object = await bucket.get(probeKey(id));
  return object === null ? undefined : probeDescription.parse(await object.json());
}

async function requireProbe(bucket: R2Bucket, id: ProbeId): Promise<ProbeDescription> {
  const probe = await findProbe(bucket, id);
  if (probe === undefined) throw notFound(id);
  return probe;
}

function notFound(id: ProbeId): Problem {
  return new Problem("probe-not-found", `There is no probe ${id}.`, { probe: id });
}
