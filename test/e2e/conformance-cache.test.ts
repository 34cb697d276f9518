import { createHash } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { startConformanceWorld } from "../support/conformance-world.ts";

const world = await startConformanceWorld([]);
const { worker, plain, sharded } = world;
const lazy = await world.freshModel({ materialize: "lazy" });
/** A model of two checkpoints that were probed, so that it has pictures. */
const probed = await (async () => {
  const [a, b] = [world.checkpoint, await world.freshCheckpoint()];
  await world.client.createProbe({ a, b, dataset: "tiny", points: 3 });
  const inputs = [{ checkpoint: a }, { checkpoint: b }];
  return (await world.client.createFusion({ recipe: { method: "linear", inputs } })).id;
})();
afterAll(() => world.close());

const FOREVER = "public, max-age=31536000, immutable, no-transform";
const BRIEF = "public, max-age=60, stale-while-revalidate=600, no-transform";
const NOBODY = "0".repeat(64);

const PLAIN = ["model.safetensors", "manifest.json", "model.json", "weights.bin", "config.json"];
const LAZY = PLAIN.filter((file) => file !== "manifest.json");
const SHARDED = [
  ...["model.safetensors.index.json", "model-00002-of-00002.safetensors", "weights-00003-of-00003.bin"],
  ...["model.json", "manifest.json", "config.json"],
];

/** A public address: how long caches keep it, and how much of HTTP it takes. */
interface Address {
  readonly name: string;
  readonly path: string;
  /** The same address of something that there is not; empty where there is always something. */
  readonly missing: string;
  readonly cacheControl: string;
  readonly kind: "file" | "redirect" | "listing" | "page" | "description" | "picture";
}

const files: Address[] = [
  ...[
    { of: "a model", id: plain, names: PLAIN, aliases: ["solo"] },
    { of: "a model in shards", id: sharded, names: SHARDED, aliases: ["team/sharded"] },
    { of: "a lazy model", id: lazy, names: LAZY, aliases: [] },
  ].flatMap(({ of, id, names, aliases }) =>
    names.flatMap((file) => [
      ...[
        { by: "by id", path: `/models/${id}/${file}`, missing: `/models/${NOBODY}/${file}`, cacheControl: FOREVER },
        {
          by: "as a repository by id",
          path: `/${id}/resolve/main/${file}`,
          missing: `/${NOBODY}/resolve/main/${file}`,
          cacheControl: FOREVER,
        },
        ...aliases.flatMap((alias) => [
          { by: `as ${alias}, now`, path: `/${alias}/resolve/main/${file}`, cacheControl: BRIEF },
          { by: `as ${alias}, raw`, path: `/${alias}/raw/main/${file}`, cacheControl: BRIEF },
          { by: `as ${alias}, by version`, path: `/${alias}/resolve/v1/${file}`, cacheControl: FOREVER },
        ]),
      ].map(({ by, ...more }) => ({
        missing: `${more.path}.gone`,
        ...more,
        name: `${file} of ${of} ${by}`,
        kind: "file" as const,
      })),
      ...aliases.map((alias) => ({
        name: `${file} of ${of} at @${alias}`,
        path: `/models/@${alias}/${file}`,
        missing: `/models/@${alias}-gone/${file}`,
        cacheControl: BRIEF,
        kind: "redirect" as const,
      })),
    ]),
  ),
];
const listings = ["solo", "team/plain", "team/sharded"].flatMap((alias) =>
  ["", "/revision/main", "/tree/main"].map((rest) => ({
    name: `/api/models/${alias}${rest}`,
    path: `/api/models/${alias}${rest}`,
    missing: `/api/models/${alias}-gone${rest}`,
    cacheControl: BRIEF,
    kind: "listing" as const,
  })),
);
const pages = ["/openapi.json", "/docs", "/docs/problems"].map((path) => ({
  name: path,
  path,
  missing: "",
  cacheControl: "public, max-age=300",
  kind: "page" as const,
}));
const drawn = ["", "/barrier.svg", "/badge.svg"].map((file) => ({
  name: `/models/{id}${file} of a probed model`,
  path: `/models/${probed}${file}`,
  missing: `/models/${NOBODY}${file}`,
  cacheControl: BRIEF,
  kind: file === "" ? ("description" as const) : ("picture" as const),
}));
const ADDRESSES: readonly Address[] = [...files, ...listings, ...pages, ...drawn];
const rowsOf = (addresses: readonly Address[]) => addresses.map((address) => [address.name, address] as const);
const ALL = rowsOf(ADDRESSES);
const FILES = rowsOf(ADDRESSES.filter(({ kind }) => kind === "file"));
const TAGGED = rowsOf(ADDRESSES.filter(({ kind }) => kind !== "redirect" && kind !== "listing"));
const LOSABLE = rowsOf(ADDRESSES.filter(({ missing }) => missing !== ""));

async function ask(path: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await fetch(worker.url + path, {
    method,
    headers: { "accept-encoding": "identity", origin: "https://elsewhere.example", ...headers },
    redirect: "manual",
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, bytes, headers: Object.fromEntries(response.headers) as Record<string, string> };
}

/** Fields that caches and those who ask them again go by; all of them must be the same on 200, 206, 304 and HEAD. */
const VALIDATORS = ["etag", "cache-control", "vary", "repr-digest", "access-control-allow-origin"] as const;
const validatorsOf = (path: string, headers: Record<string, string>) =>
  Object.fromEntries(
    // A lazy model that is read as a whole is stored behind the answer, and has a digest from then on.
    VALIDATORS.filter((name) => name !== "repr-digest" || !path.includes(lazy)).map((name) => [name, headers[name]]),
  );

const digestOf = (bytes: Uint8Array) => `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;

/** What 206 must have beside the validators. */
const partFields = (begin: number, end: number, size: number) => ({
  "content-range": `bytes ${begin}-${end - 1}/${size}`,
  "content-length": String(end - begin),
  "accept-ranges": "bytes",
});

describe("the table of addresses", () => {
  it("has each public GET route of the OpenAPI document", async () => {
    const { bytes } = await ask("/openapi.json");
    const { paths } = JSON.parse(new TextDecoder().decode(bytes)) as {
      paths: Record<string, { get?: { security?: unknown } }>;
    };
    const open = Object.entries(paths).filter(([, { get }]) => get !== undefined && get.security === undefined);
    expect(open.length).toBeGreaterThan(15);
    const others = new Set(["/", "/healthz"]);
    for (const [path] of open) {
      // A folder within a repository: there is none.
      if (others.has(path) || path.endsWith("/tree/{revision}/{path}")) continue;
      const pattern = new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
      expect([path, ADDRESSES.some((address) => pattern.test(address.path))]).toEqual([path, true]);
    }
    expect((await ask("/healthz")).headers["cache-control"]).toBe("no-store");
  });
});

describe("plain", () => {
  it.each(ALL)("%s", async (_, { path, cacheControl, kind }) => {
    const { status, headers, bytes } = await ask(path);
    expect([status, headers["cache-control"]]).toEqual([kind === "redirect" ? 307 : 200, cacheControl]);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["set-cookie"]).toBeUndefined();
    if (kind !== "page") {
      expect(headers["vary"]).toBe(kind === "description" ? "Accept, Accept-Encoding" : "Accept-Encoding");
    }
    if (kind === "redirect") {
      expect(headers["location"]).toMatch(new RegExp(`^/models/[0-9a-f]{64}/${path.split("/").at(-1)}$`));
    }
    if (kind !== "file") return;
    expect(headers["etag"]).toMatch(/^"[\w.-]+"$/);
    expect(headers["content-encoding"]).toBeUndefined();
    expect(headers["content-length"]).toBe(String(bytes.length));
    expect(headers["accept-ranges"]).toBe("bytes");
    // Of what is computed piece by piece nobody has the digest yet; of what is there it is right.
    if (headers["repr-digest"] !== undefined) expect(headers["repr-digest"]).toBe(digestOf(bytes));
    else expect(path).toMatch(new RegExp(`-of-|${lazy}`));
  });
});

describe("fresh: 304 with every field that 200 has", () => {
  it.each(TAGGED)("%s", async (_, { path }) => {
    const first = await ask(path);
    const etag = first.headers["etag"] ?? "none";
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      for (const method of ["GET", "HEAD"]) {
        const fresh = await ask(path, { "if-none-match": tags }, method);
        expect([tags, method, fresh.status, fresh.bytes.length]).toEqual([tags, method, 304, 0]);
        expect(validatorsOf(path, fresh.headers)).toEqual(validatorsOf(path, first.headers));
      }
    }
    // Entity tags go before dates, and before ranges.
    const both = { "if-none-match": etag, "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT", range: "bytes=0-0" };
    expect((await ask(path, both)).status).toBe(304);
  });
});

describe("stale: 200 with everything", () => {
  it.each(TAGGED)("%s", async (_, { path }) => {
    const first = await ask(path);
    for (const tags of ['"other"', `"other", "${"0".repeat(64)}"`, `"x${first.headers["etag"]?.slice(1)}`]) {
      const stale = await ask(path, { "if-none-match": tags });
      expect([tags, stale.status]).toEqual([tags, 200]);
      expect(stale.bytes).toEqual(first.bytes);
      expect(validatorsOf(path, stale.headers)).toEqual(validatorsOf(path, first.headers));
    }
  });
});

describe("range: 206 with the bytes that were asked for", () => {
  it.each(FILES)("%s", async (_, { path }) => {
    const first = await ask(path);
    const { length } = first.bytes;
    for (const [range, begin, end] of [
      ["bytes=0-0", 0, 1],
      ["bytes=1-4", 1, 5],
      ["bytes=3-", 3, length],
      ["bytes=-2", length - 2, length],
      [`bytes=0-${length + 9}`, 0, length],
    ] as const) {
      const part = await ask(path, { range });
      expect([range, part.status]).toEqual([range, 206]);
      expect(part.headers).toMatchObject(partFields(begin, end, length));
      expect(validatorsOf(path, part.headers)).toEqual(validatorsOf(path, first.headers));
      expect(part.bytes).toEqual(first.bytes.slice(begin, end));
    }
  });
});

describe("range with If-Range: 206 where it is fresh, all of it where it is not", () => {
  it.each(FILES)("%s", async (_, { path }) => {
    const first = await ask(path);
    const etag = first.headers["etag"] ?? "none";
    for (const [tag, status] of [
      [etag, 206],
      ['"other"', 200],
      [`W/${etag}`, 200],
      ["Sun, 06 Nov 1994 08:49:37 GMT", 200],
    ] as const) {
      const answer = await ask(path, { range: "bytes=1-3", "if-range": tag });
      expect([tag, answer.status]).toEqual([tag, status]);
      expect(answer.bytes).toEqual(status === 206 ? first.bytes.slice(1, 4) : first.bytes);
      expect(validatorsOf(path, answer.headers)).toEqual(validatorsOf(path, first.headers));
    }
  });
});

describe("range beyond the end: 416, kept by nobody; If-Match of something else: 412", () => {
  it.each(FILES)("%s", async (_, { path }) => {
    const { length } = (await ask(path)).bytes;
    const beyond = await ask(path, { range: `bytes=${length}-` });
    expect([beyond.status, beyond.headers]).toMatchObject([
      416,
      { "content-range": `bytes */${length}`, "cache-control": "no-store" },
    ]);
    for (const method of ["GET", "HEAD"]) {
      const other = await ask(path, { "if-match": '"other"' }, method);
      expect([other.status, other.headers["cache-control"]]).toEqual([412, "no-store"]);
    }
  });
});

describe("head: what GET says, without a body, whatever range is asked for", () => {
  it.each(ALL)("%s", async (_, { path, kind }) => {
    const first = await ask(path);
    for (const asked of [{}, { range: "bytes=0-0" }]) {
      const head = await ask(path, asked, "HEAD");
      expect([head.status, head.bytes.length]).toEqual([first.status, 0]);
      expect(validatorsOf(path, head.headers)).toEqual(validatorsOf(path, first.headers));
      expect(head.headers["content-type"]).toBe(first.headers["content-type"]);
      expect(head.headers["location"]).toBe(first.headers["location"]);
      if (kind === "file") expect(head.headers["content-length"]).toBe(first.headers["content-length"]);
      expect(head.headers["content-range"]).toBeUndefined();
    }
  });
});

describe("missing: 404 that nobody keeps, whatever is asked", () => {
  it.each(LOSABLE)("%s", async (_, { missing }) => {
    for (const method of ["GET", "HEAD"]) {
      for (const asked of [{}, { "if-none-match": "*" }, { range: "bytes=0-0" }, { "if-match": "*" }]) {
        const { status, headers } = await ask(missing, asked as Record<string, string>, method);
        expect([missing, method, status, headers["cache-control"]]).toEqual([missing, method, 404, "no-store"]);
        expect([headers["etag"], headers["content-range"], headers["location"]]).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
        expect(headers["access-control-allow-origin"]).toBe("*");
      }
    }
  });
});
