import { Hono } from "hono";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createMiddleware } from "hono/factory";
import { ADMIN, ANONYMOUS, type Principal } from "../../../worker/auth/principal.ts";
import type { AppEnvironment, Environment } from "../../../worker/environment.ts";
import { answerOnce } from "../../../worker/idempotency/answer-once.ts";
import { problemOf, renderProblem } from "../../../worker/problems/render.ts";
import { Problem } from "../../../shared/problem.ts";
import { bindings, migrate } from "../migrations.ts";

let clock = 0;
let owners = 0;
let calls = 0;
/** What the route does, apart from counting. */
let work: () => Promise<void>;
const waited: Promise<unknown>[] = [];
const context = {
  waitUntil: (promise: Promise<unknown>) => waited.push(promise),
  passThroughOnException: () => undefined,
} as unknown as ExecutionContext;

function appFor(principal: Principal) {
  const app = new Hono<AppEnvironment>();
  app.onError((error, c) => renderProblem(problemOf(error), c.req.path));
  app.use(
    createMiddleware<AppEnvironment>(async (c, next) => {
      c.set("principal", principal);
      await next();
    }),
  );
  app.use(
    answerOnce({
      now: () => new Date(clock),
      uniqueName: () => `owner-${owners++}`,
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    }),
  );
  app.all("/things", async (c) => {
    calls++;
    await work();
    const text = await c.req.text();
    return c.json({ number: calls, text, secret: "ef_shown_once" }, 201, {
      location: `/things/${calls}`,
      "x-other": "1",
    });
  });
  return app;
}

const app = appFor(ADMIN);
function send(
  body: string | undefined,
  key?: string,
  {
    on = app,
    env = {},
    path = "/things",
    ...init
  }: RequestInit & { on?: typeof app; env?: Partial<Environment>; path?: string } = {},
) {
  const headers = new Headers(init.headers);
  if (key !== undefined) headers.set("idempotency-key", key);
  if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
  const request = { method: "POST", ...init, headers, ...(body === undefined ? {} : { body }) };
  return on.request(path, request, { ...bindings, EDGEFUSE_ADMIN_TOKEN: "secret", ...env }, context);
}
const stored = async () => (await bindings.CATALOG.prepare("SELECT * FROM idempotency").all()).results;

beforeAll(migrate);
beforeEach(async () => {
  clock = Date.parse("2026-01-01T00:00:00Z");
  calls = 0;
  work = async () => undefined;
  await bindings.CATALOG.prepare("DELETE FROM idempotency").run();
});

describe("a request with an idempotency key", () => {
  it("is done once, and its answer is repeated", async () => {
    const first = await send('{"a":1}', "key");
    const body = await first.text();
    expect([first.status, JSON.parse(body)]).toEqual([201, { number: 1, text: '{"a":1}', secret: "ef_shown_once" }]);
    for (const key of ["key", '"key"', " key "]) {
      const again = await send('{"a":1}', key);
      expect([again.status, await again.text()]).toEqual([201, body]);
      expect(Object.fromEntries(again.headers)).toEqual({
        "content-type": "application/json",
        location: "/things/1",
        "idempotency-replayed": "true",
      });
    }
    expect(first.headers.has("idempotency-replayed")).toBe(false);
    expect(calls).toBe(1);
  });

  it("leaves nothing in the catalog that could be read there", async () => {
    await send('{"a":"the body"}', "the key");
    const text = JSON.stringify(await stored());
    for (const secret of ["ef_shown_once", "the body", "the key", "admin"]) expect(text).not.toContain(secret);
    expect(text).toContain("answer");
  });

  it("is another one without a key, with another key, by another principal", async () => {
    const other = appFor({ ...ADMIN, id: "token:other" });
    for (const answer of [
      await send("{}", "key"),
      await send("{}"),
      await send("{}", "key 2"),
      await send("{}", "key", { on: other }),
    ]) {
      expect(answer.status).toBe(201);
    }
    expect(calls).toBe(4);
  });

  it("is refused where the key was used for another request", async () => {
    await send("{}", "key");
    for (const answer of [await send('{"b":2}', "key"), await send("{}", "key", { path: "/things?x=1" })]) {
      expect([answer.status, await answer.json()]).toEqual([
        422,
        expect.objectContaining({ code: "idempotency-conflict" }),
      ]);
    }
    expect(calls).toBe(1);
  });

  it("is refused while the first is in flight, which is not disturbed by that", async () => {
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let begun = () => undefined as void;
    const started = new Promise<void>((resolve) => (begun = resolve));
    work = () => (begun(), gate);
    const first = send("{}", "key");
    await started;
    const second = await send("{}", "key");
    expect([second.status, second.headers.get("retry-after")]).toEqual([409, "2"]);
    expect(await second.json()).toMatchObject({ code: "idempotency-in-flight" });
    expect(await (await send('{"b":2}', "key")).json()).toMatchObject({ code: "idempotency-conflict" });
    release();
    expect((await first).status).toBe(201);
    expect((await send("{}", "key")).headers.get("idempotency-replayed")).toBe("true");
    expect(calls).toBe(1);
  });

  it("is done once, of many that come at once", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => send("{}", "key")));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(calls).toBe(1);
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(statuses.every((status) => status === 201 || status === 409)).toBe(true);
  });

  it("leaves its key free where it failed", async () => {
    for (const code of ["checkpoint-not-found", "over-budget"] as const) {
      work = async () => {
        throw new Problem(code, "not now");
      };
      expect((await send("{}", "key")).status).toBeGreaterThanOrEqual(400);
      expect(await stored()).toEqual([]);
    }
    work = async () => undefined;
    const answer = await send('{"now":"another body"}', "key");
    expect([answer.status, calls]).toEqual([201, 3]);
  });

  it("is forgotten after a day, and is not before", async () => {
    await send("{}", "key");
    clock += 86_400_000 - 1;
    expect((await send("{}", "key")).headers.get("idempotency-replayed")).toBe("true");
    clock += 2;
    expect((await send('{"other":1}', "key")).status).toBe(201);
    expect([calls, (await stored()).length]).toEqual([2, 1]);
  });

  it("is taken over where the first died, whose late answer then counts for nothing", async () => {
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let begun = () => undefined as void;
    const started = new Promise<void>((resolve) => (begun = resolve));
    work = () => (calls === 1 ? (begun(), gate) : Promise.resolve());
    const first = send("{}", "key");
    await started;
    clock += 300_001;
    const second = await send("{}", "key");
    expect([second.status, await second.json()]).toEqual([201, expect.objectContaining({ number: 2 })]);
    release();
    await first;
    expect(await (await send("{}", "key")).json()).toMatchObject({ number: 2 });
  });

  it("is done anew where the deployment's secret has changed", async () => {
    await send("{}", "key");
    const after = await send("{}", "key", { env: { EDGEFUSE_ADMIN_TOKEN: "another" } });
    expect([after.status, after.headers.has("idempotency-replayed"), calls]).toEqual([201, false, 2]);
    const again = await send("{}", "key", { env: { EDGEFUSE_ADMIN_TOKEN: "another" } });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  });

  it("is seen through when the client goes away", async () => {
    const before = waited.length;
    await send("{}", "key");
    expect(waited.length).toBeGreaterThan(before);
    expect((await Promise.allSettled(waited)).every(({ status }) => status === "fulfilled")).toBe(true);
  });

  it.each(["", '""', "x".repeat(256), "ä"])("is refused with a key that is none: %s", async (key) => {
    const answer = await send("{}", key);
    expect([answer.status, calls]).toEqual([400, 0]);
  });

  it("matters only to POSTs of JSON or of nothing, by someone", async () => {
    const nobody = appFor(ANONYMOUS);
    const octets = { headers: { "content-type": "application/octet-stream" } };
    for (let round = 0; round < 2; round++) {
      await send("{}", "key", { method: "PUT" });
      await send("bytes", "key", octets);
      await send("{}", "key", { on: nobody });
    }
    expect([calls, await stored()]).toEqual([6, []]);
    await send(undefined, "key");
    expect((await send(undefined, "key")).headers.get("idempotency-replayed")).toBe("true");
    expect(calls).toBe(7);
  });
});
