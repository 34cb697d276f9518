import { base64url, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IssuerKeys } from "../../../worker/auth/issuer-keys.ts";
import { principalOfJwt } from "../../../worker/auth/oidc.ts";
import type { Environment } from "../../../worker/environment.ts";

const ISSUER = "https://issuer.example";
const NOW = new Date("2026-06-01T12:00:00Z");
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const unix = (seconds = 0) => Math.floor(NOW.getTime() / 1000) + seconds;

const rules = [
  { issuer: ISSUER, audience: "edgefuse", repository: "owner/name", refs: ["refs/heads/main"], scopes: ["write"] },
  {
    issuer: ISSUER,
    audience: "edgefuse",
    repository: "owner/*",
    workflows: ["owner/name/.github/workflows/ci.yml"],
    scopes: ["fuse"],
  },
];
const environment = { EDGEFUSE_OIDC_RULES: JSON.stringify(rules) } as unknown as Environment;
const claims: JWTPayload = {
  iss: ISSUER,
  aud: "edgefuse",
  sub: "repo:owner/name:ref:refs/heads/main",
  repository: "owner/name",
  ref: "refs/heads/main",
  job_workflow_ref: "owner/name/.github/workflows/ci.yml@refs/heads/main",
  iat: unix(-5),
  nbf: unix(-5),
  exp: unix(300),
};

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
let rsa: Pair, elliptic: Pair, rotated: Pair;
let published: object[];
let fetched: string[];
let answer: () => Response;
let keys: IssuerKeys;

const publicKey = async (pair: Pair, kid: string, alg: string) => ({
  ...(await exportJWK(pair.publicKey)),
  kid,
  alg,
  use: "sig",
});
const sign = (
  payload: JWTPayload,
  header: { alg: string; kid?: string } = { alg: "RS256", kid: "rsa" },
  key = rsa.privateKey,
) => new SignJWT(payload).setProtectedHeader(header).sign(key);
const ask = (token: string, at = NOW, with_ = keys) => principalOfJwt(environment, token, at, with_);
const newKeys = (cache?: Pick<Cache, "match" | "put">) =>
  new IssuerKeys({
    fetch: async (address) => {
      fetched.push(address);
      return answer();
    },
    cache,
  });
const refused = (why: RegExp) =>
  expect.objectContaining({ code: "invalid-token", message: expect.stringMatching(why) });

beforeAll(async () => {
  rsa = await generateKeyPair("RS256", { extractable: true });
  rotated = await generateKeyPair("RS256", { extractable: true });
  elliptic = await generateKeyPair("ES256", { extractable: true });
});
beforeEach(async () => {
  published = [await publicKey(rsa, "rsa", "RS256"), await publicKey(elliptic, "ec", "ES256")];
  fetched = [];
  answer = () => Response.json({ keys: published });
  keys = newKeys();
});

describe("an OpenID Connect token", () => {
  it("is accepted with RS256 and ES256, for the scopes of every rule that fits, and fetches keys once", async () => {
    expect(await ask(await sign(claims))).toEqual({
      kind: "oidc",
      id: "oidc:owner/name:refs/heads/main",
      scopes: new Set(["write", "fuse"]),
      expiresAt: new Date(unix(300) * 1000),
    });
    const byEllipticKey = await sign(
      { ...claims, ref: "refs/heads/x" },
      { alg: "ES256", kid: "ec" },
      elliptic.privateKey,
    );
    expect((await ask(byEllipticKey)).scopes).toEqual(new Set(["fuse"]));
    expect(fetched).toEqual([`${ISSUER}/.well-known/jwks`]);
  });

  it.each([
    ["another audience", { aud: "https://github.com/owner" }, /accepts its aud/],
    ["no audience", { aud: undefined }, /aud/],
    ["another issuer", { iss: "https://issuer.example.evil" }, /issuer/],
    ["the issuer with a slash", { iss: `${ISSUER}/` }, /issuer/],
    ["no issuer", { iss: undefined }, /issuer/],
    ["another repository", { repository: "stranger/name" }, /repository/],
    ["a repository that only begins like it", { repository: "owner/name-evil", job_workflow_ref: "x" }, /repository/],
    ["no repository", { repository: undefined }, /repository/],
    [
      "another ref and workflow",
      { ref: "refs/heads/x", job_workflow_ref: "owner/name/.github/workflows/x.yml@a" },
      /ref/,
    ],
    ["an end that is over", { exp: unix(-61) }, /expired/],
    ["no end", { exp: undefined }, /exp/],
    ["a beginning to come", { nbf: unix(61) }, /nbf/],
    ["an issue to come", { iat: unix(61) }, /iat/],
    ["no issue", { iat: undefined }, /iat/],
    ["an issue days ago", { iat: unix(-2 * 86_400) }, /iat|expired/],
  ])("is refused with %s", async (_, differing, why) => {
    const payload = Object.fromEntries(
      Object.entries({ ...claims, ...differing }).filter(([, value]) => value !== undefined),
    );
    await expect(ask(await sign(payload))).rejects.toEqual(refused(why));
  });

  it("allows for clocks that differ by less than a minute", async () => {
    for (const differing of [{ exp: unix(-59) }, { nbf: unix(59) }, { iat: unix(59) }]) {
      expect((await ask(await sign({ ...claims, ...differing }))).kind).toBe("oidc");
    }
  });

  it("is refused unsigned, or signed with the public key as a shared secret, and fetches nothing", async () => {
    const part = (value: object) => base64url.encode(JSON.stringify(value));
    for (const alg of ["none", "None", "nOnE"]) {
      await expect(ask(`${part({ alg, kid: "rsa" })}.${part(claims)}.`)).rejects.toEqual(refused(/RS256 or ES256/));
    }
    const pem = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
    const jwk = new TextEncoder().encode(JSON.stringify(published[0]));
    for (const secret of [pem, jwk]) {
      const forged = await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "rsa" }).sign(secret);
      await expect(ask(forged)).rejects.toEqual(refused(/RS256 or ES256/));
      // The same bytes under an algorithm that is allowed.
      const [, payload, signature] = forged.split(".");
      await expect(ask(`${part({ alg: "RS256", kid: "rsa" })}.${payload}.${signature}`)).rejects.toEqual(
        refused(/signature/),
      );
      fetched = [];
    }
    await expect(
      ask(await sign(claims, { alg: "PS256", kid: "rsa" }, (await generateKeyPair("PS256")).privateKey)),
    ).rejects.toEqual(refused(/RS256 or ES256/));
    expect(fetched).toEqual([]);
  });

  it("is refused with another's signature, an algorithm that is not the key's, a changed payload, or a key it brings along", async () => {
    await expect(ask(await sign(claims, { alg: "RS256", kid: "rsa" }, rotated.privateKey))).rejects.toEqual(
      refused(/signature/),
    );
    await expect(ask(await sign(claims, { alg: "ES256", kid: "rsa" }, elliptic.privateKey))).rejects.toEqual(
      refused(/signature/),
    );
    const [header, , signature] = (await sign(claims)).split(".");
    const changed = base64url.encode(JSON.stringify({ ...claims, repository: "owner/name", exp: unix(9999) }));
    await expect(ask(`${header}.${changed}.${signature}`)).rejects.toEqual(refused(/signature/));
    const own = await new SignJWT(claims)
      .setProtectedHeader({
        alg: "RS256",
        kid: "mine",
        jwk: await exportJWK(rotated.publicKey),
        jku: "https://evil.example",
      })
      .sign(rotated.privateKey);
    await expect(ask(own)).rejects.toEqual(refused(/signature/));
    expect(fetched.every((address) => address.startsWith(ISSUER))).toBe(true);
  });

  it("is refused malformed, without the name of a key, or endless", async () => {
    for (const token of ["a.b.c", "..", "eyJhbGciOiJSUzI1NiJ9.e30.", `${"a".repeat(20_000)}.b.c`]) {
      await expect(ask(token)).rejects.toMatchObject({ code: "invalid-token" });
    }
    await expect(ask(await sign(claims, { alg: "RS256" }))).rejects.toEqual(refused(/names no key/));
    expect(fetched).toEqual([]);
  });

  it("is refused by a deployment without rules", async () => {
    await expect(principalOfJwt({} as Environment, await sign(claims), NOW, keys)).rejects.toEqual(refused(/issuer/));
    expect(fetched).toEqual([]);
  });
});

describe("keys of an issuer", () => {
  const bySuccessor = () => sign({ ...claims, exp: unix(9000) }, { alg: "RS256", kid: "next" }, rotated.privateKey);

  it("are fetched again for a key that is new, at most once a minute", async () => {
    await ask(await sign(claims));
    published = [await publicKey(rotated, "next", "RS256")];
    await expect(ask(await bySuccessor(), later(59))).rejects.toEqual(refused(/signature/));
    expect(fetched.length).toBe(1);
    expect((await ask(await bySuccessor(), later(60))).kind).toBe("oidc");
    expect(fetched.length).toBe(2);
    for (const kid of ["made", "up", "names"]) {
      await expect(ask(await sign(claims, { alg: "RS256", kid }), later(61))).rejects.toEqual(refused(/signature/));
    }
    expect(fetched.length).toBe(2);
    // The old key went with the rotation.
    await expect(ask(await sign(claims), later(61))).rejects.toEqual(refused(/signature/));
  });

  it("stop to count ten minutes after they were withdrawn, also when the issuer cannot be reached any more", async () => {
    const token = await sign({ ...claims, exp: unix(9000) });
    await ask(token);
    published = [];
    expect((await ask(token, later(599))).kind).toBe("oidc");
    await expect(ask(token, later(600))).rejects.toEqual(refused(/signature/));
    published = [await publicKey(rsa, "rsa", "RS256")];
    await ask(token, later(660));
    answer = () => new Response("down", { status: 503 });
    await expect(ask(token, later(1260))).rejects.toMatchObject({ code: "issuer-unreachable" });
  });

  it.each([
    ["an error", () => new Response("no", { status: 500 })],
    ["a page", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "https://evil.example/jwks" } })],
    ["no list", () => Response.json({ keys: "all" })],
    ["too much", () => Response.json({ keys: [], padding: "x".repeat(300_000) })],
    [
      "nothing",
      () => {
        throw new TypeError("network");
      },
    ],
  ])(
    "let nobody in where the issuer answers with %s, and are asked for no sooner than after a while",
    async (_, broken) => {
      const well = answer;
      answer = broken;
      const token = await sign(claims);
      await expect(ask(token)).rejects.toMatchObject({ code: "issuer-unreachable", status: 503 });
      await expect(ask(token, later(4))).rejects.toMatchObject({ code: "issuer-unreachable" });
      expect(fetched.length).toBe(1);
      answer = well;
      expect((await ask(token, later(5))).kind).toBe("oidc");
    },
  );

  it("are shared by a location's cache, which need not work", async () => {
    const kept = new Map<string, Response>();
    const cache = {
      match: async (key: RequestInfo | URL) => kept.get(String(key))?.clone(),
      put: async (key: RequestInfo | URL, response: Response) => void kept.set(String(key), response),
    };
    await ask(await sign(claims), NOW, newKeys(cache));
    expect([...kept.keys()].every((key) => new URL(key).hostname.endsWith(".invalid"))).toBe(true);
    expect((await ask(await sign(claims), later(1), newKeys(cache))).kind).toBe("oidc");
    expect(fetched.length).toBe(1);
    // A fresh isolate keeps to the minute as well, and does not believe old entries.
    await expect(ask(await bySuccessor(), later(30), newKeys(cache))).rejects.toEqual(refused(/signature/));
    expect(fetched.length).toBe(1);
    await ask(await sign({ ...claims, exp: unix(9000) }), later(600), newKeys(cache));
    expect(fetched.length).toBe(2);

    const broken = { match: () => Promise.reject(new Error("broken")), put: () => Promise.reject(new Error("broken")) };
    expect((await ask(await sign(claims), NOW, newKeys(broken))).kind).toBe("oidc");
  });
});
