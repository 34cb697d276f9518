import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { isolateBudget } from "../../worker/engine/budget.ts";
import { engineOf } from "../../worker/engine/engine.ts";
import { linearModel } from "../support/checkpoint-files.ts";
import { bindings, migrate } from "./migrations.ts";

const TOKEN = bindings.EDGEFUSE_ADMIN_TOKEN ?? "";
const URL_BASE = "https://edgefuse.example";
const send = (path: string, init?: RequestInit) =>
  (exports as unknown as { default: { fetch: typeof fetch } }).default.fetch(new Request(URL_BASE + path, init));
const client = new EdgefuseClient({
  url: URL_BASE,
  token: TOKEN,
  fetch: (input, init) => send(new URL(String(input)).pathname + new URL(String(input)).search, init),
});

const upload = () =>
  send("/v1/checkpoints", {
    method: "POST",
    body: linearModel([8, 7, 6, 5, 4, 3, 2, 1], [0, 0]),
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/octet-stream" },
  });

beforeAll(migrate);

describe("addresses", () => {
  it.each([
    ["GET", "/nothing", 404, "not-found"],
    ["GET", "/v1/checkpoints/", 404, "not-found"],
    ["POST", "/v1/nothing", 404, "not-found"],
    ["DELETE", "/v1/checkpoints", 405, "method-not-allowed"],
    ["POST", "/healthz", 405, "method-not-allowed"],
    ["PUT", `/models/${"0".repeat(64)}/model.safetensors`, 405, "method-not-allowed"],
    ["GET", "/v1/checkpoints", 401, "unauthorized"],
    ["POST", "/v1/probes", 401, "unauthorized"],
  ])("%s %s without a token is %i", async (method, path, status, code) => {
    const response = await send(path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({ status, code, instance: path });
  });

  it("names the methods that an address takes", async () => {
    const response = await send("/v1/checkpoints", { method: "DELETE" });
    expect(response.headers.get("allow")).toBe("GET, HEAD, POST");
  });

  it("lets anyone read what is public", async () => {
    for (const path of ["/", "/healthz", "/openapi.json", "/docs/problems"]) {
      expect((await send(path)).status).toBe(200);
    }
  });

  it("checks ids and cursors at the door", async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const path of [
      "/v1/checkpoints/ABC",
      "/v1/checkpoints?limit=0",
      "/v1/checkpoints?cursor=x",
      "/v1/fusions/1",
    ]) {
      const response = await send(path, { headers });
      expect([response.status, await response.json()]).toEqual([
        400,
        expect.objectContaining({ code: "malformed-request" }),
      ]);
    }
  });
});

describe("the API description", () => {
  it("is OpenAPI 3.1 with every route and named schemas", async () => {
    const document = await (
      await send("/openapi.json")
    ).json<{
      openapi: string;
      paths: Record<string, Record<string, { security?: unknown }>>;
      components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
    }>();
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(["/v1/checkpoints", "/v1/fusions", "/v1/probes", "/models/{id}/model.json"]),
    );
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(["Problem", "Checkpoint", "Manifest"]),
    );
    expect(document.components.securitySchemes).toHaveProperty("bearer");
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const operation of Object.values(operations)) {
        expect([path, operation.security !== undefined]).toEqual([path, path.startsWith("/v1/")]);
      }
    }
  });
});

describe("the engine", () => {
  it("fuses inside workerd, gives its memory back and leaves no tensor behind", async () => {
    const a = await client.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 2]));
    const b = await client.uploadCheckpoint(linearModel([3, 2, 1, 0, 1, 2, 3, 4], [3, 4]));
    const fusion = await client.createFusion({
      recipe: { method: "linear", inputs: [{ checkpoint: a.id }, { checkpoint: b.id }] },
    });
    const file = await client.fetchModel(fusion.id);
    expect([...new Float32Array(file.slice(-40).buffer)].toSorted((x, y) => x - y)).toEqual([
      2, 2, 2, 2, 2, 3, 3, 4, 5, 6,
    ]);
    expect((await send(`/models/${fusion.id}/model.json`)).status).toBe(200);
    const { kernels, budget } = await engineOf(2 ** 26);
    expect(budget.usedBytes).toBe(0);
    expect(kernels.heap.memory.buffer.byteLength).toBeLessThanOrEqual(48 * 2 ** 20);
  });

  it("answers 503 with Retry-After while the budget is in use, and recovers", async () => {
    const budget = isolateBudget(2 ** 26);
    const lease = budget.take(budget.freeBytes);
    try {
      const response = await upload();
      expect([response.status, response.headers.get("retry-after")]).toEqual([503, "2"]);
      expect(await response.json()).toMatchObject({ code: "over-budget" });
    } finally {
      lease.release();
    }
    expect((await upload()).status).toBe(201);
  });
});
