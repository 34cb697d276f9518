import { createRoute } from "@hono/zod-openapi";
import * as z from "zod";
import {
  aliasDescription,
  type AliasDescription,
  aliasHistoryPage,
  aliasName,
  type AliasName,
  aliasPage,
  aliasQuery,
  putAliasRequest,
  rollbackAliasRequest,
} from "../../shared/api/aliases.ts";
import { gateDescription, type ParsedGateForm } from "../../shared/api/gates.ts";
import { pageQuery } from "../../shared/api/paging.ts";
import { Problem } from "../../shared/problem.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import { requireScope } from "../auth/principal.ts";
import { requireReadable } from "../auth/readable.ts";
import { findAliasVersion, findVersionBefore, listAliasHistory } from "../catalog/alias-history.ts";
import { type AliasRecord, createAlias, deleteAlias, findAlias, listAliases, moveAlias } from "../catalog/aliases.ts";
import { moveThroughGate } from "../gating/move-alias.ts";
import { describeGate, refusedByGate } from "../gating/describe.ts";
import type { AppContext } from "../environment.ts";
import { matchesEtag } from "../objects/range.ts";
import type { GateRecord } from "../catalog/gates.ts";
import { seeThrough } from "./body.ts";
import { versionTag, writeConditionOf } from "./preconditions.ts";
import { bearer, jsonOf, problems } from "./responses.ts";
import { type Dependencies, newRouter } from "./router.ts";
import { refusedChange, swapAlias } from "./swap-alias.ts";

const parameters = z.object({ name: aliasName.describe("`digits` or `team%2Fdigits`: a slash is written `%2F`") });

const conditions = z.object({
  "if-match": z.string().optional().describe('The version to change, such as `"v3"`'),
  "if-none-match": z.string().optional().describe("`*` to make an alias and never to move one"),
});

const withEtag = { ETag: { description: 'The version, such as `"v3"`', schema: { type: "string" as const } } };

const list = createRoute({
  method: "get",
  path: "/v1/aliases",
  summary: "List aliases, newest first",
  security: bearer,
  request: { query: aliasQuery },
  responses: { 200: jsonOf("A page", aliasPage), ...problems },
});

const get = createRoute({
  method: "get",
  path: "/v1/aliases/{name}",
  summary: "An alias: where it points, and its version",
  security: bearer,
  request: { params: parameters },
  responses: {
    200: { ...jsonOf("The alias", aliasDescription), headers: withEtag },
    304: { description: "The version named in If-None-Match is current" },
    ...problems,
  },
});

const put = createRoute({
  method: "put",
  path: "/v1/aliases/{name}",
  summary: "Make an alias, or move it",
  description:
    "Compare-and-swap: to move an alias takes `If-Match` with the version that was seen (428 without, 412 where it has " +
    "changed since). Without `If-Match` an alias is made. A protected alias with a gate has the model measured that it " +
    "shall move to, unless there is a verdict: 409 `gate-refused` where it does not pass, 202 where measuring takes " +
    "longer than a request; then the alias moves by itself, if it is still in the version that was seen.",
  security: bearer,
  request: {
    params: parameters,
    headers: conditions,
    body: { required: true, content: { "application/json": { schema: putAliasRequest } } },
  },
  responses: {
    200: { ...jsonOf("The alias has moved", aliasDescription), headers: withEtag },
    201: { ...jsonOf("The alias is made", aliasDescription), headers: withEtag },
    202: jsonOf("The model is being measured; the alias moves once it has passed", gateDescription),
    ...problems,
  },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/aliases/{name}",
  summary: "Delete an alias; its history stays",
  description: "Takes `If-Match`. A protected alias takes the scope `admin`.",
  security: bearer,
  request: { params: parameters, headers: conditions },
  responses: { 204: { description: "The alias is gone" }, ...problems },
});

const history = createRoute({
  method: "get",
  path: "/v1/aliases/{name}/history",
  summary: "Every version of an alias, newest first; also of one that is deleted",
  security: bearer,
  request: { params: parameters, query: pageQuery },
  responses: { 200: jsonOf("A page", aliasHistoryPage), ...problems },
});

const rollback = createRoute({
  method: "post",
  path: "/v1/aliases/{name}/rollback",
  summary: "Point an alias again at what it pointed at before",
  description:
    "Takes `If-Match`. A rollback is a new version. A protected alias goes back without a gate only to what it held " +
    "while it was protected.",
  security: bearer,
  request: {
    params: parameters,
    headers: conditions,
    body: { required: false, content: { "application/json": { schema: rollbackAliasRequest } } },
  },
  responses: { 200: { ...jsonOf("The alias has moved", aliasDescription), headers: withEtag }, ...problems },
});

/** Aliases: names of models that move, safely. */
export function aliasRoutes({ now }: Dependencies) {
  const changeOf = (c: AppContext) => ({ at: now().toISOString(), by: c.get("principal").id });

  return newRouter()
    .openapi(list, async (c) => {
      const { items, next } = await listAliases(c.env.CATALOG, c.req.valid("query"));
      c.header("cache-control", "no-store");
      return c.json({ items: items.map(describeAlias), next }, 200);
    })
    .openapi(get, async (c) => {
      const alias = await existing(c, c.req.valid("param").name);
      const etag = versionTag(alias.version);
      c.header("etag", etag);
      c.header("cache-control", "private, no-cache, no-transform");
      c.header("vary", "Authorization");
      if (matchesEtag(c.req.header("if-none-match"), etag)) return c.body(null, 304);
      return c.json(describeAlias(alias), 200);
    })
    .openapi(put, async (c) => {
      const { name } = c.req.valid("param");
      const { model, protected: wantsProtection, gate: gateForm } = c.req.valid("json");
      // A gate makes sense for a protected alias only.
      const wanted = wantsProtection ?? (gateForm === undefined || gateForm === null ? undefined : true);
      const condition = writeConditionOf(c);
      await requireReadable(c, model, now());
      const seen = await findAlias(c.env.CATALOG, name);
      if (seen === undefined && condition.kind !== "must-match") {
        const created = await createAlias(
          c.env.CATALOG,
          { name, model, isProtected: wanted ?? false, gateForm },
          changeOf(c),
        );
        if (created === undefined) {
          await requireReadable(c, model, now());
          // Someone else was faster: then this is a request to move what it has not seen.
          throw refusedChange(condition.kind, await findAlias(c.env.CATALOG, name), name);
        }
        c.header("location", describeAlias(created).links.self);
        return answer(c, created, 201);
      }
      let pending: GateRecord | undefined;
      const moved = await swapAlias(c, name, seen, async (current) => {
        const endsProtection = current.isProtected && wanted === false;
        const endsGate = current.gateForm !== null && gateForm !== undefined && !isSameForm(current.gateForm, gateForm);
        if (endsProtection || endsGate) requireScope(c, "admin");
        const move = { seen: current, model, isProtected: wanted ?? current.isProtected, gateForm };
        const passage = await seeThrough(c, moveThroughGate(c.env, move, changeOf(c), now));
        if (passage.kind === "refused") throw refusedByGate(passage.gate);
        if (passage.kind === "pending") pending = passage.gate;
        // Nothing has moved yet, and whoever asks has seen the alias as it is.
        return passage.kind === "pending" ? current : passage.alias;
      });
      if (pending !== undefined) {
        c.header("location", describeGate(pending).links.self);
        c.header("retry-after", "1");
        c.header("cache-control", "no-store");
        return c.json(describeGate(pending), 202);
      }
      return answer(c, moved, 200);
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid("param");
      await swapAlias(c, name, await existing(c, name), async (current) => {
        if (current.isProtected) requireScope(c, "admin");
        return (await deleteAlias(c.env.CATALOG, current, changeOf(c))) ? current : undefined;
      });
      return c.body(null, 204);
    })
    .openapi(history, async (c) => {
      const { name } = c.req.valid("param");
      const { cursor, ...page } = c.req.valid("query");
      const found = await listAliasHistory(c.env.CATALOG, name, { ...page, cursor });
      if (found.items.length === 0 && cursor === undefined) throw notFound(name);
      c.header("cache-control", "no-store");
      return c.json(found, 200);
    })
    .openapi(rollback, async (c) => {
      const { name } = c.req.valid("param");
      const body = c.req.valid("json") as { version?: number } | undefined;
      const moved = await swapAlias(c, name, await existing(c, name), async (current) => {
        const { version, model } = await target(c, current, body?.version);
        await requireReadable(c, model, now());
        const move = { seen: current, model, isProtected: current.isProtected, restored: version };
        return moveAlias(c.env.CATALOG, move, changeOf(c));
      });
      return answer(c, moved, 200);
    });
}

function isSameForm(a: ParsedGateForm, b: ParsedGateForm | null): boolean {
  return b !== null && canonicalJson(a) === canonicalJson(b);
}

/** An alias as the API shows it. */
export function describeAlias({ isProtected, gateForm, ...alias }: AliasRecord): AliasDescription {
  const self = `/v1/aliases/${encodeURIComponent(alias.name)}`;
  return {
    ...alias,
    protected: isProtected,
    gate: gateForm,
    links: {
      self,
      history: `${self}/history`,
      model: `/models/@${alias.name}/model.safetensors`,
      repository: alias.name,
    },
  };
}

/** Where a rollback leads to. */
async function target({ env }: AppContext, { name, version: current }: AliasRecord, version: number | undefined) {
  const found =
    version === undefined
      ? await findVersionBefore(env.CATALOG, name, current)
      : await findAliasVersion(env.CATALOG, name, version);
  if (found === undefined || found.model === null) {
    const which = version === undefined ? `version before ${current}` : `version ${version} that points at a model`;
    throw new Problem("alias-not-found", `The alias ${name} has no ${which}.`, { alias: name });
  }
  return { version: found.version, model: found.model };
}

async function existing(c: AppContext, name: AliasName): Promise<AliasRecord> {
  const alias = await findAlias(c.env.CATALOG, name);
  if (alias === undefined) throw notFound(name);
  return alias;
}

function answer<const Status extends 200 | 201>(c: AppContext, alias: AliasRecord, status: Status) {
  // A proxy that compresses makes strong entity tags weak, and If-Match takes none of those.
  c.header("etag", versionTag(alias.version));
  c.header("cache-control", "no-store, no-transform");
  return c.json(describeAlias(alias), status);
}

function notFound(name: AliasName): Problem {
  return new Problem("alias-not-found", `There is no alias ${name}.`, { alias: name });
}
