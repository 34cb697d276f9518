import { createHash, createPublicKey, type JsonWebKey } from "node:crypto";
import { base64url, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CreatedToken, type Scope, SCOPES, type TokenDescription } from "../../shared/api/tokens.ts";
import { type OidcIssuer, startOidcIssuer } from "../support/oidc-issuer.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let issuer: OidcIssuer;
/** Every secret that passes through these tests; none of them may be in the log. */
const secrets: string[] = [];

beforeAll(async () => {
  issuer = await startOidcIssuer();
  const rule = { issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: "edgefuse", repository: "owner/name" };
  const rules = [
    { ...rule, refs: ["refs/heads/main"], workflows: ["owner/name/.github/workflows/train.yml"], scopes: ["write"] },
    // Nobody answers there.
    { ...rule, issuer: "https://unreachable.example", jwksUri: "http://127.0.0.1:9/jwks", scopes: ["write"] },
  ];
  worker = await startWorker({ vars: { EDGEFUSE_OIDC_RULES: JSON.stringify(rules) } });
  secrets.push(worker.token);
});
afterAll(async () => {
  await worker.close();
  await issuer.close();
});

const ZEROS = "0".repeat(64);

/** An address of each kind of route, and the scopes of which one opens it. Written down here a second time on purpose. */
const ROUTES: readonly [method: string, path: string, scopes: readonly Scope[]][] = [
  ["GET", "/v1/checkpoints", ["read"]],
  ["GET", `/v1/checkpoints/${ZEROS}`, ["read"]],
  ["GET", `/v1/checkpoints/${ZEROS}/model.safetensors`, ["read"]],
  ["POST", "/v1/checkpoints", ["write"]],
  ["GET", `/v1/shards/${ZEROS}`, ["read"]],
  ["GET", `/v1/shards/${ZEROS}/shard.safetensors`, ["read"]],
  ["POST", "/v1/shards", ["write"]],
  ["GET", "/v1/datasets", ["read"]],
  ["GET", "/v1/datasets/none", ["read"]],
  ["PUT", "/v1/datasets/none", ["write"]],
  ["POST", "/v1/fuse", ["fuse"]],
  ["POST", "/v1/fusions", ["fuse"]],
  ["POST", "/v1/fusions/plan", ["fuse"]],
  ["GET", `/v1/fusions/${ZEROS}`, ["read", "fuse"]],
  ["GET", `/v1/fusions/${ZEROS}/plan`, ["read", "fuse"]],
  ["GET", `/v1/fusions/${ZEROS}/events`, ["read", "fuse"]],
  ["DELETE", `/v1/fusions/${ZEROS}`, ["fuse"]],
  ["POST", `/v1/models/${ZEROS}/links`, ["read"]],
  ["POST", "/v1/probes", ["probe"]],
  ["GET", `/v1/probes/${ZEROS}`, ["read", "probe"]],
  ["GET", `/v1/probes/${ZEROS}/barrier.svg`, ["read", "probe"]],
  ["POST", "/v1/tokens", []],
  ["GET", "/v1/tokens", []],
  ["DELETE", "/v1/tokens/00000000-0000-0000-0000-000000000000", []],
];

async function send(
  method: string,
  path: string,
  token?: string,
): Promise<{ status: number; code: string; response: Response }> {
  if (token !== undefined) secrets.push(token);
  const response = await fetch(worker.url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(method === "POST" || method === "PUT" ? { "content-type": "application/json" } : {}),
    },
    ...(method === "POST" || method === "PUT" ? { body: "{}" } : {}),
  });
  const text = await response.text();
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") === true;
  return { status: response.status, code: isProblem ? (JSON.parse(text) as { code: string }).code : "", response };
}

async function createToken(scopes: readonly Scope[], more: object = {}): Promise<CreatedToken> {
  const response = await worker.fetch("/v1/tokens", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: `for ${scopes.join(" ")}`, scopes, ...more }),
  });
  expect([response.status, response.headers.get("cache-control")]).toEqual([201, "no-store"]);
  const created = (await response.json()) as CreatedToken;
  secrets.push(created.token);
  return created;
}

describe("scopes", () => {
  it.each(SCOPES)("a token with %s alone opens its routes and no other", async (scope) => {
    const { token } = await createToken([scope]);
    for (const [method, path, scopes] of ROUTES) {
      const { status, code, response } = await send(method, path, token);
      const isAllowed = scope === "admin" || scopes.includes(scope);
      if (isAllowed) {
        expect([401, 403], `${method} ${path}`).not.toContain(status);
      } else {
        expect([method, path, status, code]).toEqual([method, path, 403, "insufficient-scope"]);
        expect(response.headers.get("www-authenticate")).toMatch(/^Bearer .*error="insufficient_scope", scope="/);
      }
    }
  });

  it("cannot be raised by who has them", async () => {
    const { token } = await createToken(SCOPES.filter((scope) => scope !== "admin"));
    expect(await send("POST", "/v1/tokens", token)).toMatchObject({ status: 403, code: "insufficient-scope" });
    expect(await send("GET", "/v1/tokens", token)).toMatchObject({ status: 403 });
  });

  it.each(ROUTES)("%s %s takes a token that is valid", async (method, path) => {
    expect(await send(method, path)).toMatchObject({ status: 401, code: "unauthorized" });
    for (const presented of ["x", `ef_${"A".repeat(43)}`, "a.b.c", `${worker.token.slice(0, -1)}!`]) {
      const { status, code, response } = await send(method, path, presented);
      expect([presented, status, code]).toEqual([presented, 401, "invalid-token"]);
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="edgefuse", error="invalid_token"');
    }
  });
});

describe("tokens", () => {
  it("are shown once, listed without themselves, and dead from the moment they are revoked", async () => {
    const { token, id } = await createToken(["read"], { name: "reader" });
    expect(await send("GET", "/v1/checkpoints", token)).toMatchObject({ status: 200 });
    const list = await (await worker.fetch("/v1/tokens?limit=200")).text();
    expect(list).not.toContain(token);
    expect(list).not.toContain(createHash("sha256").update(token).digest("hex"));
    const { items } = JSON.parse(list) as { items: TokenDescription[] };
    const mine = items.find((item) => item.id === id);
    expect(mine).toMatchObject({ name: "reader", scopes: ["read"], createdBy: "admin", revokedAt: null });
    expect(mine?.lastUsedAt).not.toBeNull();

    for (const _ of [1, 2]) expect((await worker.fetch(`/v1/tokens/${id}`, { method: "DELETE" })).status).toBe(200);
    expect(await send("GET", "/v1/checkpoints", token)).toMatchObject({ status: 401, code: "invalid-token" });
    const none = await worker.fetch("/v1/tokens/00000000-0000-0000-0000-000000000000", { method: "DELETE" });
    expect([none.status, await none.json()]).toEqual([404, expect.objectContaining({ code: "token-not-found" })]);
  });

  it("end when they expire", async () => {
    const { token, id } = await createToken(["read"], { expiresIn: 60 });
    expect(await send("GET", "/v1/checkpoints", token)).toMatchObject({ status: 200 });
    await worker.environment.CATALOG.prepare("UPDATE tokens SET expires_at = ? WHERE id = ?")
      .bind(new Date(Date.now() - 1).toISOString(), id)
      .run();
    expect(await send("GET", "/v1/checkpoints", token)).toMatchObject({ status: 401, code: "invalid-token" });
  });

  it.each([
    {},
    { name: "x" },
    { name: "", scopes: ["read"] },
    { name: "x", scopes: [] },
    { name: "x", scopes: ["root"] },
    { name: "x", scopes: ["read"], expiresIn: 1 },
    { name: "x", scopes: ["read"], expiresIn: 1e12 },
    { name: "x", scopes: ["read"], sha256: ZEROS },
  ])("are not made from %j", async (body) => {
    const response = await worker.fetch("/v1/tokens", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: "malformed-request" }),
    ]);
  });
});

describe("OpenID Connect tokens", () => {
  const post = async (token: string) => send("POST", "/v1/checkpoints", token);
  const refused = { status: 401, code: "invalid-token" };

  it("are accepted by rule, for its scopes alone", async () => {
    for (const alg of ["RS256", "ES256"] as const) {
      const token = await issuer.token({}, { alg });
      expect(await post(token)).toMatchObject({ status: 400 });
      expect(await send("GET", "/v1/checkpoints", token)).toMatchObject({ status: 403, code: "insufficient-scope" });
      expect(await send("POST", "/v1/tokens", token)).toMatchObject({ status: 403, code: "insufficient-scope" });
    }
    expect(issuer.fetches()).toBe(1);
  });

  const now = () => Math.floor(Date.now() / 1000);
  it.each([
    ["aud", () => ({ aud: "another" })],
    ["iss", () => ({ iss: "https://token.actions.githubusercontent.com" })],
    ["repository", () => ({ repository: "stranger/name" })],
    ["ref", () => ({ ref: "refs/pull/1/merge" })],
    ["workflow", () => ({ job_workflow_ref: "owner/name/.github/workflows/other.yml@refs/heads/main" })],
    ["exp", () => ({ exp: now() - 120 })],
    ["nbf", () => ({ nbf: now() + 120 })],
  ])("with a wrong %s are refused", async (_, claims) => {
    expect(await post(await issuer.token(claims()))).toMatchObject(refused);
  });

  it("that are unsigned, signed with the public key as a secret, or with a key nobody published are refused", async () => {
    const [header, payload, signature] = (await issuer.token()).split(".");
    const none = base64url.encode(JSON.stringify({ alg: "none", kid: "RS256" }));
    expect(await post(`${none}.${payload}.`)).toMatchObject(refused);
    expect(await post(`${none}.${payload}.${signature}`)).toMatchObject(refused);
    expect(await post(`${header}.${payload}.`)).toMatchObject(refused);
    const publicKey = createPublicKey({ key: issuer.publicKeys[0] as JsonWebKey, format: "jwk" });
    const pem = new TextEncoder().encode(publicKey.export({ type: "spki", format: "pem" }).toString());
    const claims = JSON.parse(new TextDecoder().decode(base64url.decode(payload ?? ""))) as Record<string, unknown>;
    expect(
      await post(await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "RS256" }).sign(pem)),
    ).toMatchObject(refused);
    for (const kid of ["made", "up"]) expect(await post(await issuer.token({}, { kid }))).toMatchObject(refused);
    // Strangers' key names do not drive our requests.
    expect(issuer.fetches()).toBe(1);
  });

  it("of an issuer that cannot be reached are not believed", async () => {
    const { status, code, response } = await post(await issuer.token({ iss: "https://unreachable.example" }));
    expect([status, code, response.headers.get("retry-after")]).toEqual([503, "issuer-unreachable", "2"]);
  });
});

describe("the log", () => {
  it("holds no secret of any test above", () => {
    const log = worker.logs();
    expect(secrets.length).toBeGreaterThan(200);
    // There is a log: of the issuer that could not be reached.
    expect(log).toContain("issuer-unreachable");
    for (const secret of new Set(secrets)) {
      if (secret.length > 20) expect(log.includes(secret), `${secret.slice(0, 4)}… is in the log`).toBe(false);
    }
  });
});

describe("a deployment without an admin secret", () => {
  it("accepts no write and no private read, whatever is presented", async () => {
    const rule = {
      issuer: issuer.issuer,
      jwksUri: issuer.jwksUri,
      audience: "edgefuse",
      repository: "owner/*",
      scopes: SCOPES,
    };
    const bare = await startWorker({
      token: "",
      vars: { EDGEFUSE_OIDC_RULES: JSON.stringify([rule]), EDGEFUSE_LINK_SECRET: "a link secret" },
    });
    try {
      const known = `ef_${"B".repeat(43)}`;
      await bare.environment.CATALOG.prepare(
        "INSERT INTO tokens (id, sha256, name, scopes, created_at, created_by) VALUES ('x', ?, 'x', '[\"admin\"]', '', '')",
      )
        .bind(createHash("sha256").update(known).digest("hex"))
        .run();
      const before = await bare.snapshot();
      for (const [method, path] of ROUTES) {
        for (const presented of [undefined, "", "undefined", "null", known, await issuer.token()]) {
          const response = await fetch(bare.url + path, {
            method,
            headers: presented === undefined ? {} : { authorization: `Bearer ${presented}` },
          });
          expect([method, path, presented, response.status]).toEqual([method, path, presented, 403]);
          expect(await response.json()).toMatchObject({ code: "forbidden" });
        }
      }
      expect(await bare.snapshot()).toBe(before);
    } finally {
      await bare.close();
    }
  });
});

describe("rate limits", () => {
  it("hold each principal to its own, say when to come back, and leave the administrator alone", async () => {
    const limited = await startWorker({ vars: { EDGEFUSE_RATE_LIMIT: "5", EDGEFUSE_WRITE_RATE_LIMIT: "2" } });
    try {
      const make = async () => {
        const headers = { "content-type": "application/json" };
        const body = JSON.stringify({ name: "x", scopes: ["read", "write"] });
        const response = await limited.fetch("/v1/tokens", { method: "POST", headers, body });
        return ((await response.json()) as CreatedToken).token;
      };
      const [first, second] = [await make(), await make()];
      const ask = (token: string, method = "GET") =>
        fetch(`${limited.url}/v1/checkpoints`, { method, headers: { authorization: `Bearer ${token}` } });
      const answers = await Promise.all(Array.from({ length: 12 }, () => ask(first)));
      const statuses = answers.map(({ status }) => status);
      expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
      expect(statuses).toContain(429);
      const well = answers.find(({ status }) => status === 200);
      expect(well?.headers.get("ratelimit-policy")).toBe('"requests";q=5;w=60');
      expect(well?.headers.get("ratelimit")).toMatch(/^"requests";r=\d+;t=\d+$/);
      const late = answers.find(({ status }) => status === 429);
      const seconds = Number(late?.headers.get("retry-after"));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(12);
      expect(late?.headers.get("ratelimit")).toBe(`"requests";r=0;t=${seconds}`);
      expect(await late?.json()).toMatchObject({
        code: "rate-limited",
        policy: "requests",
        limit: 5,
        retryAfter: seconds,
      });

      expect((await ask(second)).status).toBe(200);
      const writes = [await ask(second, "POST"), await ask(second, "POST"), await ask(second, "POST")];
      expect(writes.map(({ status }) => status)).toEqual([415, 415, 429]);
      expect(writes[2]?.headers.get("ratelimit-policy")).toBe('"writes";q=2;w=60');
      for (let request = 0; request < 10; request++) expect((await limited.fetch("/v1/checkpoints")).status).toBe(200);
      for (let request = 0; request < 10; request++) expect((await fetch(`${limited.url}/healthz`)).status).toBe(200);

      // Who tries out tokens is slowed down, and even a good one has to wait then; the administrator has not.
      const tried = [];
      for (let guess = 0; guess < 8; guess++) tried.push((await ask(`ef_${String(guess).padEnd(43, "x")}`)).status);
      expect(tried.slice(0, 5)).toEqual([401, 401, 401, 401, 401]);
      expect(tried).toContain(429);
      expect((await limited.fetch("/v1/checkpoints")).status).toBe(200);
    } finally {
      await limited.close();
    }
  });
});
