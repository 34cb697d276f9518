import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  badgeOfProbe,
  mainPictureOf,
  pictureOfProbe,
  PROBE_PICTURES,
  type PictureOptions,
  type ProbePicture,
} from "../../shared/api/probe-pictures.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import { svgFile } from "../../shared/evaluation/pictures/index.ts";
import { modelId, type ModelId, probeId, type ProbeId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { isPublicModel } from "../auth/readable.ts";
import type { AppContext } from "../environment.ts";
import { describeFused } from "../fusing/describe.ts";
import { cacheControl, varyField } from "../objects/serve.ts";
import { nameOfInput } from "../pages/input-names.ts";
import { manifestOfModel } from "../pages/model-facts.ts";
import { probeOfModel } from "../pages/model-probe.ts";
import { answerSvg } from "../pages/svg-answer.ts";
import { findProbe, probeNotFound } from "../probing/store.ts";
import { readableModel } from "../serving/readable-model.ts";
import { bearer, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** Pictures that a model has beside its files. */
export const MODEL_PICTURES = ["barrier.svg", "badge.svg"] as const;

const svg = (description: string) => ({
  200: { description, content: { "image/svg+xml": { schema: { type: "string" as const } } } },
  304: { description: "The copy named in If-None-Match is current" },
});

const measure = z.object({
  measure: z
    .enum(["accuracy", "loss"])
    .optional()
    .describe("Accuracy where it is left out; a regression has its squared error in either case"),
});

const SUMMARIES: Readonly<Record<ProbePicture, string>> = {
  barrier: "The barrier as a picture: the curve of a path, or a mean beside its models",
  plane: "The plane through three models as a heat map",
  matrix: "The barriers between each two of several models",
};

const NOT_ANSWERED = "404 until the probe is answered, and where its kind has no such picture.";

const pictureRoute = <const Name extends ProbePicture>(name: Name) =>
  createRoute({
    method: "get",
    path: `/v1/probes/{id}/${name}.svg`,
    summary: SUMMARIES[name],
    description: `${NOT_ANSWERED} Equal probes give equal bytes.`,
    security: bearer,
    request: { params: z.object({ id: probeId }), query: measure },
    responses: { ...svg("The picture"), ...problems },
  });

const [barrier, plane, matrix] = [pictureRoute("barrier"), pictureRoute("plane"), pictureRoute("matrix")];

const badge = createRoute({
  method: "get",
  path: "/v1/probes/{id}/badge.svg",
  summary: "The barrier as a badge for a README",
  description: `Green up to 1 point of accuracy, amber up to 5, red beyond. ${NOT_ANSWERED}`,
  security: bearer,
  request: { params: z.object({ id: probeId }) },
  responses: { ...svg("The badge"), ...problems },
});

const modelBarrier = createRoute({
  method: "get",
  path: "/models/{id}/barrier.svg",
  summary: "What lies between the checkpoints that a model was made of, as a picture",
  description: "Of its gate's probe, else of the newest probe of exactly these checkpoints. 404 where there is none.",
  request: { params: z.object({ id: modelId }), query: measure },
  responses: { ...svg("The picture"), ...problems },
});

const modelBadge = createRoute({
  method: "get",
  path: "/models/{id}/badge.svg",
  summary: "A model's barrier as a badge for a README",
  description: "Of a model with a gate, green where it has passed and red where it has not; else as a probe's badge.",
  request: { params: z.object({ id: modelId }) },
  responses: { ...svg("The badge"), ...problems },
});

/** Pictures of probes, and of the probes behind models. Drawn when they are asked for: they follow from the answer alone. */
export function pictureRoutes({ now }: Dependencies) {
  const draw = async (c: AppContext, id: ProbeId, name: ProbePicture, options: PictureOptions) => {
    const picture = pictureOfProbe(await answered(c, id), name, options);
    if (picture === undefined) throw noSuchPicture(id, name);
    return answerSvg(c, svgFile(picture), OF_PROBE);
  };

  /** A model's probe and how its pictures may be kept: a later probe may take its place. */
  const ofModel = async (c: AppContext, id: ModelId) => {
    const served = await readableModel(c, id, now());
    const { recipe, gate } = await describeFused(c.env.CATALOG, served);
    const probe = await probeOfModel(c.env, recipe, gate?.probe);
    if (probe === undefined) {
      throw new Problem("probe-not-found", `Nobody has probed what model ${id} was made of.`, { model: id });
    }
    const isPublic = isPublicModel(served);
    const fields = { "cache-control": cacheControl(isPublic, "brief"), vary: varyField(isPublic) };
    return { served, probe, fields, verdict: gate === null || gate.state === "pending" ? undefined : gate.state };
  };

  return newRouter()
    .openapi(barrier, (c) => draw(c, c.req.valid("param").id, "barrier", c.req.valid("query")))
    .openapi(plane, (c) => draw(c, c.req.valid("param").id, "plane", c.req.valid("query")))
    .openapi(matrix, (c) => draw(c, c.req.valid("param").id, "matrix", c.req.valid("query")))
    .openapi(badge, async (c) => {
      const { id } = c.req.valid("param");
      const drawn = badgeOfProbe(await answered(c, id));
      if (drawn === undefined) throw noSuchPicture(id, "badge");
      return answerSvg(c, drawn, OF_PROBE);
    })
    .openapi(modelBarrier, async (c) => {
      const { served, probe, fields } = await ofModel(c, c.req.valid("param").id);
      const nameOf = nameOfInput(await manifestOfModel(c.env.BUCKET, served));
      const picture = pictureOfProbe(probe, mainPictureOf(probe), { ...c.req.valid("query"), nameOf });
      if (picture === undefined) throw noSuchPicture(probe.id, "barrier");
      return answerSvg(c, svgFile(picture), fields);
    })
    .openapi(modelBadge, async (c) => {
      const { probe, fields, verdict } = await ofModel(c, c.req.valid("param").id);
      const drawn = badgeOfProbe(probe, verdict);
      if (drawn === undefined) throw noSuchPicture(probe.id, "badge");
      return answerSvg(c, drawn, fields);
    });
}

/** A probe's answer never changes; how it is drawn may, with a deployment. */
const OF_PROBE = { "cache-control": "private, max-age=86400", vary: "Authorization, Accept-Encoding" };

async function answered(c: AppContext, id: ProbeId): Promise<ProbeDescription> {
  const probe = await findProbe(c.env.BUCKET, id);
  if (probe === undefined) throw probeNotFound(id);
  return probe;
}

function noSuchPicture(id: ProbeId, name: string): Problem {
  return new Problem("not-found", `Probe ${id} is of a kind, or was asked in a way, that has no ${name}.svg.`, {
    probe: id,
    pictures: PROBE_PICTURES.map((picture) => `${picture}.svg`),
  });
}
