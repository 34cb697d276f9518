import { describe, expect, it } from "vitest";
import { Hono } from "hono";
import { createApp } from "../../../worker/app.ts";
import type { AppEnvironment } from "../../../worker/environment.ts";
import { logRequests, type RequestLine } from "../../../worker/logging/log-requests.ts";
import { redactQuery } from "../../../worker/logging/redact.ts";
import { bindings, migrate } from "../migrations.ts";

const TOKEN = bindings.EDGEFUSE_ADMIN_TOKEN ?? "";
const lines: string[] = [];
let clock = Date.parse("2026-01-01T00:00:00Z");
const dependencies = {
  now: () => new Date((clock += 5)),
  uniqueName: () => "fresh-id",
  randomBytes: (length: number) => new Uint8Array(length).fill(7),
  log: (line: string) => lines.push(line),
};
const app = createApp(dependencies);

/** Sends one request to the app and returns its answer with the line that was logged about it. */
async function send(path: string, init: RequestInit = {}) {
  lines.length = 0;
  const context = {
    waitUntil: () => undefined,
    passThroughOnException: () => undefined,
  } as unknown as ExecutionContext;
  const response = await app.request(path, init, bindings, context);
  expect(lines).toHaveLength(1);
  return { response, line: JSON.parse(lines[0] ?? "") as RequestLine };
}

describe("the log", () => {
  it("has one line a request, with the route as the API description writes it", async () => {
    await migrate();
    const id = "0".repeat(64);
    const { response, line } = await send(`/v1/checkpoints/${id}?limit=3`, {
      headers: {
        authorization: `Bearer ${TOKEN}`,
        "x-request-id": "mine",
        traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`,
      },
    });
    expect(line).toEqual({
      level: "warn",
      event: "request",
      time: expect.stringMatching(/^2026-01-01T/),
      method: "GET",
      route: "/v1/checkpoints/{id}",
      path: `/v1/checkpoints/${id}`,
      query: "?limit=3",
      status: 404,
      ms: expect.any(Number),
      bytes: null,
      requestBytes: null,
      principal: "admin",
      requestId: "mine",
      traceId: "1".repeat(32),
      spanId: "07".repeat(8),
    });
    expect(line.ms).toBeGreaterThan(0);
    expect(response.headers.get("x-request-id")).toBe("mine");
    expect(response.headers.get("traceparent")).toBe(`00-${"1".repeat(32)}-${"07".repeat(8)}-01`);
    expect(await response.json()).toMatchObject({ code: "checkpoint-not-found", requestId: "mine" });
  });

  it.each([
    ["GET", "/healthz", 200, "/healthz", "info", "anonymous"],
    ["GET", "/nothing", 404, null, "warn", "unknown"],
    ["POST", "/healthz", 405, null, "warn", "unknown"],
    ["GET", "/v1/tokens", 401, "/v1/tokens", "warn", "anonymous"],
  ])("%s %s is %i, also where no route took it", async (method, path, status, route, level, principal) => {
    const { response, line } = await send(path, { method });
    expect(response.status).toBe(status);
    expect(line).toMatchObject({ method, path, status, route, level, principal, requestId: "fresh-id" });
    expect(response.headers.get("x-request-id")).toBe("fresh-id");
  });

  it("never shows a secret, wherever it was put", async () => {
    const secret = `ef_${"S3cret-_".repeat(5)}abc`;
    const jwt = `eyJhbGciOiJub25lIn0.eyJzdWIiOiJTM2NyZXQifQ.S3cretS3cret`;
    const signature = "S3cret".repeat(7);
    for (const [path, headers] of [
      [`/v1/checkpoints?token=${secret}&signature=${signature}&X-Amz-Signature=${signature}`, {}],
      [`/v1/checkpoints?x=${secret}&y=${jwt}&${secret}=1&access_token=S3cret&Authorization=S3cret`, {}],
      [`/models/${secret}/model.safetensors`, {}],
      ["/v1/checkpoints", { authorization: `Bearer ${secret}`, cookie: `a=${secret}` }],
      ["/v1/checkpoints", { authorization: `Bearer ${jwt}`, "x-request-id": secret }],
    ] as const) {
      const { line } = await send(path, { headers });
      expect(JSON.stringify(line)).not.toContain("S3cret");
    }
    expect(redactQuery(new URLSearchParams("expires=1&signature=abc&limit=2"))).toBe(
      "?expires=1&signature=redacted&limit=2",
    );
  });

  it("counts the bytes of what is not streamed, and none of HEAD", async () => {
    const small = new Hono<AppEnvironment>();
    small.use(logRequests(dependencies));
    small.get("/a", () => new Response("12345", { headers: { "content-length": "5" } }));
    for (const [method, bytes] of [
      ["GET", 5],
      ["HEAD", 0],
    ] as const) {
      lines.length = 0;
      await small.request("/a", { method });
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({ bytes, route: "/a", method });
    }
  });
});
