import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { migrate } from "./migrations.ts";

const send = (path: string, init?: RequestInit) =>
  (exports as unknown as { default: { fetch: typeof fetch } }).default.fetch(
    new Request(`https://edgefuse.example${path}`, init),
  );

beforeAll(migrate);

describe("every answer", () => {
  it.each([
    "/",
    "/healthz",
    "/openapi.json",
    "/docs",
    "/docs/problems",
    "/nothing",
    "/v1/tokens",
    `/models/${"0".repeat(64)}/model.json`,
  ])("%s tells browsers to take it for nothing else", async (path) => {
    const { headers } = await send(path);
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "content-security-policy": expect.stringMatching(/^default-src 'none'.*frame-ancestors 'none'/),
      "strict-transport-security": "max-age=31536000",
    });
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
    expect(headers.get("cross-origin-resource-policy")).toBe(
      headers.get("access-control-allow-origin") === "*" ? "cross-origin" : "same-origin",
    );
  });

  it("may be embedded by other sites' pages where any page may fetch it", async () => {
    const policy = async (path: string) => (await send(path)).headers.get("cross-origin-resource-policy");
    expect(await policy(`/models/${"0".repeat(64)}/model.json`)).toBe("cross-origin");
    expect(await policy("/openapi.json")).toBe("cross-origin");
  });

  it("answers a hostile address with nothing that a browser takes for a page", async () => {
    const response = await send("/docs/%3Cscript%3Ealert(1)%3C/script%3E?q=<script>");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  });
});
