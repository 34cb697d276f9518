import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelId } from "../../../shared/identity.ts";
import { principalOfLink, signLink } from "../../../worker/auth/links.ts";
import type { Environment } from "../../../worker/environment.ts";

const secrets = (values: Partial<Environment>) => values as Environment;
const environment = secrets({ EDGEFUSE_ADMIN_TOKEN: "admin secret" });
const id = "a1".repeat(32) as ModelId;
const EXPIRES = 2_000_000_000;
const before = new Date((EXPIRES - 1) * 1000);
const open = (query: URLSearchParams, of = id, at = before, deployment = environment) =>
  principalOfLink(deployment, query, of, at);
const invalid = expect.objectContaining({ code: "invalid-link" });

describe("a signed link", () => {
  it("opens its model, with no scope, until it expires", async () => {
    const query = await signLink(environment, id, EXPIRES);
    expect([...query.keys()]).toEqual(["expires", "signature"]);
    const principal = await open(query);
    expect(principal).toEqual({
      kind: "link",
      id: `link:${id}`,
      scopes: new Set(),
      expiresAt: new Date(EXPIRES * 1000),
    });
    await expect(open(query, id, new Date(EXPIRES * 1000))).rejects.toThrow(/expired/);
    await expect(open(query, "b2".repeat(32) as ModelId)).rejects.toEqual(invalid);
  });

  it("is no link without a signature, whatever else the query says", async () => {
    expect(await open(new URLSearchParams(""))).toBeUndefined();
    expect(await open(new URLSearchParams("expires=9999999999&download=true"))).toBeUndefined();
  });

  it("fails where a member is changed, missing, or given twice", async () => {
    const query = await signLink(environment, id, EXPIRES);
    const signature = query.get("signature") ?? "";
    for (const text of [
      `signature=${signature}`,
      `expires=&signature=${signature}`,
      `expires=${EXPIRES + 1}&signature=${signature}`,
      `expires=0${EXPIRES}&signature=${signature}`,
      `expires=${EXPIRES}.0&signature=${signature}`,
      `expires=%20${EXPIRES}&signature=${signature}`,
      `expires=${EXPIRES}&signature=`,
      `expires=${EXPIRES}&signature=${signature}=`,
      `expires=${EXPIRES}&signature=${signature.slice(1)}`,
      `expires=${EXPIRES}&signature=${"A".repeat(43)}`,
      `expires=${EXPIRES}&expires=${EXPIRES}&signature=${signature}`,
      `expires=${EXPIRES}&signature=${signature}&signature=${signature}`,
    ]) {
      await expect(open(new URLSearchParams(text)), text).rejects.toEqual(invalid);
    }
  });

  it("fails where any character of the signature is another, be it the last, of which two bits say nothing", async () => {
    const signature = (await signLink(environment, id, EXPIRES)).get("signature") ?? "";
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const change = fc.tuple(fc.oneof(fc.constant(42), fc.nat(42)), fc.constantFrom(...alphabet));
    await fc.assert(
      fc.asyncProperty(change, async ([at, letter]) => {
        fc.pre(signature[at] !== letter);
        const changed = signature.slice(0, at) + letter + signature.slice(at + 1);
        const query = new URLSearchParams([
          ["expires", String(EXPIRES)],
          ["signature", changed],
        ]);
        await expect(open(query)).rejects.toEqual(invalid);
      }),
      { numRuns: 200 },
    );
  });

  it("ends with the secret that signed it, and needs an admin secret in any case", async () => {
    const query = await signLink(environment, id, EXPIRES);
    const own = secrets({ EDGEFUSE_ADMIN_TOKEN: "admin secret", EDGEFUSE_LINK_SECRET: "link secret" });
    const ownQuery = await signLink(own, id, EXPIRES);
    expect(await open(ownQuery, id, before, own)).toMatchObject({ kind: "link" });
    for (const [deployment, presented] of [
      [secrets({ EDGEFUSE_ADMIN_TOKEN: "another" }), query],
      [own, query],
      [environment, ownQuery],
      [secrets({ EDGEFUSE_LINK_SECRET: "link secret" }), ownQuery],
      [secrets({ EDGEFUSE_ADMIN_TOKEN: "", EDGEFUSE_LINK_SECRET: "link secret" }), ownQuery],
    ] as const) {
      await expect(open(presented, id, before, deployment)).rejects.toEqual(invalid);
    }
    await expect(signLink(secrets({ EDGEFUSE_LINK_SECRET: "x" }), id, EXPIRES)).rejects.toMatchObject({
      code: "forbidden",
    });
    // An empty secret is none: the admin's is used.
    const empty = secrets({ EDGEFUSE_ADMIN_TOKEN: "admin secret", EDGEFUSE_LINK_SECRET: "" });
    expect((await signLink(empty, id, EXPIRES)).toString()).toBe(query.toString());
  });
});
