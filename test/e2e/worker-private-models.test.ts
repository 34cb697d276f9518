import { io } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CreateFusionRequest, EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import type { SignedLink } from "../../shared/api/links.ts";
import type { CreatedToken, Scope } from "../../shared/api/tokens.ts";
import { linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let reader: string;
let fuser: string;
let publisher: string;
let inputs: { checkpoint: string }[];

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  reader = await tokenWith("read");
  fuser = await tokenWith("fuse");
  publisher = await tokenWith("fuse", "publish");
  const files = [linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0]), linearModel([3, 2, 1, 0, 1, 2, 3, 4], [0, 1])];
  inputs = await Promise.all(files.map(async (file) => ({ checkpoint: (await client.uploadCheckpoint(file)).id })));
});
afterAll(() => worker.close());

async function tokenWith(...scopes: Scope[]): Promise<string> {
  const response = await post("/v1/tokens", { name: "test", scopes }, worker.token);
  return ((await response.json()) as CreatedToken).token;
}

function post(path: string, body: object, token: string): Promise<Response> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  return fetch(worker.url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** A recipe of its own for each number. */
const recipe = (number: number) => ({
  method: "linear" as const,
  inputs: inputs.map((input, index) => ({ ...input, weight: index === 0 ? 1 : 1 / (1 + number) })),
});
const ask = async (number: number, request: object, token: string) => {
  const response = await post("/v1/fusions", { recipe: recipe(number), ...request } as CreateFusionRequest, token);
  return { status: response.status, body: (await response.json()) as FusionDescription & { code?: string } };
};
const read = (path: string, token?: string, init: RequestInit = {}) => {
  const headers = new Headers(init.headers);
  headers.set("accept-encoding", "identity");
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return fetch(new URL(path, worker.url), { redirect: "manual", ...init, headers });
};
async function link(id: string, request: object, token = reader): Promise<URL> {
  const response = await post(`/v1/models/${id}/links`, request, token);
  expect([response.status, response.headers.get("cache-control")]).toEqual([201, "no-store"]);
  return new URL(((await response.json()) as SignedLink).url);
}

/** As `tf.loadLayersModel` fetches it. */
async function loadModel(url: string): Promise<io.ModelArtifacts> {
  const artifacts = await io.http(url, { fetchFunc: fetch }).load?.();
  if (artifacts === undefined) throw new Error("TF.js cannot load over HTTP");
  return artifacts;
}

const FILES = [
  "model.safetensors",
  "manifest.json",
  "model.json",
  "weights.bin",
  "model.safetensors.index.json",
  "model-00001-of-00002.safetensors",
];
/** What differs between any two answers. */
const VARYING = ["date", "x-request-id", "traceparent", "content-length", "ratelimit"];
const TAG = /,"requestId":"[^"]*"/g;
const NOBODY = "0".repeat(64);

describe.each([
  ["stored", "eager", 1],
  ["lazy", "lazy", 2],
] as const)("a private model that is %s", (_, materialize, number) => {
  let id: string;
  beforeAll(async () => {
    const { status, body } = await ask(number, { visibility: "private", materialize }, fuser);
    expect([status, body.visibility]).toEqual([201, "private"]);
    ({ id } = body);
  });

  it.each(FILES)("cannot be told from none by its %s", async (file) => {
    const requests: RequestInit[] = [
      {},
      { method: "HEAD" },
      { headers: { range: "bytes=0-7" } },
      { headers: { range: "bytes=999999-" } },
      { headers: { "if-none-match": `"model-${id}", "weights-${id}", *` } },
      { headers: { "if-range": `"model-${id}"`, range: "bytes=0-7" } },
    ];
    const presented = [undefined, fuser, publisher, "ef_wrong", "wrong", `ef_${"A".repeat(43)}`];
    for (const init of requests) {
      for (const token of init === requests[0] ? presented : [undefined, fuser]) {
        const [secret, none] = [
          await read(`/models/${id}/${file}`, token, init),
          await read(`/models/${NOBODY}/${file}`, token, init),
        ];
        expect([401, 404]).toContain(secret.status);
        expect(secret.status).toBe(none.status);
        const facts = ({ headers }: Response) => [...headers].filter(([name]) => ![...VARYING].includes(name));
        expect(facts(secret)).toEqual(facts(none));
        const told = async (response: Response) => (await response.text()).replaceAll(TAG, "").replaceAll(id, NOBODY);
        expect(await told(secret)).toBe(await told(none));
      }
    }
  });

  it("is read with the scope read, and kept by no shared cache", async () => {
    const direct = await read(`/models/${id}/model.safetensors`, reader, { headers: { range: "bytes=0-7" } });
    expect([direct.status, direct.headers.get("cache-control")]).toEqual([206, expect.stringMatching(/^private, /)]);
    for (const file of ["model.json", "weights.bin"]) {
      const response = await read(`/models/${id}/${file}`, reader);
      expect([response.status, response.headers.get("cache-control")]).toEqual([
        200,
        expect.stringMatching(/^private, /),
      ]);
      await response.body?.cancel();
    }
  });

  it("is opened by a signed link, for every file and method, until it is tampered with", async () => {
    const url = await link(id, { expiresIn: 60, file: "model.json" });
    expect(url.pathname).toBe(`/models/${id}/model.json`);
    for (const [file, init, status] of [
      ["model.json", {}, 200],
      ["model.json", { method: "HEAD" }, 200],
      ["weights.bin", {}, 200],
      ["model.safetensors", { headers: { range: "bytes=0-7" } }, 206],
    ] as const) {
      const response = await read(`/models/${id}/${file}${url.search}`, undefined, init);
      expect([file, response.status]).toEqual([file, status]);
      expect(response.headers.get("cache-control")).toMatch(/^private, /);
      await response.body?.cancel();
    }
    // A token that is too weak, or wrong, does not spoil a link that is right.
    for (const token of [fuser, "wrong"]) expect((await read(url.pathname + url.search, token)).status).toBe(200);

    const tampered = (change: (query: URLSearchParams) => void) => {
      const query = new URLSearchParams(url.search);
      change(query);
      return `?${query}`;
    };
    const signature = url.searchParams.get("signature") ?? "";
    const flipped = signature.slice(0, -1) + (signature.endsWith("A") ? "B" : "A");
    for (const search of [
      tampered((query) => query.set("expires", String(Number(query.get("expires")) + 3600))),
      tampered((query) => query.set("signature", flipped)),
      tampered((query) => query.append("signature", signature)),
      tampered((query) => query.delete("expires")),
    ]) {
      for (const of of [id, NOBODY]) {
        const response = await read(`/models/${of}/weights.bin${search}`);
        expect([response.status, await response.json()]).toEqual([
          403,
          expect.objectContaining({ code: "invalid-link" }),
        ]);
      }
    }
    expect((await read(`/models/${id}/weights.bin${tampered((query) => query.delete("signature"))}`)).status).toBe(404);
    const other = await ask(10 + number, { visibility: "private" }, fuser);
    expect((await read(`/models/${other.body.id}/weights.bin${url.search}`)).status).toBe(403);
    expect((await read(`/v1/fusions/${id}${url.search}`)).status).toBe(401);
  });

  it("is loaded by TF.js from a link: the query goes along to the weights", async () => {
    const url = await link(id, { expiresIn: 60, file: "model.json" });
    const artifacts = await loadModel(url.href);
    expect(artifacts.weightSpecs?.map(({ name }) => name)).toEqual(["output/bias", "output/kernel"]);
    const weights = [artifacts.weightData ?? []].flat();
    expect(weights.map(({ byteLength }) => byteLength)).toEqual([40]);
    await expect(loadModel(`${url.origin}${url.pathname}`)).rejects.toThrow(/404/);
  });
});

describe("a signed link", () => {
  it("ends in time, for private models alone", async () => {
    const { body } = await ask(3, { visibility: "private" }, fuser);
    const url = await link(body.id, { expiresIn: 1 });
    expect(url.pathname).toBe(`/models/${body.id}/model.safetensors`);
    const until = Number(url.searchParams.get("expires")) * 1000;
    await expect.poll(async () => (await read(url.href)).status, { timeout: 10_000, interval: 200 }).toBe(403);
    expect(Date.now()).toBeGreaterThanOrEqual(until);
    const late = (await (await read(url.href)).json()) as { detail: string };
    expect(late.detail).toMatch(/expired/);
    // Public models take no notice.
    const open = await ask(4, {}, fuser);
    expect((await read(`/models/${open.body.id}/weights.bin${url.search}`)).status).toBe(200);
  });

  it("lasts no longer than the token that it was made with", async () => {
    const { body } = await ask(3, {}, fuser);
    const response = await post("/v1/tokens", { name: "short", scopes: ["read"], expiresIn: 120 }, worker.token);
    const { token, expiresAt } = (await response.json()) as CreatedToken;
    const url = await link(body.id, { expiresIn: 86_400 }, token);
    expect(Number(url.searchParams.get("expires"))).toBe(Math.floor(Date.parse(expiresAt ?? "") / 1000));
  });

  it.each([
    [{}, 400],
    [{ expiresIn: 0 }, 400],
    [{ expiresIn: 8 * 86_400 }, 400],
    [{ expiresIn: 60, file: "../secrets" }, 400],
    [{ expiresIn: 60, file: "" }, 400],
  ])("is not made from %j", async (request, status) => {
    const { body } = await ask(3, {}, fuser);
    expect((await post(`/v1/models/${body.id}/links`, request, reader)).status).toBe(status);
    expect((await post(`/v1/models/${NOBODY}/links`, { expiresIn: 60 }, reader)).status).toBe(404);
  });
});

describe("visibility", () => {
  it("is no part of what a model is: equal recipes have one id, and it is public unless it is said", async () => {
    const first = await ask(5, { visibility: "private" }, fuser);
    const again = await ask(5, {}, fuser);
    expect([again.status, again.body.id, again.body.visibility]).toEqual([200, first.body.id, "private"]);
    expect((await ask(6, {}, fuser)).body.visibility).toBe("public");
    expect((await ask(5, { visibility: "secret" }, fuser)).status).toBe(400);
  });

  it.each([
    ["eager", 7],
    ["lazy", 8],
  ] as const)(
    "goes from private to public with the scope publish, and never back (%s)",
    async (materialize, number) => {
      const { body } = await ask(number, { visibility: "private", materialize }, fuser);
      const address = `/models/${body.id}/weights.bin`;
      const denied = await ask(number, { visibility: "public", materialize }, fuser);
      expect([denied.status, denied.body.code]).toEqual([403, "insufficient-scope"]);
      expect((await read(address)).status).toBe(404);

      const published = await ask(number, { visibility: "public", materialize }, publisher);
      expect([published.status, published.body.visibility]).toEqual([200, "public"]);
      const open = await read(address);
      expect([open.status, open.headers.get("cache-control")]).toEqual([200, expect.stringMatching(/^public, /)]);
      await open.body?.cancel();

      const back = await ask(number, { visibility: "private", materialize }, publisher);
      expect([back.status, back.body.code]).toEqual([409, "visibility-conflict"]);
      expect((await read(address)).status).toBe(200);
    },
  );

  it("stays when a lazy model is stored, by a read of all of it or by an eager request", async () => {
    const lazy = { visibility: "private", materialize: "lazy" };
    const { body } = await ask(20, lazy, fuser);
    await (await read(`/models/${body.id}/model.safetensors`, reader)).arrayBuffer();
    const state = async (id: string) => (await client.describeFusion(id as FusionDescription["id"])).state;
    await expect.poll(() => state(body.id), { timeout: 20_000 }).toBe("succeeded");
    expect((await read(`/models/${body.id}/weights.bin`)).status).toBe(404);

    const other = await ask(21, lazy, fuser);
    const made = await ask(21, { materialize: "eager" }, fuser);
    expect([made.body.id, made.body.state, made.body.visibility]).toEqual([other.body.id, "succeeded", "private"]);
    expect((await read(`/models/${other.body.id}/weights.bin`)).status).toBe(404);
  });

  it("hides a fusion that failed or was cancelled too", async () => {
    const { body } = await ask(30, { visibility: "private", materialize: "lazy" }, fuser);
    for (const state of ["failed", "cancelled", "running"]) {
      await worker.environment.CATALOG.prepare("UPDATE fusions SET state = ? WHERE id = ?").bind(state, body.id).run();
      const answer = await read(`/models/${body.id}/model.safetensors`);
      expect([state, answer.status, await answer.json()]).toEqual([
        state,
        404,
        expect.objectContaining({ detail: `There is no model ${body.id}.` }),
      ]);
    }
  });

  it("is decided once where two ask at once", async () => {
    const both = await Promise.all([
      ask(40, { visibility: "private" }, fuser),
      ask(40, { visibility: "public" }, fuser),
    ]);
    const { visibility, id } = await client.createFusion({ recipe: recipe(40) } as CreateFusionRequest);
    for (const { status, body } of both) {
      if (status < 300) expect(body.visibility).toBe(visibility);
      else expect(body.code).toBe(visibility === "public" ? "visibility-conflict" : "insufficient-scope");
    }
    expect((await read(`/models/${id}/weights.bin`)).status).toBe(visibility === "public" ? 200 : 404);
  });
});

describe("a published model", () => {
  it("is read with whatever credential a client sends along", async () => {
    const { body } = await ask(50, {}, fuser);
    for (const token of [undefined, "hf_foreign", `ef_${"A".repeat(43)}`, "a.b.c", fuser, reader]) {
      expect((await read(`/models/${body.id}/model.json`, token)).status).toBe(200);
    }
  });

  it("lets scripts of other origins send a token", async () => {
    const headers = {
      origin: "https://elsewhere.example",
      "access-control-request-method": "GET",
      "access-control-request-headers": "authorization",
    };
    const preflight = await fetch(`${worker.url}/models/${NOBODY}/model.json`, { method: "OPTIONS", headers });
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("authorization");
  });

  it("keeps a JSON body under its limit, whatever the JSON calls itself", async () => {
    const body = JSON.stringify({ recipe: recipe(51), padding: "x".repeat(2 ** 20) });
    for (const type of ["application/json", "application/problem+json", "application/x.y+json; charset=utf-8"]) {
      const headers = { "content-type": type, authorization: `Bearer ${fuser}` };
      const response = await fetch(`${worker.url}/v1/fusions`, { method: "POST", headers, body });
      expect([type, response.status]).toEqual([type, 413]);
    }
  });
});
