import type { OpenAPIHono } from "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import * as z from "zod";
import { Problem } from "../../shared/problem.ts";
import type { AppContext, AppEnvironment } from "../environment.ts";
import { describeRevision } from "../hub/describe.ts";
import { entriesOf, listEntries, noSuchEntry, openEntry } from "../hub/entries.ts";
import { findRevision, type Revision } from "../hub/repository.ts";
import { cacheControl, entityTag, serveRepresentation, varyField } from "../objects/serve.ts";
import { malformedRequest } from "../problems/validation.ts";
import { isPublicModel } from "../auth/readable.ts";
import { readerOf } from "./models.ts";
import { bytesOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";

const MAX_BODY_BYTES = 256 * 1024;
const MAX_PATHS = 1000;

const pathsRequest = z.object({
  paths: z.union([z.string().transform((path) => [path]), z.array(z.string()).max(MAX_PATHS)]).default([]),
  expand: z.union([z.boolean(), z.enum(["true", "false", "True", "False"])]).default(false),
});

/** How the address of a repository begins, and the router's pattern for it. */
const REPOSITORIES = [
  { template: "{namespace}/{name}", pattern: ":namespace/:name" },
  { template: "{name}", pattern: ":name" },
] as const;

/**
 * What Hugging Face's clients ask of a Hub, so that they load fused models with no more than another Hub address.
 * `raw` answers as `resolve` does: nothing here is a pointer to something else.
 */
export function hubRoutes({ now }: Dependencies) {
  const router = newRouter();

  const revisionOf = (c: AppContext, revision = c.req.param("revision") ?? "main") => {
    const { namespace, name = "" } = c.req.param() as { namespace?: string; name?: string };
    return findRevision(c, namespace === undefined ? name : `${namespace}/${name}`, revision, now());
  };

  const resolve = async (c: AppContext) => {
    const revision = await revisionOf(c);
    const path = c.req.param("path") ?? "";
    const found = await openEntry(readerOf(c, now), revision, path);
    const headers = {
      "x-repo-commit": revision.commit,
      "x-linked-size": String(found.bytes),
      "x-linked-etag": found.sha256 === undefined ? entityTag(found) : `"${found.sha256}"`,
      "content-disposition": `inline; filename="${path}"`,
    };
    return serveRepresentation(c, found, { freshness: revision.freshness, headers });
  };

  const describe = async (c: AppContext) => {
    const revision = await revisionOf(c);
    return answer(c, revision, await describeRevision(readerOf(c, now), revision));
  };

  const tree = async (c: AppContext) => {
    const revision = await revisionOf(c);
    if ((c.req.param("path") ?? "") !== "") throw noSuchEntry(revision, "The repository has no folders.");
    const expand = isTrue(c.req.query("expand"));
    return answer(c, revision, await listEntries(readerOf(c, now), revision, expand));
  };

  const pathsInfo = async (c: AppContext) => {
    const revision = await revisionOf(c);
    const { paths, expand } = await readPaths(c);
    return answer(c, revision, await entriesOf(readerOf(c, now), revision, paths, isTrue(String(expand))));
  };

  const limited = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new Problem("payload-too-large", `The body has at most ${MAX_BODY_BYTES} bytes.`, {
        limit: MAX_BODY_BYTES,
      });
    },
  });

  for (const { template, pattern } of REPOSITORIES) {
    for (const verb of ["resolve", "raw"] as const) {
      describeRoute(router, "get", `/${template}/${verb}/{revision}/{path}`);
      router.get(`/${pattern}/${verb}/:revision/:path{.+}`, errorCodes, resolve);
    }
    describeRoute(router, "get", `/api/models/${template}`);
    router.get(`/api/models/${pattern}`, errorCodes, describe);
    describeRoute(router, "get", `/api/models/${template}/revision/{revision}`);
    router.get(`/api/models/${pattern}/revision/:revision`, errorCodes, describe);
    describeRoute(router, "get", `/api/models/${template}/tree/{revision}`);
    router.get(`/api/models/${pattern}/tree/:revision`, errorCodes, tree);
    describeRoute(router, "get", `/api/models/${template}/tree/{revision}/{path}`);
    router.get(`/api/models/${pattern}/tree/:revision/:path{.+}`, errorCodes, tree);
    describeRoute(router, "post", `/api/models/${template}/paths-info/{revision}`);
    router.post(`/api/models/${pattern}/paths-info/:revision`, errorCodes, limited, pathsInfo);
  }
  return router;
}

/** Says in Hugging Face's words what was not found: its clients tell by this field, and not by the status. */
const errorCodes = createMiddleware<AppEnvironment>(async (c, next) => {
  await next();
  const { error } = c;
  if (!(error instanceof Problem)) return;
  const named = error.members["errorCode"];
  const code = error.code === "model-not-found" ? "RepoNotFound" : named;
  if (typeof code !== "string") return;
  c.res.headers.set("x-error-code", code);
  // The text may hold what was asked for, and a field takes printable ASCII only.
  c.res.headers.set("x-error-message", error.message.replaceAll(/[^\u0020-\u007E]/g, "?").slice(0, 500));
});

function answer(c: AppContext, revision: Revision, body: object): Response {
  const isPublic = isPublicModel(revision.served);
  c.header("cache-control", cacheControl(isPublic, "brief"));
  c.header("vary", varyField(isPublic));
  c.header("x-repo-commit", revision.commit);
  return c.json(body);
}

/** The JavaScript client sends JSON, the Python one a form. */
async function readPaths(c: AppContext) {
  const text = await c.req.text();
  const isForm = (c.req.header("content-type") ?? "").startsWith("application/x-www-form-urlencoded");
  const parsed = pathsRequest.safeParse(isForm ? formOf(text) : jsonOf(text));
  if (!parsed.success) throw malformedRequest("json", parsed.error);
  return parsed.data;
}

function formOf(text: string): unknown {
  const form = new URLSearchParams(text);
  return { paths: form.getAll("paths"), expand: form.get("expand") ?? false };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("malformed-request", "The body is not JSON.");
  }
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === "true" || text === "1";
}

const SUMMARIES = {
  resolve: "A file of a model, for Hugging Face's clients",
  raw: "The same file: nothing here is a pointer",
  info: "A model, for Hugging Face's clients",
  tree: "The files of a model, for Hugging Face's clients",
  "paths-info": "Some files of a model, for Hugging Face's clients",
} as const;

const PARAMETERS: Readonly<Record<string, string>> = {
  namespace: "First part of an alias, or `models`",
  name: "An alias or its second part, or the id of a model",
  revision: "`main`, a version of the alias such as `v3`, or the id of a model that it pointed at",
  path: "Name of a file, such as `model.safetensors`",
};

/** The router takes patterns that OpenAPI cannot write, so the description is entered beside it. */
function describeRoute(router: OpenAPIHono<AppEnvironment>, method: "get" | "post", path: string): void {
  const names = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = ""]) => name);
  const shape = Object.fromEntries(names.map((name) => [name, z.string().describe(PARAMETERS[name] ?? name)]));
  const kind = (["resolve", "raw", "tree", "paths-info"] as const).find((verb) => path.includes(`/${verb}/`)) ?? "info";
  const isFile = kind === "resolve" || kind === "raw";
  router.openAPIRegistry.registerPath({
    method,
    path,
    summary: SUMMARIES[kind],
    request: {
      params: z.object(shape),
      ...(method === "post"
        ? { body: { content: { "application/json": { schema: z.object({ paths: z.array(z.string()) }) } } } }
        : {}),
    },
    responses: {
      ...(isFile
        ? bytesOf("The file, with `X-Linked-Size`, `X-Linked-Etag` and `X-Repo-Commit`", "application/octet-stream")
        : {
            200: {
              description: "JSON, as far as the clients read it",
              content: { "application/json": { schema: z.any() } },
            },
          }),
      ...problems,
    },
  });
}
