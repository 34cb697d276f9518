import { afterAll, describe, expect, it } from "vitest";
import { SCOPES } from "../../shared/api/tokens.ts";
import { jsonOf, startConformanceWorld } from "../support/conformance-world.ts";

const world = await startConformanceWorld(SCOPES);
const { worker } = world;
afterAll(() => world.close());

const NOBODY = "0".repeat(64);
const PLAIN = ["model.safetensors", "manifest.json", "model.json", "weights.bin", "config.json"];
const SHARDED = [
  ...["model.safetensors.index.json", "model-00002-of-00002.safetensors", "weights-00003-of-00003.bin"],
  ...["model.json", "manifest.json", "config.json"],
];

/** Private models of each kind, with their files and the names that they go by. */
const MODELS = await Promise.all(
  (
    [
      { kind: "stored", files: PLAIN, more: {} },
      { kind: "in shards", files: SHARDED, more: { isWide: true } },
      { kind: "lazy", files: PLAIN.filter((file) => file !== "manifest.json"), more: { materialize: "lazy" } },
    ] as const
  ).map(async ({ kind, files, more }, index) => {
    const id = await world.freshModel({ ...more, visibility: "private" });
    const aliases = [await world.freshAlias(id), await world.freshAlias(id, `secret/model-${index}`)];
    return { kind, id, files, aliases };
  }),
);

interface Surface {
  readonly path: string;
  /** The same address of a model that there is not. */
  readonly none: string;
  readonly status: 200 | 307;
  readonly method?: "POST";
}

/** Everywhere that a model shows: by id, by alias, as a repository by either, and what tells about a repository. */
const rows = MODELS.flatMap(({ kind, id, files, aliases }) => {
  const names = [
    { name: id as string, none: NOBODY },
    { name: `models/${id}`, none: `models/${NOBODY}` },
    ...aliases.map((name) => ({ name, none: `${name}-none` })),
  ];
  const surfaces: (readonly [string, Surface])[] = files.flatMap((file) => [
    [`${file} by id`, { path: `/models/${id}/${file}`, none: `/models/${NOBODY}/${file}`, status: 200 }] as const,
    ...(file === files[0] || file === "model.json" ? aliases : []).map(
      (alias) =>
        [
          `${file} at @${alias}`,
          { path: `/models/@${alias}/${file}`, none: `/models/@${alias}-none/${file}`, status: 307 },
        ] as const,
    ),
    ...names.flatMap(({ name, none }) =>
      ["resolve/main", ...(file === files[0] ? ["raw/main", `resolve/${id}`] : [])].map(
        (verb) =>
          [
            `${file} as ${name.replace(id, "ID")}/${verb.replace(id, "ID")}`,
            { path: `/${name}/${verb}/${file}`, none: `/${none}/${verb.replace(id, NOBODY)}/${file}`, status: 200 },
          ] as const,
      ),
    ),
  ]);
  for (const { name, none } of names) {
    for (const rest of ["", "/revision/main", "/tree/main", "/tree/main?expand=true", "/paths-info/main"]) {
      const method = rest.startsWith("/paths-info") ? ({ method: "POST" } as const) : {};
      const surface = {
        path: `/api/models/${name}${rest}`,
        none: `/api/models/${none}${rest}`,
        status: 200,
        ...method,
      };
      surfaces.push([`/api/models/${name.replace(id, "ID")}${rest}`, surface as Surface]);
    }
  }
  return surfaces.map(([name, surface]) => [`${kind}: ${name}`, { ...surface, id, names }] as const);
});

const CONDITIONS: readonly Record<string, string>[] = [
  { range: "bytes=0-7" },
  { range: "bytes=99999999-" },
  { "if-none-match": "*" },
  { "if-match": "*" },
];

async function ask(path: string, method: string, fields: Record<string, string>, token?: string) {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const post = method === "POST" ? jsonOf("POST", { paths: ["model.safetensors", "config.json"] }) : { method };
  const response = await fetch(worker.url + path, {
    ...post,
    redirect: "manual",
    headers: { ...("headers" in post ? post.headers : {}), ...fields, ...authorization },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Fields that no two answers share. */
const VARYING = new Set(["date", "x-request-id", "traceparent", "content-length", "ratelimit"]);

/** Takes what was asked for out of an answer, so that answers about different things compare. */
function neutral({ status, headers, text }: Awaited<ReturnType<typeof ask>>, asked: readonly string[]) {
  const strip = (value: string) =>
    asked.reduce((left, name) => left.replaceAll(name, "…"), value.replace(/,"requestId":"[^"]*"/, ""));
  const fields = [...headers].filter(([name]) => !VARYING.has(name)).map(([name, value]) => [name, strip(value)]);
  return { status, fields, text: strip(text) };
}

const methodsOf = ({ method }: Surface) => (method === undefined ? ["GET", "HEAD"] : [method]);
const unreading = SCOPES.filter((scope) => scope !== "read" && scope !== "admin");

describe("a private model looks to whoever may not read it like one that is not there", () => {
  it.each(rows)("%s", async (_, surface) => {
    const { path, none, id, names } = surface;
    const asked = [...names.flatMap((name) => [name.none, name.name]), NOBODY, id].toSorted(
      (a, b) => b.length - a.length,
    );
    const outsiders = [undefined, await world.token(...unreading), "x", `ef_${"A".repeat(43)}`];
    const asks = methodsOf(surface).flatMap((method) => [
      ...outsiders.map((token) => ({ method, fields: {}, token })),
      ...CONDITIONS.map((fields) => ({ method, fields, token: undefined })),
    ]);
    await Promise.all(
      asks.map(async ({ method, fields, token }) => {
        const [hidden, absent] = [await ask(path, method, fields, token), await ask(none, method, fields, token)];
        expect([401, 404]).toContain(hidden.status);
        expect(hidden.headers.get("cache-control")).toBe("no-store");
        // Not even its id, where it was asked for by another name.
        if (!path.includes(id)) expect(hidden.text + JSON.stringify([...hidden.headers])).not.toContain(id);
        expect(neutral(hidden, asked)).toEqual(neutral(absent, asked));
      }),
    );
  });
});

describe("a private model is there for whoever may read it, and in no shared cache", () => {
  it.each(rows)("%s", async (_, surface) => {
    for (const token of [await world.token("read"), await world.oidc("read")]) {
      for (const method of methodsOf(surface)) {
        const { status, headers } = await ask(surface.path, method, {}, token);
        expect([method, status]).toEqual([method, surface.status]);
        expect(headers.get("cache-control")).toMatch(/^private, /);
        expect(headers.get("vary")).toBe("Authorization, Accept-Encoding");
      }
    }
  });
});

describe("a signed link opens one model, by its id, and nothing else", () => {
  it.each(MODELS.map((model) => [model.kind, model] as const))("%s", async (_, { id, files, aliases }) => {
    const { url } = await world.client.createLink(id, { expiresIn: 60 });
    const { search } = new URL(url);
    for (const file of files) {
      for (const method of ["GET", "HEAD"]) {
        const opened = await ask(`/models/${id}/${file}${search}`, method, {});
        expect([file, opened.status]).toEqual([file, 200]);
        expect(opened.headers.get("cache-control")).toMatch(/^private, /);
      }
      for (const other of MODELS.filter((model) => model.id !== id)) {
        expect((await ask(`/models/${other.id}/${file}${search}`, "GET", {})).status).toBe(403);
      }
    }
    // By alias it leads to the model that it is for, and says nothing of others.
    const other = MODELS.find((model) => model.id !== id);
    expect((await ask(`/models/@${other?.aliases[0]}/model.json${search}`, "GET", {})).status).toBe(404);
    const redirected = await ask(`/models/@${aliases[0]}/model.json${search}`, "GET", {});
    expect([redirected.status, redirected.headers.get("location")]).toEqual([307, `/models/${id}/model.json${search}`]);
    for (const path of [`/v1/fusions/${id}`, "/v1/models", `/v1/aliases/${aliases[0]}`, "/v1/tokens"]) {
      expect((await ask(path + search, "GET", {})).status).toBe(401);
    }
  });
});

describe("what is public tells nothing of what is private", () => {
  it.each(["/", "/healthz", "/docs", "/docs/problems", "/openapi.json"])("%s", async (path) => {
    const { text } = await ask(path, "GET", {});
    for (const { id, aliases } of MODELS) for (const name of [id, ...aliases]) expect(text).not.toContain(name);
  });
});
