import { describe, expect, it } from "vitest";
import type { ModelId } from "../../../shared/identity.ts";
import { clientOf, lost, problem } from "../../support/scripted-client.ts";

const tokenRequest = { name: "ci", scopes: ["read" as const] };
const model = "m" as ModelId;

describe("the client's patience", () => {
  it("waits as long as 429 and 503 say, in seconds or until a date", async () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    const { client, waits } = clientOf(
      [
        problem(429, "rate-limited", { "retry-after": "7" }),
        problem(503, "over-budget", { "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT" }),
        problem(429, "rate-limited", { "retry-after": "3600" }),
        problem(503, "over-budget", { "retry-after": "soon" }),
        Response.json({}),
      ],
      undefined,
      now,
    );
    await client.describeFusion(model);
    expect(waits).toEqual([7000, 5000, 60_000, 2000]);
  });

  it("asks again where nobody answers, less and less often, and then gives up", async () => {
    const { client, waits, sent } = clientOf([lost(), new Response("", { status: 502 }), lost(), lost()]);
    await expect(client.describeFusion(model)).rejects.toThrow("fetch failed");
    expect(waits).toEqual([500, 1000, 2000]);
    expect(sent).toHaveLength(4);
  });

  it("does not ask again after an abort, or a refusal", async () => {
    const abort = clientOf([new DOMException("aborted", "AbortError")]);
    await expect(abort.client.describeFusion(model)).rejects.toThrow("aborted");
    const refusal = clientOf([problem(422, "invalid-recipe")]);
    await expect(refusal.client.describeFusion(model)).rejects.toMatchObject({ code: "invalid-recipe" });
    expect([...abort.waits, ...refusal.waits]).toEqual([]);
  });

  it("repeats what must happen once under one key, and waits for the first try where it is still under way", async () => {
    const { client, sent } = clientOf([
      lost(),
      problem(409, "idempotency-in-flight"),
      Response.json({ token: "ef_x" }, { status: 201 }),
      Response.json({}, { status: 201 }),
    ]);
    expect(await client.tokens.create(tokenRequest)).toEqual({ token: "ef_x" });
    await client.tokens.create(tokenRequest);
    expect(sent.map(({ headers }) => headers.get("idempotency-key"))).toEqual(["key-1", "key-1", "key-1", "key-2"]);
  });

  it("sends no key with what can be done twice", async () => {
    const { client, sent } = clientOf([Response.json({}), Response.json({})]);
    await client.createFusion({ recipe: { method: "linear", inputs: [] } });
    await client.registerCheckpoint("k");
    expect(sent.map(({ headers }) => headers.get("idempotency-key"))).toEqual([null, null]);
  });

  it("takes a deletion for done that may have been done before its answer was lost", async () => {
    const done = clientOf([lost(), problem(404, "model-not-found")]);
    await done.client.deleteModel(model);
    const never = clientOf([problem(404, "model-not-found")]);
    await expect(never.client.deleteModel(model)).rejects.toMatchObject({ code: "model-not-found" });
  });

  it("survives a problem document that breaks off", async () => {
    const broken = new Response('{"type":', { status: 409, headers: { "content-type": "application/problem+json" } });
    await expect(clientOf([broken]).client.describeFusion(model)).rejects.toMatchObject({
      code: "unexpected-response",
      status: 409,
    });
  });
});
