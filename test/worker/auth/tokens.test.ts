import { beforeAll, describe, expect, it } from "vitest";
import type { Scope } from "../../../shared/api/tokens.ts";
import { createToken, principalOfToken } from "../../../worker/auth/tokens.ts";
import { findTokenByDigest, listTokens, revokeToken } from "../../../worker/catalog/tokens.ts";
import { digestOfSecret } from "../../../worker/auth/secrets.ts";
import { bindings, migrate } from "../migrations.ts";

beforeAll(migrate);

const START = new Date("2026-01-01T00:00:00Z");
const after = (seconds: number) => new Date(START.getTime() + seconds * 1000);
const sources = {
  now: () => START,
  uniqueName: () => crypto.randomUUID(),
  randomBytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
};
const create = (scopes: Scope[] = ["read"], expiresIn: number | null = 3600) =>
  createToken(bindings.CATALOG, { name: "test", scopes, expiresIn }, "admin", sources);

/** Uses a token, and waits for the note of it. */
async function use(token: string, at: Date) {
  const notes: Promise<unknown>[] = [];
  const principal = await principalOfToken(bindings.CATALOG, token, at, (work) => notes.push(work));
  await Promise.all(notes);
  return { principal, notes: notes.length };
}
const lastUse = async (token: string) =>
  (await findTokenByDigest(bindings.CATALOG, await digestOfSecret(token)))?.lastUsedAt;

describe("a token", () => {
  it("is 32 random bytes, of which the catalog knows only the digest", async () => {
    const { token, ...description } = await create(["read", "fuse", "read"]);
    expect(token).toMatch(/^ef_[A-Za-z0-9_-]{43}$/);
    expect((await create()).token).not.toBe(token);
    expect(description).toMatchObject({
      scopes: ["read", "fuse"],
      createdBy: "admin",
      createdAt: START.toISOString(),
      expiresAt: after(3600).toISOString(),
      lastUsedAt: null,
      revokedAt: null,
    });
    const { results } = await bindings.CATALOG.prepare("SELECT * FROM tokens").all();
    expect(JSON.stringify(results)).not.toContain(token.slice(3));
    expect(JSON.stringify(results)).toContain(await digestOfSecret(token));
    expect(JSON.stringify(await listTokens(bindings.CATALOG, { limit: 10 }))).not.toContain(
      await digestOfSecret(token),
    );
  });

  it("stands for its scopes until it expires", async () => {
    const { token, id } = await create(["probe", "write"]);
    const { principal } = await use(token, after(3599));
    expect(principal).toEqual({
      kind: "token",
      id: `token:${id}`,
      scopes: new Set(["probe", "write"]),
      expiresAt: after(3600),
    });
    await expect(use(token, after(3600))).rejects.toMatchObject({
      code: "invalid-token",
      message: "The token has expired.",
    });
    const lasting = await create(["admin"], null);
    expect((await use(lasting.token, after(1e9))).principal.scopes).toContain("publish");
  });

  it("is refused from the moment it is revoked; the first time stays", async () => {
    const { token, id } = await create();
    const { token: other } = await create();
    expect(await revokeToken(bindings.CATALOG, id, after(1).toISOString())).toMatchObject({
      revokedAt: after(1).toISOString(),
    });
    expect(await revokeToken(bindings.CATALOG, id, after(9).toISOString())).toMatchObject({
      revokedAt: after(1).toISOString(),
    });
    await expect(use(token, after(2))).rejects.toMatchObject({
      code: "invalid-token",
      message: "The token was revoked.",
    });
    expect((await use(other, after(2))).principal.kind).toBe("token");
  });

  it("is refused where a character differs", async () => {
    const { token } = await create();
    for (const other of [`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`, `ef_${"A".repeat(43)}`]) {
      await expect(use(other, START)).rejects.toMatchObject({ code: "invalid-token" });
    }
  });

  it("notes its uses, but not each of them", async () => {
    const { token } = await create(["read"], null);
    expect((await use(token, after(10))).notes).toBe(1);
    expect(await lastUse(token)).toBe(after(10).toISOString());
    expect((await use(token, after(299))).notes).toBe(0);
    expect(await lastUse(token)).toBe(after(10).toISOString());
    expect((await use(token, after(311))).notes).toBe(1);
    expect(await lastUse(token)).toBe(after(311).toISOString());
  });

  it("is listed page by page, newest first", async () => {
    const first = await listTokens(bindings.CATALOG, { limit: 2 });
    const second = await listTokens(bindings.CATALOG, { limit: 2, cursor: first.next ?? "" });
    const all = await listTokens(bindings.CATALOG, { limit: 200 });
    expect([...first.items, ...second.items]).toEqual(all.items.slice(0, 4));
    expect(all.next).toBeNull();
  });
});
