import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { type ApiDocument, operationsOf, type Schema } from "../../../worker/docs/api-document.ts";
import { operationName } from "../../../worker/docs/operation-name.ts";
import { schemaNamer } from "../../../worker/docs/name-schemas.ts";
import { ROUTE_SCOPES } from "../../../worker/auth/route-scopes.ts";

const [committed] = Object.values(
  import.meta.glob<string>("../../../docs/openapi.json", { query: "?raw", import: "default", eager: true }),
);
const send = (path: string, init?: RequestInit) =>
  (exports as unknown as { default: { fetch: typeof fetch } }).default.fetch(
    new Request(`https://edgefuse.example${path}`, init),
  );
let text: string;
let document: ApiDocument;

beforeAll(async () => {
  text = await (await send("/openapi.json")).text();
  document = JSON.parse(text) as ApiDocument;
});

describe("docs/openapi.json", () => {
  it("is what the deployment serves; if not, run: npm run openapi", () => {
    expect(JSON.parse(committed ?? "null")).toEqual(document);
    expect(committed).toBe(text);
  });

  it("is served with a validator", async () => {
    const first = await send("/openapi.json");
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
    const again = await send("/openapi.json", { headers: { "if-none-match": etag } });
    expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
    expect((await send("/openapi.json", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });
});

describe("every operation", () => {
  it("has a name of its own, a group that is there, and a summary", () => {
    const names = operationsOf(document).map(({ operation }) => operation.operationId ?? "");
    expect(new Set(names).size).toBe(names.length);
    const groups = new Set(document.tags?.map(({ name }) => name));
    for (const { method, path, operation } of operationsOf(document)) {
      expect(operation.operationId, path).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(operation.summary, `${method} ${path}`).toBeTruthy();
      expect(operation.tags?.length, path).toBe(1);
      expect(groups.has(operation.tags?.[0] ?? "")).toBe(true);
    }
  });

  it("says what scopes it takes, as the routes' table has it", () => {
    for (const { method, path, operation } of operationsOf(document)) {
      const requirement = ROUTE_SCOPES[`${method} ${path}`];
      const scopes = operation.security?.flatMap(({ bearer }) => bearer ?? []);
      expect([path, scopes]).toEqual([path, requirement === "public" ? undefined : requirement]);
    }
  });

  it("that lists takes a limit and a cursor, and gives items and the next cursor", () => {
    const lists = operationsOf(document).filter(({ operation }) => {
      const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
      return schema?.$ref?.endsWith("Page") === true || "next" in (schema?.properties ?? {});
    });
    expect(lists.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["/v1/checkpoints", "/v1/datasets", "/v1/tokens"]),
    );
    for (const { path, operation } of lists) {
      const names = operation.parameters?.map((parameter) => ("name" in parameter ? parameter.name : ""));
      expect([path, names]).toEqual([path, expect.arrayContaining(["limit", "cursor"])]);
      const reference = operation.responses["200"]?.content?.["application/json"]?.schema.$ref ?? "";
      const page = document.components.schemas[reference.slice(reference.lastIndexOf("/") + 1)];
      expect([path, page?.required]).toEqual([path, ["items", "next"]]);
    }
  });

  it("that makes something of JSON takes an idempotency key, and no other does", () => {
    for (const { method, path, operation } of operationsOf(document)) {
      const takes = operation.parameters?.some((one) => "$ref" in one && one.$ref.endsWith("/IdempotencyKey")) ?? false;
      const content = operation.requestBody?.content;
      const isJson = content === undefined || "application/json" in content;
      expect([path, takes]).toEqual([path, method === "POST" && path.startsWith("/v1/") && isJson]);
    }
  });

  it("answers 202 with a place and a time to look", () => {
    const accepted = operationsOf(document).flatMap(({ operation }) => operation.responses["202"] ?? []);
    expect(accepted.length).toBeGreaterThanOrEqual(3);
    for (const { headers } of accepted) {
      expect(Object.keys(headers ?? {})).toEqual(expect.arrayContaining(["location", "retry-after"]));
    }
  });

  it.each([
    ["GET", "/v1/checkpoints", "listCheckpoints"],
    ["GET", "/v1/checkpoints/{id}", "getCheckpoint"],
    ["GET", "/v1/checkpoints/{id}/model.safetensors", "getCheckpointModelSafetensors"],
    ["POST", "/v1/fusions", "createFusion"],
    ["DELETE", "/v1/fusions/{id}", "cancelFusion"],
    ["POST", "/v1/models/{id}/links", "createModelLink"],
    ["PUT", "/v1/uploads/{id}/parts/{n}", "putUploadPart"],
    ["PUT", "/v1/datasets/{name}", "putDataset"],
    ["GET", "/models/{id}/{shard}", "getModelShard"],
    ["GET", "/{namespace}/{name}/resolve/{revision}/{file}", "getNamespaceNameResolveFile"],
  ])("%s %s is %s", (method, path, name) => {
    expect(operationName(method, path)).toBe(name);
  });
});

describe("schemas", () => {
  it("refer to nothing that is not there, and admit null only where they are used", () => {
    const references = [...text.matchAll(/"\$ref": "#\/components\/(\w+)\/([\w.-]+)"/g)];
    expect(references.length).toBeGreaterThan(100);
    const components = document.components as unknown as Record<string, Record<string, unknown>>;
    for (const [, kind = "", name = ""] of references) {
      expect([kind, name, name in (components[kind] ?? {})]).toEqual([kind, name, true]);
    }
    for (const [name, { type, anyOf, oneOf }] of Object.entries(document.components.schemas)) {
      const forms = [...(anyOf ?? []), ...(oneOf ?? [])];
      expect([name, Array.isArray(type) || forms.some((form) => form.type === "null")]).toEqual([name, false]);
    }
  });

  it("are named wherever they are spelled out again", () => {
    const schema: Schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
    const named = schemaNamer({ Thing: schema });
    const thing = { $ref: "#/components/schemas/Thing" };
    expect(named(schema)).toEqual(thing);
    expect(named({ ...schema, description: "x" })).toEqual({ ...thing, description: "x" });
    expect(named({ ...schema, type: ["object", "null"], description: "x" })).toEqual({
      anyOf: [thing, { type: "null" }],
      description: "x",
    });
    expect(named({ type: "array", items: schema })).toEqual({ type: "array", items: thing });
    expect(named({ ...schema, required: [] })).toEqual({ ...schema, required: [] });
    expect(named(schema, "Thing")).toEqual(schema);
  });
});
