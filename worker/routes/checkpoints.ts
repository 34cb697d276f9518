import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  checkpointDescription,
  checkpointPage,
  type CompositeCheckpoint,
  compositeCheckpoint,
  type RegisterRequest,
  registerRequest,
  SAFETENSORS_MEDIA_TYPES,
} from "../../shared/api/checkpoints.ts";
import { checkpointQuery } from "../../shared/api/listing.ts";
import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import {
  findComposite,
  forgetCheckpoint,
  insertCheckpoint,
  listCheckpoints,
  requireCheckpoint,
} from "../catalog/checkpoints.ts";
import { isolateBudget } from "../engine/budget.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { adoptObject } from "../objects/adopt.ts";
import { describeCheckpoint, summarizeCheckpoint } from "../objects/describe-checkpoint.ts";
import { announcedDigest, checkpointKey } from "../objects/keys.ts";
import { receiveFile } from "../objects/receive.ts";
import { openObject, serveRepresentation } from "../objects/serve.ts";
import { compositeId, openCheckpoint, openComposite } from "../objects/open-checkpoint.ts";
import { streamSource } from "../objects/stream-source.ts";
import { boundaryOf, parseFormData } from "../multipart/parse.ts";
import { holdBody } from "../multipart/receive.ts";
import { TfjsForm } from "../multipart/tfjs-upload.ts";
import { checkpointPlace, enterCheckpoint, validateCheckpoint } from "../registering/checkpoints.ts";
import { enterTopology, topologyOfUpload } from "../registering/topologies.ts";
import { indexOlder } from "../registering/index-older.ts";
import { announcedName, incomingName } from "../objects/names.ts";
import { type AnnouncedFile, announcedFile, mediaType, requireMediaType, seeThrough } from "./body.ts";
import { bearer, bytesOf, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

/** A TF.js model is held while it is converted. */
const MOST_TFJS_BYTES = 40 * 2 ** 20;

const registration = z.union([registerRequest, compositeCheckpoint]);

const binary = { schema: { type: "string" as const, format: "binary" } };

const register = createRoute({
  method: "post",
  path: "/v1/checkpoints",
  summary: "Register a checkpoint: a safetensors file, or the key of one uploaded through S3",
  description:
    "The file is validated and hashed while it passes; nothing is stored unless it is whole and right. " +
    "A sharded checkpoint is registered by its index and the checkpoints of its files. A TF.js model comes as a form with " +
    "`model.json` and the weight files, as `model.save()` posts it. " +
    "`Repr-Digest: sha-256=:…:` is verified where it is sent, and saves larger files a copy. " +
    '`Content-Disposition: attachment; filename="…"` gives it a name.',
  security: bearer,
  request: {
    body: {
      content: {
        "application/json": { schema: registration },
        ...Object.fromEntries(["multipart/form-data", ...SAFETENSORS_MEDIA_TYPES].map((type) => [type, binary])),
      },
    },
  },
  responses: {
    200: jsonOf("The checkpoint was known already", checkpointDescription),
    201: jsonOf("The checkpoint is registered", checkpointDescription),
    ...problems,
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/checkpoints",
  summary: "List checkpoints, newest first",
  description: "All filters that are given must fit.",
  security: bearer,
  request: { query: checkpointQuery },
  responses: { 200: jsonOf("A page", checkpointPage), ...problems },
});

const parameters = { params: z.object({ id: checkpointId }) };

const describe = createRoute({
  method: "get",
  path: "/v1/checkpoints/{id}",
  summary: "Describe a checkpoint: tensors, metadata, alignment, architecture",
  security: bearer,
  request: parameters,
  responses: { 200: jsonOf("The checkpoint", checkpointDescription), ...problems },
});

const download = createRoute({
  method: "get",
  path: "/v1/checkpoints/{id}/model.safetensors",
  summary: "The file of a checkpoint, or a range of it",
  security: bearer,
  request: parameters,
  responses: { ...bytesOf("The file", "application/octet-stream"), ...problems },
});

/** Checkpoints: what fusions are made of. */
export function checkpointRoutes({ now, uniqueName }: Dependencies) {
  return newRouter()
    .openapi(register, async (c) => {
      requireMediaType(c, ["application/json", "multipart/form-data", ...SAFETENSORS_MEDIA_TYPES]);
      const { body, isNew } = await seeThrough(
        c,
        registerBody(c, () => registration.parse(c.req.valid("json"))),
      );
      c.header("location", `/v1/checkpoints/${body.id}`);
      return isNew ? c.json(body, 201) : c.json(body, 200);
    })
    .openapi(list, async (c) => {
      const query = c.req.valid("query");
      const { family, dataset, metric, minAccuracy } = query;
      if ([family, dataset, metric, minAccuracy].some((filter) => filter !== undefined)) await indexOlder(c.env);
      return c.json(await listCheckpoints(c.env.CATALOG, query), 200);
    })
    .openapi(describe, async (c) => {
      const summary = await requireCheckpoint(c.env.CATALOG, c.req.valid("param").id);
      const { input } = await openCheckpoint(c.env, summary.id);
      return c.json(describeCheckpoint(summary, input.header), 200);
    })
    .openapi(download, async (c) => {
      const { id, bytes } = await requireCheckpoint(c.env.CATALOG, c.req.valid("param").id);
      if ((await findComposite(c.env.CATALOG, id)) !== undefined) {
        const { input } = await openCheckpoint(c.env, id);
        return serveRepresentation(c, {
          bytes,
          // The id names what it is made of; nobody has hashed the one file that it amounts to.
          sha256: undefined,
          etag: `checkpoint-${id}`,
          contentType: "application/octet-stream",
          isPublic: false,
          open: async ({ begin, end }) => streamSource(input.source, begin, end),
        });
      }
      return serveRepresentation(c, {
        bytes,
        sha256: id,
        contentType: "application/octet-stream",
        isPublic: false,
        open: openObject(c.env.BUCKET, checkpointKey(id)),
      });
    });

  function registerBody(c: AppContext, json: () => RegisterRequest | CompositeCheckpoint) {
    switch (mediaType(c)) {
      case "application/json": {
        const request = json();
        return "key" in request ? registerKey(c, request.key) : registerComposite(c, request);
      }
      case "multipart/form-data":
        return registerTfjs(c);
      default:
        return registerUpload(c, announcedFile(c));
    }
  }

  /** A TF.js model becomes the safetensors file it amounts to, and is received like one. */
  async function registerTfjs(c: AppContext) {
    const { memoryBudgetBytes, maxUploadBytes } = limitsOf(c.env);
    const maxBytes = Math.min(MOST_TFJS_BYTES, maxUploadBytes);
    const { body, length } = announcedFile(c, maxBytes);
    const held = await holdBody({ body, length, maxBytes, budget: isolateBudget(memoryBudgetBytes) });
    try {
      const parts = parseFormData(held.bytes, boundaryOf(c.req.header("content-type") ?? ""));
      const form = new TfjsForm(parts);
      const topology = await topologyOfUpload(c.env, form.modelJson);
      const { layout, source } = await form.checkpoint(topology?.id);
      const registered = await registerUpload(c, {
        body: streamSource(source, 0, layout.fileLength),
        length: layout.fileLength,
        announced: undefined,
        // Quantised weights are four times as large when they are decoded.
        maxBytes: Number.MAX_SAFE_INTEGER,
      });
      // Last, so that a model that is refused leaves nothing; whoever was interrupted here sends it again.
      const isNamed = topology !== undefined && registered.body.topology === topology.id;
      if (isNamed) await enterTopology(c.env, topology, now());
      return registered;
    } finally {
      held.lease.release();
    }
  }

  async function registerComposite(c: AppContext, composite: CompositeCheckpoint) {
    const id = compositeId(composite);
    const { input } = await openComposite(c.env, id, composite);
    validateCheckpoint(input.header);
    const summary = summarizeCheckpoint({ id, name: null }, input.header, now().toISOString());
    const isNew = await insertCheckpoint(c.env.CATALOG, summary, composite);
    const entered = isNew ? summary : await requireCheckpoint(c.env.CATALOG, id);
    return { body: describeCheckpoint(entered, input.header), isNew };
  }

  async function registerUpload(c: AppContext, { body, ...announcement }: AnnouncedFile) {
    const file = await receiveFile(body, {
      ...announcement,
      ...checkpointPlace(c.env, now()),
      budget: isolateBudget(limitsOf(c.env).memoryBudgetBytes),
      stagingName: uniqueName,
      validate: validateCheckpoint,
    });
    return enterCheckpoint(c.env, file, announcedName(c.req.header("content-disposition")), now());
  }

  async function registerKey(c: AppContext, key: string) {
    try {
      const file = await adoptObject(key, {
        ...checkpointPlace(c.env, now()),
        folder: "checkpoints",
        maxBytes: Number.MAX_SAFE_INTEGER,
        validate: validateCheckpoint,
      });
      const registered = await enterCheckpoint(c.env, file, incomingName(key), now());
      if (announcedDigest("checkpoints", key) === undefined) await c.env.BUCKET.delete(key);
      return registered;
    } catch (error) {
      const announced = announcedDigest("checkpoints", key);
      // Someone overwrote a registered object through S3: the catalog must not promise it any longer.
      if (announced !== undefined && error instanceof Problem && error.code === "digest-mismatch") {
        await forgetCheckpoint(c.env.CATALOG, announced as CheckpointId);
      }
      throw error;
    }
  }
}
