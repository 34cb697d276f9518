import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AliasChange, AliasDescription } from "../../shared/api/aliases.ts";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { f32Checkpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let models: readonly ModelId[];

/** A model of one number. */
const fuse = async (value: number, more: object = {}): Promise<ModelId> => {
  const { id: checkpoint } = await client.uploadCheckpoint(f32Checkpoint({ w: [value] }));
  const request = { recipe: { method: "linear", inputs: [{ checkpoint }] }, ...more };
  return (await client.createFusion(request as never)).id;
};

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const made = [];
  for (let value = 1; value <= 4; value++) made.push(await fuse(value));
  models = made;
});
afterAll(() => worker.close());

const model = (index: number): ModelId => {
  const id = models[index];
  if (id === undefined) throw new Error(`the tests make fewer than ${index + 1} models`);
  return id;
};

interface Ask {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly token?: string;
}

const ask = async (method: string, path: string, { body, headers = {}, token = worker.token }: Ask = {}) => {
  const response = await worker.fetch(path, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      authorization: `Bearer ${token}`,
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = (text === "" ? undefined : JSON.parse(text)) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, etag: response.headers.get("etag"), json };
};
const put = (name: string, body: object, headers: Record<string, string> = {}) =>
  ask("PUT", `/v1/aliases/${encodeURIComponent(name)}`, { body, headers });
const match = (version: number) => ({ "if-match": `"v${version}"` });
const token = async (...scopes: string[]) =>
  (await ask("POST", "/v1/tokens", { body: { name: "test", scopes } })).json["token"] as string;
const historyOf = async (name: string, query = "") =>
  (await ask("GET", `/v1/aliases/${encodeURIComponent(name)}/history${query}`)).json as unknown as {
    items: AliasChange[];
    next: string | null;
  };

describe("an alias", () => {
  it("is made, read, moved by who has seen its version, and deleted", async () => {
    const made = await put("digits", { model: model(0) });
    expect([made.status, made.etag, made.headers.get("location")]).toEqual([201, '"v1"', "/v1/aliases/digits"]);
    expect(made.json).toMatchObject({ name: "digits", model: model(0), version: 1, protected: false });

    const unseen = await put("digits", { model: model(1) });
    expect([unseen.status, unseen.json["code"], unseen.json["version"]]).toEqual([428, "precondition-required", 1]);
    for (const headers of [
      match(2),
      { "if-match": 'W/"v1"' },
      { "if-match": '"v10", "x"' },
      { "if-none-match": "*" },
    ]) {
      const stale = await put("digits", { model: model(1) }, headers);
      expect([stale.status, stale.json["code"], stale.json["model"]]).toEqual([412, "precondition-failed", model(0)]);
    }
    const moved = await put("digits", { model: model(1) }, { "if-match": '"v7", "v1"' });
    expect([moved.status, moved.etag, moved.json["model"]]).toEqual([200, '"v2"', model(1)]);
    expect((await put("digits", { model: model(2) }, { "if-match": "*" })).json["version"]).toBe(3);

    const read = await ask("GET", "/v1/aliases/digits");
    expect([read.status, read.etag, read.json["model"]]).toEqual([200, '"v3"', model(2)]);
    // A weak tag could never be sent back in If-Match, so nobody on the way may make one of it.
    expect(read.headers.get("cache-control")).toBe("private, no-cache, no-transform");
    expect((await ask("GET", "/v1/aliases/digits", { headers: { "if-none-match": '"v3"' } })).status).toBe(304);

    expect((await ask("DELETE", "/v1/aliases/digits")).status).toBe(428);
    expect((await ask("DELETE", "/v1/aliases/digits", { headers: match(2) })).status).toBe(412);
    expect((await ask("DELETE", "/v1/aliases/digits", { headers: match(3) })).status).toBe(204);
    expect((await ask("GET", "/v1/aliases/digits")).json["code"]).toBe("alias-not-found");
    expect((await fetch(`${worker.url}/models/@digits/model.safetensors`, { redirect: "manual" })).status).toBe(404);

    // Versions go on, so who still holds one of before cannot move what is new.
    expect((await put("digits", { model: model(3) }, match(3))).status).toBe(412);
    expect((await put("digits", { model: model(3) }, { "if-none-match": "*" })).json["version"]).toBe(5);
    expect((await put("digits", { model: model(0) }, match(3))).status).toBe(412);
    const changes = (await historyOf("digits")).items.map(({ version, action, model: to }) => [version, action, to]);
    expect(changes).toEqual([
      [5, "create", model(3)],
      [4, "delete", null],
      [3, "move", model(2)],
      [2, "move", model(1)],
      [1, "create", model(0)],
    ]);
  });

  it("is moved to every version by exactly one of ten writers, and made by exactly one", async () => {
    const writers = Array.from({ length: 10 }, (_, index) => model(index % 4));
    const makers = await Promise.all(writers.map((to) => put("raced", { model: to })));
    expect(makers.map(({ status }) => status).toSorted()).toEqual([201, ...Array<number>(9).fill(428)]);
    const winners = [makers.find(({ status }) => status === 201)?.json["model"]];
    for (let version = 1; version <= 5; version++) {
      const answers = await Promise.all(writers.map((to) => put("raced", { model: to }, match(version))));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array<number>(9).fill(412)]);
      winners.unshift(answers.find(({ status }) => status === 200)?.json["model"]);
    }
    const { items } = await historyOf("raced");
    expect(items.map(({ version, model: to }) => [version, to])).toEqual(
      winners.map((to, index) => [winners.length - index, to]),
    );
  });

  it("goes back to the version before, or to one that is named; each is a new version", async () => {
    await put("rolled", { model: model(0) });
    await put("rolled", { model: model(1) }, match(1));
    await put("rolled", { model: model(2) }, match(2));
    const back = (body: object | undefined, headers: Record<string, string>) =>
      ask("POST", "/v1/aliases/rolled/rollback", { ...(body === undefined ? {} : { body }), headers });
    expect((await back({}, {})).json["code"]).toBe("precondition-required");
    expect((await back({}, match(2))).status).toBe(412);
    const before = await back(undefined, match(3));
    expect([before.status, before.etag, before.json["model"]]).toEqual([200, '"v4"', model(1)]);
    const named = await back({ version: 1 }, match(4));
    expect([named.etag, named.json["model"]]).toEqual(['"v5"', model(0)]);
    for (const version of [5_000, 5]) {
      const nowhere = await back({ version }, match(5));
      expect(nowhere.status).toBe(version === 5 ? 200 : 404);
    }
    const { items } = await historyOf("rolled", "?limit=3");
    expect(items.map(({ action, restored }) => [action, restored])).toEqual([
      ["rollback", 5],
      ["rollback", 1],
      ["rollback", 2],
    ]);
    await put("fresh", { model: model(0) });
    expect((await ask("POST", "/v1/aliases/fresh/rollback", { body: {}, headers: match(1) })).status).toBe(404);
  });

  it("has a history that is read page by page", async () => {
    await put("paged", { model: model(0) });
    for (let version = 1; version < 7; version++) await put("paged", { model: model(version % 4) }, match(version));
    const versions = [];
    let cursor: string | null = "";
    const sizes = [];
    while (cursor !== null) {
      const page: { items: AliasChange[]; next: string | null } = await historyOf(
        "paged",
        `?limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`,
      );
      versions.push(...page.items.map(({ version }) => version));
      sizes.push(page.items.length);
      cursor = page.next;
    }
    expect([versions, sizes]).toEqual([
      [7, 6, 5, 4, 3, 2, 1],
      [3, 3, 1],
    ]);
    expect((await ask("GET", "/v1/aliases/nothing/history")).json["code"]).toBe("alias-not-found");
  });

  it("moves to no model that a gate has not passed, once it is protected", async () => {
    const [publisher, admin] = [await token("publish"), worker.token];
    const as = (who: string, body: object, version: number) =>
      ask("PUT", "/v1/aliases/guarded", { body, headers: match(version), token: who });
    await put("guarded", { model: model(0) });
    await put("guarded", { model: model(1), protected: true }, match(1));
    for (const who of [publisher, admin]) {
      const refused = await as(who, { model: model(2) }, 2);
      expect([refused.status, refused.json["code"]]).toEqual([409, "gate-required"]);
    }
    // What it held before it was protected is no way around the gate.
    const back = (version: number, seen: number) =>
      ask("POST", "/v1/aliases/guarded/rollback", { body: { version }, headers: match(seen), token: publisher });
    expect((await back(1, 2)).json["code"]).toBe("gate-required");
    expect((await as(publisher, { model: model(1), protected: false }, 2)).json["code"]).toBe("insufficient-scope");
    const deletion = { headers: match(2), token: publisher };
    expect((await ask("DELETE", "/v1/aliases/guarded", deletion)).json["code"]).toBe("insufficient-scope");
    expect((await as(publisher, { model: model(1) }, 2)).json).toMatchObject({ version: 3, protected: true });
    expect((await as(admin, { model: model(1), protected: false }, 3)).json).toMatchObject({ protected: false });
    expect((await as(publisher, { model: model(2), protected: true }, 4)).status).toBe(200);
    expect((await back(3, 5)).json).toMatchObject({ version: 6, model: model(1), protected: true });
  });

  it("is refused where its name or its model is none", async () => {
    for (const name of ["", " ", "-x", "a/b/c", "v1", "models/x", "a..b", "x/", "é", "f".repeat(64), "a".repeat(65)]) {
      expect((await put(name, { model: model(0) })).status, name).toBeGreaterThanOrEqual(400);
    }
    expect((await put("x", { model: "0".repeat(64) })).json["code"]).toBe("model-not-found");
    expect((await put("x", { model: model(0), more: 1 })).json["code"]).toBe("malformed-request");
    expect((await put("x", { model: model(0) }, { "if-none-match": '"v1"' })).status).toBe(400);
    expect((await put("x", { model: model(0) }, match(1))).status).toBe(412);
  });

  it("is listed, also by model, and is one name however it is written", async () => {
    const id = await fuse(77);
    for (const name of ["listed/One", "two", "three"]) await put(name, { model: id });
    expect((await put("LISTED/one", { model: id })).json["code"]).toBe("precondition-required");
    const list = async (query: string) =>
      (await ask("GET", `/v1/aliases?${query}`)).json as unknown as { items: AliasDescription[]; next: string | null };
    const first = await list(`model=${id}&limit=2`);
    const second = await list(`model=${id}&limit=2&cursor=${first.next}`);
    expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(["three", "two", "listed/One"]);
    expect(second.next).toBeNull();
    expect(second.items[0]?.links).toEqual({
      self: "/v1/aliases/listed%2FOne",
      history: "/v1/aliases/listed%2FOne/history",
      model: "/models/@listed/One/model.safetensors",
      repository: "listed/One",
    });
  });

  it("takes the scope publish to move, and read or publish to see", async () => {
    await put("scoped", { model: model(0) });
    const [reader, publisher, other] = [
      await token("read"),
      await token("publish"),
      await token("write", "fuse", "probe"),
    ];
    const rows = [
      ["GET", "/v1/aliases", [200, 200, 403]],
      ["GET", "/v1/aliases/scoped", [200, 200, 403]],
      ["GET", "/v1/aliases/scoped/history", [200, 200, 403]],
      ["PUT", "/v1/aliases/scoped", [403, 428, 403]],
      ["DELETE", "/v1/aliases/scoped", [403, 428, 403]],
      ["POST", "/v1/aliases/scoped/rollback", [403, 428, 403]],
    ] as const;
    for (const [method, path, expected] of rows) {
      const body = method === "GET" ? {} : { body: method === "PUT" ? { model: model(0) } : {} };
      const answers = [];
      for (const who of [reader, publisher, other]) {
        answers.push((await ask(method, path, { ...body, token: who })).status);
      }
      expect([method, path, answers]).toEqual([method, path, expected]);
      const nobody = await fetch(worker.url + path, { method });
      expect([method, path, nobody.status]).toEqual([method, path, 401]);
    }
  });
});

describe("the address of an alias", () => {
  const follow = (path: string, init: RequestInit = {}) => fetch(worker.url + path, { redirect: "manual", ...init });

  it.each(["digits-now", "team/digits-now"])("redirects %s to the model's own, for a minute", async (name) => {
    await put(name, { model: model(0) });
    const response = await follow(`/models/@${name}/model.json?a=1&b=%2F`);
    expect([response.status, response.headers.get("location")]).toEqual([
      307,
      `/models/${model(0)}/model.json?a=1&b=%2F`,
    ]);
    expect(response.headers.get("cache-control")).toBe("public, max-age=60, stale-while-revalidate=600, no-transform");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const whole = await fetch(`${worker.url}/models/@${name}/model.safetensors`);
    expect([whole.status, whole.headers.get("etag")]).toEqual([200, `"model-${model(0)}"`]);
    await put(name, { model: model(1) }, match(1));
    expect((await follow(`/models/@${name}/weights.bin`)).headers.get("location")).toBe(
      `/models/${model(1)}/weights.bin`,
    );
    expect((await follow(`/models/@${name}/weights.bin`, { method: "HEAD" })).status).toBe(307);
  });

  it("tells whom a private model is not for exactly what it tells of no alias", async () => {
    const secret = await fuse(4321, { visibility: "private" });
    await put("hidden", { model: secret });
    const signed = `expires=9999999999&signature=${"A".repeat(43)}`;
    const tries = [
      ["", {}],
      [`?${signed}`, {}],
      ["", { authorization: "Bearer ef_wrong" }],
      [`?${signed}`, { authorization: "Bearer ef_wrong" }],
    ] as const;
    for (const [query, headers] of tries) {
      const answers = [];
      for (const name of ["hidden", "absent"]) {
        const response = await follow(`/models/@${name}/model.safetensors${query}`, { headers });
        const { alias, instance, requestId, detail, ...rest } = (await response.json()) as Record<string, string>;
        const fields = Object.fromEntries(response.headers);
        for (const field of ["date", "content-length", "x-request-id", "traceparent"]) delete fields[field];
        answers.push([response.status, rest, fields, detail?.replace(name, "*")]);
        expect(JSON.stringify([answers, alias, instance, requestId])).not.toContain(secret);
      }
      expect(answers[0]).toEqual(answers[1]);
    }
    const { url } = (await ask("POST", `/v1/models/${secret}/links`, { body: { expiresIn: 60 } })).json as {
      url: string;
    };
    const opened = await follow(`/models/@hidden/model.safetensors${new URL(url).search}`);
    expect([opened.status, opened.headers.get("cache-control")]).toEqual([307, "private, no-cache, no-transform"]);
    expect((await fetch(new URL(opened.headers.get("location") ?? "", worker.url))).status).toBe(200);
    const reader = await token("read");
    const seen = await follow("/models/@hidden/weights.bin", { headers: { authorization: `Bearer ${reader}` } });
    expect([seen.status, seen.headers.get("vary")]).toEqual([307, "Authorization, Accept-Encoding"]);
  });
});
