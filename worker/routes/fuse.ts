import { createRoute } from "@hono/zod-openapi";
import { type FusionInput, fuseRange, planFusion, readFusionInput } from "../../shared/fusion/index.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { modelIdOf } from "../../shared/recipe/canonical-recipe.ts";
import { isolateBudget } from "../engine/budget.ts";
import { engineOf } from "../engine/engine.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { bodyOf, primed } from "../fusing/primed.ts";
import { recipeFromForm } from "../multipart/fusion-form.ts";
import { boundaryOf, type FormPart, parseFormData } from "../multipart/parse.ts";
import { holdBody } from "../multipart/receive.ts";
import { sha256Hex } from "../objects/digest.ts";
import { announcedFile, requireMediaType, seeThrough } from "./body.ts";
import { bearer, problems } from "./responses.ts";
import { newRouter } from "./router.ts";

/** The files are held in memory, and the fusion wants its share of the budget too. */
const MOST_FORM_BYTES = 48 * 2 ** 20;

const fuse = createRoute({
  method: "post",
  path: "/v1/fuse",
  summary: "Fuse the files of a form; the result streams back, and nothing is stored",
  description:
    "`curl -F a=@a.safetensors -F b=@b.safetensors …/v1/fuse > c.safetensors`. Files are fused in their order, whatever " +
    "their fields are called, except `base` and `statistics`. Text fields, as of the command line: `method`, `weights` " +
    "(`1,0.5`), `base` (name of the field that is the base), `dtype`, `nonFloat`, `allowNonFinite`, `requireAlignment`, " +
    "`set` (`density=0.5`) and `set-input` (`2:density=0.5`), both any number of times. Up to 48 MiB in all; what is " +
    "larger is uploaded to /v1/checkpoints first.",
  security: bearer,
  request: {
    body: {
      required: true,
      content: { "multipart/form-data": { schema: { type: "object" as const, additionalProperties: true } } },
    },
  },
  responses: {
    200: {
      description: "The fused model as safetensors",
      content: { "application/octet-stream": { schema: { type: "string" as const, format: "binary" } } },
    },
    ...problems,
  },
});

/** One request, one fused file. */
export function fuseRoutes() {
  return newRouter().openapi(fuse, (c) => seeThrough(c, fuseForm(c)));
}

async function fuseForm(c: AppContext): Promise<Response> {
  requireMediaType(c, ["multipart/form-data"]);
  const boundary = boundaryOf(c.req.header("content-type") ?? "");
  const { memoryBudgetBytes, maxUploadBytes } = limitsOf(c.env);
  const { body, length } = announce(c, Math.min(MOST_FORM_BYTES, maxUploadBytes));
  const budget = isolateBudget(memoryBudgetBytes);
  const held = await holdBody({ body, length, maxBytes: Math.min(MOST_FORM_BYTES, maxUploadBytes), budget });
  try {
    const parts = parseFormData(held.bytes, boundary);
    const files = await readFiles(parts.filter(({ fileName }) => fileName !== undefined));
    const recipe = recipeFromForm(
      parts,
      files.map(({ field, input }) => ({ field, id: input.id })),
    );
    const plan = planFusion(
      recipe,
      files.map(({ input }) => input),
    );
    const chunks = await primed(fuseRange(plan, await engineOf(memoryBudgetBytes)));
    const answer = bodyOf(chunks, plan.layout.fileLength, (work) =>
      c.executionCtx.waitUntil(work.finally(() => held.lease.release())),
    );
    const id = modelIdOf(recipe);
    return new Response(answer, {
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(plan.layout.fileLength),
        "content-disposition": `attachment; filename="${id.slice(0, 12)}.safetensors"`,
        "cache-control": "no-store, no-transform",
        "x-content-type-options": "nosniff",
        etag: `"model-${id}"`,
      },
    });
  } catch (error) {
    held.lease.release();
    throw error;
  }
}

/** @throws Problem `payload-too-large`, which says where larger files go */
function announce(c: AppContext, maxBytes: number): ReturnType<typeof announcedFile> {
  try {
    return announcedFile(c, maxBytes);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "payload-too-large") throw error;
    throw new Problem(
      "payload-too-large",
      `A form has at most ${maxBytes} bytes. Upload larger files to /v1/checkpoints, and fuse them by POST /v1/fusions.`,
      { limit: maxBytes },
    );
  }
}

async function readFiles(parts: readonly FormPart[]): Promise<{ field: string; input: FusionInput }[]> {
  if (parts.length === 0) throw new Problem("malformed-request", "The form has no file (-F name=@file).");
  const files = [];
  for (const { name, data } of parts) {
    const id = (await sha256Hex(data)) as CheckpointId;
    // Copied: what is read is the reader's, who gives the memory back.
    const source = { read: async (begin: number, end: number) => data.slice(begin, end) };
    files.push({ field: name, input: await readFusionInput(id, source, data.length) });
  }
  return files;
}
