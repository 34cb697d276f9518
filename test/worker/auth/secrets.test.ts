import { afterEach, describe, expect, it, vi } from "vitest";
import type { ModelId } from "../../../shared/identity.ts";
import { principalOfLink, signLink } from "../../../worker/auth/links.ts";
import { digestOfSecret, sameSecret, sameText } from "../../../worker/auth/secrets.ts";
import { createToken, principalOfToken } from "../../../worker/auth/tokens.ts";
import { bindings, migrate } from "../migrations.ts";

afterEach(() => vi.restoreAllMocks());

describe("comparing secrets", () => {
  it("tells equal from different ones, of any length", async () => {
    expect(await sameSecret("secret", "secret")).toBe(true);
    for (const other of ["", "secre", "secret ", "Secret", "secrets", "s\u0000cret"]) {
      expect(await sameSecret("secret", other)).toBe(false);
    }
    expect([sameText("ab", "ab"), sameText("ab", "ac"), sameText("ab", "abc"), sameText("", "")]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect(await digestOfSecret("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  it("compares admin secrets, tokens and links in constant time, as digests of one length", async () => {
    await migrate();
    const spy = vi.spyOn(crypto.subtle, "timingSafeEqual");
    const lengths = () => spy.mock.calls.flatMap(([a, b]) => [a.byteLength, b.byteLength]);

    await sameSecret("short", "a much longer secret than the other");
    expect(lengths()).toEqual([64, 64]);

    spy.mockClear();
    const now = new Date(0);
    const sources = {
      now: () => now,
      uniqueName: () => crypto.randomUUID(),
      randomBytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    };
    const { token } = await createToken(bindings.CATALOG, { name: "x", scopes: ["read"] }, "admin", sources);
    await principalOfToken(bindings.CATALOG, token, now, () => undefined);
    expect(lengths()).toEqual([64, 64]);

    spy.mockClear();
    const id = "a".repeat(64) as ModelId;
    await principalOfLink(bindings, await signLink(bindings, id, 100), id, now);
    expect(lengths()).toEqual([43, 43]);
  });
});
