import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ModelId } from "../../shared/identity.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { type CdnWorld, PLAIN, SHARDED, sha256, startCdnWorld } from "../support/cdn-world.ts";
import type { WorkerHarness } from "../support/worker-harness.ts";

const IMMUTABLE = "public, max-age=31536000, immutable, no-transform";
const BRIEF = "public, max-age=60, stale-while-revalidate=600, no-transform";

const digestField = (bytes: Uint8Array) => `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
let world: CdnWorld;
let worker: WorkerHarness;
let plain: ModelId;
let sharded: ModelId;
const get: CdnWorld["get"] = (...parameters) => world.get(...parameters);
const read: CdnWorld["read"] = (...parameters) => world.read(...parameters);

beforeAll(async () => {
  world = await startCdnWorld();
  ({ worker, plain, sharded } = world);
});
afterAll(() => worker.close());

const FORMS = [
  ...PLAIN.map((file) => ({ form: "plain", file, surface: "id" })),
  ...SHARDED.map((file) => ({ form: "sharded", file, surface: "id" })),
  ...PLAIN.map((file) => ({ form: "plain", file, surface: "hub" })),
  ...SHARDED.map((file) => ({ form: "sharded", file, surface: "hub" })),
];
const addressOf = ({ form, file, surface }: (typeof FORMS)[number]) =>
  surface === "hub" ? `/cdn/${form}/resolve/main/${file}` : `/models/${form === "plain" ? plain : sharded}/${file}`;

describe("every form of a public model", () => {
  it.each(FORMS)("answers as a CDN wants: $form $file by $surface", async (form) => {
    const path = addressOf(form);
    const { response, bytes } = await read(path, { origin: "https://elsewhere.example" });
    const etag = response.headers.get("etag") ?? "";
    expect([response.status, etag]).toEqual([200, expect.stringMatching(/^"[\w.-]+"$/)]);
    const cacheControl = form.surface === "hub" ? BRIEF : IMMUTABLE;
    const always = { etag, "accept-ranges": "bytes", "cache-control": cacheControl, vary: "Accept-Encoding" };
    const fields = (from: Response) => Object.fromEntries(from.headers);
    expect(fields(response)).toMatchObject({
      ...always,
      "content-length": String(bytes.length),
      "x-content-type-options": "nosniff",
      "access-control-allow-origin": "*",
    });
    const exposed = (response.headers.get("access-control-expose-headers") ?? "").split(",");
    expect(exposed).toEqual(
      expect.arrayContaining([
        ...["ETag", "Content-Range", "Accept-Ranges", "Repr-Digest", "Location", "Retry-After"],
        ...["X-Linked-Size", "X-Linked-Etag", "X-Repo-Commit"],
      ]),
    );
    const digest = response.headers.get("repr-digest");
    if (!/-of-/.test(form.file)) expect(digest).toBe(digestField(bytes));
    // Whatever digest someone would rather have, this one is sent.
    const wanting = await get(path, { "want-repr-digest": "sha-512=9, sha-256=1" });
    expect([wanting.status, wanting.headers.get("repr-digest")]).toEqual([200, digest]);
    await wanting.body?.cancel();

    // Fresh, by one tag, a weak one, a list, or any.
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const fresh = await get(path, { "if-none-match": tags, range: "bytes=0-1" });
      expect([tags, fresh.status, await fresh.text(), fields(fresh)]).toMatchObject([tags, 304, "", always]);
      expect(fresh.headers.get("content-type")).toBeNull();
    }
    // Stale.
    for (const tags of ['"other"', `"other", "more"`, etag.replaceAll('"', "")]) {
      expect((await read(path, { "if-none-match": tags })).bytes).toEqual(bytes);
    }
    expect((await get(path, { "if-match": '"other"' })).status).toBe(412);
    expect((await get(path, { "if-match": `W/${etag}` })).status).toBe(412);
    expect((await read(path, { "if-match": etag })).bytes).toEqual(bytes);

    // Ranges.
    const size = bytes.length;
    for (const [range, begin, end] of [
      ["bytes=0-0", 0, 1],
      ["bytes=2-6", 2, 7],
      ["bytes=5-", 5, size],
      ["bytes=-3", size - 3, size],
      [`bytes=0-${size * 9}`, 0, size],
      [`bytes=-${size * 9}`, 0, size],
    ] as const) {
      const part = await read(path, { range });
      expect([range, part.response.status, fields(part.response)]).toMatchObject([
        range,
        206,
        {
          ...always,
          "content-range": `bytes ${begin}-${end - 1}/${size}`,
          "content-length": String(end - begin),
          ...(digest === null ? {} : { "repr-digest": digest }),
        },
      ]);
      expect(part.bytes).toEqual(bytes.slice(begin, end));
    }
    for (const range of ["bytes=1-2,4-5", "lines=1-2", "bytes=5-2", "bytes=x", "bytes=-"]) {
      const whole = await read(path, { range });
      expect([range, whole.response.status, sha256(whole.bytes)]).toEqual([range, 200, sha256(bytes)]);
    }
    for (const range of [`bytes=${size}-`, "bytes=-0"]) {
      const beyond = await get(path, { range });
      expect([range, beyond.status, beyond.headers.get("content-range"), beyond.headers.get("cache-control")]).toEqual([
        range,
        416,
        `bytes */${size}`,
        "no-store",
      ]);
      expect(beyond.headers.get("access-control-expose-headers")).toContain("Content-Range");
    }
    for (const [tag, status] of [
      [etag, 206],
      ['"other"', 200],
      [`W/${etag}`, 200],
      ["Sun, 06 Nov 1994 08:49:37 GMT", 200],
    ] as const) {
      const conditional = await read(path, { range: "bytes=1-3", "if-range": tag });
      expect([tag, conditional.response.status]).toEqual([tag, status]);
      expect(conditional.bytes).toEqual(status === 206 ? bytes.slice(1, 4) : bytes);
    }

    // Head: all fields, no body, no range.
    const head = await get(path, { range: "bytes=0-1" }, "HEAD");
    expect([head.status, await head.text(), fields(head)]).toMatchObject([
      200,
      "",
      { ...always, "content-length": String(size) },
    ]);
    expect((await get(path, { "if-none-match": etag }, "HEAD")).status).toBe(304);
  });

  it("is missing as a problem that nobody keeps", async () => {
    const absent = "0".repeat(64);
    for (const [path, status] of [
      [`/models/${absent}/model.safetensors`, 404],
      [`/models/${plain}/nothing.bin`, 404],
      [`/models/${plain}/model.safetensors.index.json`, 404],
      [`/models/${plain}/model-00001-of-00002.safetensors`, 404],
      [`/models/${plain}/weights-00001-of-00001.bin`, 404],
      [`/models/${sharded}/weights-00004-of-00003.bin`, 404],
      [`/models/${sharded}/weights-00001-of-00004.bin`, 404],
      ["/models/@nothing/model.json", 404],
    ] as const) {
      for (const method of ["GET", "HEAD"]) {
        const response = await get(path, { "if-none-match": "*", range: "bytes=0-1" }, method);
        expect([path, response.status, response.headers.get("cache-control")]).toEqual([path, status, "no-store"]);
        expect(response.headers.get("etag")).toBeNull();
        expect(response.headers.get("access-control-allow-origin")).toBe("*");
        await response.body?.cancel();
      }
    }
  });

  it("answers a page's preflight, for every method of the API", async () => {
    const preflight = await get(
      "/v1/fusions",
      {
        origin: "https://elsewhere.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,idempotency-key",
      },
      "OPTIONS",
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-methods")).toContain("PUT");
    const allowed = preflight.headers.get("access-control-allow-headers")?.toLowerCase();
    for (const field of ["authorization", "if-match", "want-repr-digest", "range"]) expect(allowed).toContain(field);
    expect(preflight.headers.get("access-control-allow-credentials")).toBeNull();
  });
});

describe("a model of more than a CDN keeps in one file", () => {
  it("is not to be had whole; the answer names what it comes in", async () => {
    for (const [file, index] of [
      ["model.safetensors", "model.safetensors.index.json"],
      ["weights.bin", "model.json"],
    ] as const) {
      const response = await get(`/models/${sharded}/${file}`, { range: "bytes=0-7" });
      expect([response.status, await response.json()]).toEqual([
        409,
        expect.objectContaining({ code: "form-unavailable", index: `/models/${sharded}/${index}` }),
      ]);
      expect((await get(`/models/${sharded}/${index}`)).status).toBe(200);
    }
  });

  it("is the same tensors in shards, and the same weights in parts that TF.js puts together", async () => {
    const expected = [2, ...Array.from({ length: 32 }, (_, index) => index + 2)];
    const index = (await (await get(`/models/${sharded}/model.safetensors.index.json`)).json()) as {
      metadata: { total_size: number };
      weight_map: Record<string, string>;
    };
    expect(index.metadata.total_size).toBe(136);
    const values = new Map<string, number[]>();
    for (const file of new Set(Object.values(index.weight_map))) {
      const { header, bytes } = decodeSafetensors((await read(`/models/${sharded}/${file}`)).bytes);
      for (const tensor of header.tensors) {
        expect(index.weight_map[tensor.name]).toBe(file);
        values.set(tensor.name, [...new Float32Array(bytes(tensor).slice().buffer)]);
      }
    }
    expect(values.get("output/kernel")).toEqual(expected.slice(1));
    expect(values.get("output/bias")).toEqual([2, -2]);

    const topology = (await (await get(`/models/${sharded}/model.json`)).json()) as {
      weightsManifest: { paths: string[]; weights: { name: string }[] }[];
    };
    const paths = topology.weightsManifest[0]?.paths ?? [];
    expect(paths).toEqual([1, 2, 3].map((part) => `weights-0000${part}-of-00003.bin`));
    const parts = [];
    for (const path of paths) parts.push((await read(`/models/${sharded}/${path}`)).bytes);
    expect(parts.map(({ length }) => length)).toEqual([64, 64, 8]);
    const order = topology.weightsManifest[0]?.weights.flatMap(({ name }) => values.get(name) ?? []) ?? [];
    expect([...new Float32Array(new Uint8Array(Buffer.concat(parts)).buffer)]).toEqual(order);
  });
});
