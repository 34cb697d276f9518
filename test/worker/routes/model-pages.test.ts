import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../../shared/api/index.ts";
import type { ModelDescription } from "../../../shared/api/models.ts";
import { encodeShard } from "../../../shared/evaluation/shard.ts";
import type { ModelId, ProbeId } from "../../../shared/identity.ts";
import { linearModel } from "../../support/checkpoint-files.ts";
import { bindings, migrate } from "../migrations.ts";

const TOKEN = bindings.EDGEFUSE_ADMIN_TOKEN ?? "";
const BASE = "https://edgefuse.example";
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

const send = (path: string, init?: RequestInit) =>
  (exports as unknown as { default: { fetch: typeof fetch } }).default.fetch(
    new Request(new URL(path, BASE), { redirect: "manual", ...init }),
  );
const client = new EdgefuseClient({
  url: BASE,
  token: TOKEN,
  fetch: (input, init) => send(String(input), init),
});
const withToken = { authorization: `Bearer ${TOKEN}` };
const ask = (path: string, accept?: string, headers: Record<string, string> = {}) =>
  send(path, { headers: { ...(accept === undefined ? {} : { accept }), ...headers } });

let stored: ModelId;
let hidden: ModelId;
let lazy: ModelId;
let probe: ProbeId;

beforeAll(async () => {
  await migrate();
  const kernels = [
    [1, 2, 3, 4, 5, 6, 7, 8],
    [8, 7, 6, 5, 4, 3, 2, 1],
    [1, 0, 0, 1, 1, 0, 0, 1],
  ];
  const ids = [];
  for (const kernel of kernels) ids.push((await client.uploadCheckpoint(linearModel(kernel, [1, 0]))).id);
  const [a, b, c] = ids;
  if (a === undefined || b === undefined || c === undefined) throw new Error("three checkpoints were uploaded");
  const fuse = async (inputs: readonly string[], more: object = {}) =>
    (
      await client.createFusion({
        recipe: { method: "linear", inputs: inputs.map((checkpoint) => ({ checkpoint })) },
        ...more,
      } as never)
    ).id;
  stored = await fuse([a, b]);
  hidden = await fuse([a, c], { visibility: "private" });
  lazy = await fuse([b, c], { materialize: "lazy" });
  const x = new Float32Array(Array.from({ length: 80 }, (_, index) => Math.sin(index)));
  const y = new Int32Array(Array.from({ length: 20 }, (_, index) => index % 2));
  const shard = encodeShard({ count: 20, inputShape: [2, 2], x, y, scale: 1, offset: 0 });
  await client.putDataset("tiny", { shards: [(await client.uploadShard(shard)).id] });
  probe = (await client.createProbe({ a, b, dataset: "tiny" })).id;
  for (const alone of [a, b]) await client.createProbe({ a: alone, b: alone, dataset: "tiny" });
  for (const [name, model] of [
    ["team/digits", stored],
    ["solo", stored],
  ] as const) {
    await client.aliases.put(name, { model }, "new");
  }
});

describe("a model's address", () => {
  it("is a page for browsers and JSON for everyone else, and caches keep them apart", async () => {
    const page = await ask(`/models/${stored}`, BROWSER);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const text = await page.text();
    expect(text).toContain("<!doctype html>");
    expect(text).toContain(`${BASE}/models/${stored}/model.safetensors`);
    for (const accept of [undefined, "*/*", "application/json"]) {
      const json = await ask(`/models/${stored}`, accept);
      expect(json.headers.get("content-type")).toBe("application/json");
      expect(json.headers.get("vary")).toMatch(/^Accept\b/);
      const body = await json.json<ModelDescription>();
      expect(body).toMatchObject({ id: stored, state: "succeeded", visibility: "public", gate: null });
      expect(body.manifest?.inputs).toHaveLength(2);
      expect(body.files).toEqual(expect.arrayContaining(["model.safetensors", "model.json", "manifest.json"]));
    }
    expect(page.headers.get("vary")).toMatch(/^Accept\b/);
    expect(page.headers.get("cache-control")).toBe("public, max-age=60, stale-while-revalidate=600, no-transform");
  });

  it("has a validator for each form, and answers HEAD", async () => {
    const tags = [];
    for (const accept of [BROWSER, "application/json"]) {
      const etag = (await ask(`/models/${stored}`, accept)).headers.get("etag") ?? "";
      const again = await ask(`/models/${stored}`, accept, { "if-none-match": etag });
      expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
      tags.push(etag);
      const head = await send(`/models/${stored}`, { method: "HEAD", headers: { accept } });
      expect([head.status, await head.text(), head.headers.get("etag")]).toEqual([200, "", etag]);
    }
    expect(new Set(tags).size).toBe(2);
  });

  it("may be an alias, with or without a slash, beside the aliases' files", async () => {
    for (const name of ["team/digits", "solo"]) {
      const page = await ask(`/models/@${name}`, BROWSER);
      expect(page.status).toBe(200);
      expect(page.headers.get("x-repo-commit")).toBe(stored);
      const text = await page.text();
      expect(text).toContain(`<h1>${name}</h1>`);
      expect(text).toContain(`${BASE}/models/@${name}/model.safetensors`);
      expect(await (await ask(`/models/@${name}`)).json()).toMatchObject({ id: stored, alias: name });
      for (const file of ["model.safetensors", "manifest.json", "barrier.svg", "badge.svg"]) {
        const redirect = await ask(`/models/@${name}/${file}`);
        expect([redirect.status, redirect.headers.get("location")]).toEqual([307, `/models/${stored}/${file}`]);
      }
    }
    for (const path of ["/models/@team/other", "/models/@nobody"]) {
      expect([path, (await ask(path, BROWSER)).status]).toEqual([path, 404]);
    }
    expect((await ask("/models/nonsense", BROWSER)).status).toBe(400);
  });

  it("is the same for whoever asks about a public model", async () => {
    for (const accept of [BROWSER, "application/json"]) {
      const [open, known] = [await ask(`/models/${stored}`, accept), await ask(`/models/${stored}`, accept, withToken)];
      expect(await known.text()).toBe(await open.text());
    }
  });

  it("tells of a lazy model that it is computed when it is read", async () => {
    const page = await ask(`/models/${lazy}`, BROWSER);
    expect([page.status, page.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const text = await page.text();
    expect(text).toContain("computed when read");
    expect(text).toContain("Load it");
    expect(await (await ask(`/models/${lazy}`)).json()).toMatchObject({ state: "lazy", manifest: null, sha256: null });
  });

  it("of a private model is to strangers as that of none, and opens with a token or a link", async () => {
    const nobody = "0".repeat(64);
    for (const accept of [BROWSER, "application/json"]) {
      const [closed, none] = [await ask(`/models/${hidden}`, accept), await ask(`/models/${nobody}`, accept)];
      expect([closed.status, none.status]).toEqual([404, 404]);
      const neutral = async (response: Response, id: string) =>
        (await response.text()).replaceAll(id, "…").replace(/"requestId":"[^"]*"/, "");
      expect(await neutral(closed, hidden)).toBe(await neutral(none, nobody));
    }
    const page = await ask(`/models/${hidden}`, BROWSER, withToken);
    expect([page.status, page.headers.get("cache-control")]).toEqual([200, "private, no-cache, no-transform"]);
    expect(await page.text()).toContain("Bearer $EDGEFUSE_TOKEN");

    const signed = await send(`/v1/models/${hidden}/links`, {
      method: "POST",
      headers: { ...withToken, "content-type": "application/json" },
      body: JSON.stringify({ expiresIn: 600 }),
    });
    const { search } = new URL((await signed.json<{ url: string }>()).url);
    const opened = await ask(`/models/${hidden}${search}`, BROWSER);
    expect(opened.status).toBe(200);
    const text = await opened.text();
    const links = [...text.matchAll(/href="(\/models\/[^"]+)"/g)].map(([, link = ""]) => link.replaceAll("&amp;", "&"));
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) expect([link, (await ask(link)).status]).toEqual([link, 200]);
  });

  it("leads only to what is there", async () => {
    const text = await (await ask(`/models/${stored}`, BROWSER)).text();
    const links = [...text.matchAll(/href="(\/[^"]*)"/g)].map(([, link = ""]) => link);
    expect(links).toContain(`/models/${stored}/barrier.svg`);
    for (const link of links) expect([link, (await ask(link)).status]).toEqual([link, 200]);
  });

  it("of a failed model says that it failed, and to whom it may why", async () => {
    const problem = { type: "x", title: "t", status: 422, code: "non-finite-values", detail: "Tensor w holds NaN." };
    const catalog = bindings.CATALOG;
    const fail = (id: string, visibility: string) =>
      catalog
        .prepare(
          `INSERT INTO fusions (id, recipe, state, attempt, bytes, data_offset, has_weights_form, part_bytes, etags,
             visibility, problem, created_at, updated_at)
           SELECT ?, recipe, 'failed', attempt, bytes, data_offset, has_weights_form, part_bytes, etags, ?, ?,
             created_at, updated_at FROM fusions WHERE id = ?`,
        )
        .bind(id, visibility, JSON.stringify(problem), lazy)
        .run();
    const [open, closed] = ["f".repeat(64), "e".repeat(64)];
    await fail(open, "public");
    await fail(closed, "private");
    const page = await (await ask(`/models/${open}`, BROWSER)).text();
    expect(page).toContain("The fusion failed");
    expect(page).not.toContain("Tensor w");
    expect((await ask(`/models/${closed}`, BROWSER)).status).toBe(404);
    expect(await (await ask(`/models/${closed}`, BROWSER, withToken)).text()).toContain("Tensor w holds NaN.");
    expect((await ask(`/models/${open}/model.safetensors`)).status).toBe(404);
  });
});

describe("pictures", () => {
  it("of a model are of the probe of its inputs, not of a later one of one of them alone", async () => {
    for (const name of ["barrier.svg", "badge.svg"]) {
      const ofProbe = await (await ask(`/v1/probes/${probe}/${name}`, undefined, withToken)).text();
      expect(await (await ask(`/models/${stored}/${name}`)).text()).toBe(ofProbe);
    }
  });

  it("of a probe are SVG that may run nothing, for whoever may read the probe", async () => {
    for (const name of ["barrier.svg", "badge.svg"]) {
      const picture = await ask(`/v1/probes/${probe}/${name}`, undefined, withToken);
      expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/svg+xml; charset=utf-8"]);
      const svg = await picture.text();
      expect(svg).toMatch(/^<svg /);
      const style = /<style>([^]*?)<\/style>/.exec(svg)?.[1] ?? "";
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style)));
      expect(picture.headers.get("content-security-policy")).toContain(btoa(String.fromCharCode(...digest)));
      const etag = picture.headers.get("etag") ?? "";
      const again = await ask(`/v1/probes/${probe}/${name}`, undefined, { ...withToken, "if-none-match": etag });
      expect(again.status).toBe(304);
      expect((await ask(`/v1/probes/${probe}/${name}`)).status).toBe(401);
    }
    for (const name of ["plane.svg", "matrix.svg"]) {
      const none = await ask(`/v1/probes/${probe}/${name}`, undefined, withToken);
      expect([name, none.status, (await none.json<{ code: string }>()).code]).toEqual([name, 404, "not-found"]);
    }
  });

  it("show losses where they are asked to", async () => {
    const loss = await (await ask(`/v1/probes/${probe}/barrier.svg?measure=loss`, undefined, withToken)).text();
    expect(loss).toContain("loss in nats on 20 samples");
    expect((await ask(`/v1/probes/${probe}/barrier.svg?measure=luck`, undefined, withToken)).status).toBe(400);
  });

  it("of a public model are public, and none where its inputs were not probed", async () => {
    for (const name of ["barrier.svg", "badge.svg"]) {
      const picture = await ask(`/models/${stored}/${name}`);
      expect([picture.status, picture.headers.get("cache-control")]).toEqual([
        200,
        "public, max-age=60, stale-while-revalidate=600, no-transform",
      ]);
      expect(await picture.text()).toMatch(/^<svg /);
      expect((await ask(`/models/${lazy}/${name}`)).status).toBe(404);
      const [closed, nobody] = [await ask(`/models/${hidden}/${name}`), await ask(`/models/${"0".repeat(64)}/${name}`)];
      expect([closed.status, nobody.status]).toEqual([404, 404]);
      expect((await closed.json<{ code: string }>()).code).toBe((await nobody.json<{ code: string }>()).code);
    }
  });

  it("are part of the page", async () => {
    const text = await (await ask(`/models/${stored}`, BROWSER)).text();
    expect(text).toContain('<svg xmlns="http://www.w3.org/2000/svg" class="picture"');
    expect(await (await ask(`/models/${stored}`)).json()).toMatchObject({
      probe: { id: probe, kind: "path" },
      links: { barrier: `/models/${stored}/barrier.svg`, badge: `/models/${stored}/badge.svg` },
    });
    expect(await (await ask(`/models/${lazy}`)).json()).toMatchObject({
      probe: null,
      links: { barrier: null, badge: null },
    });
  });
});
