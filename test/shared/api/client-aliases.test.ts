import { describe, expect, it } from "vitest";
import type { ModelId } from "../../../shared/identity.ts";
import { listOf } from "../../support/collect.ts";
import { clientOf, lost, problem } from "../../support/scripted-client.ts";

const model = "m" as ModelId;
const other = "o" as ModelId;
const alias = (version: number, points: ModelId, isProtected = false) =>
  Response.json({ name: "team/x", version, model: points, protected: isProtected });

describe("aliases", () => {
  it("name the version that a change was decided on", async () => {
    const { client, sent } = clientOf([
      alias(1, model),
      alias(4, model),
      alias(5, model),
      alias(6, model),
      new Response(null, { status: 204 }),
    ]);
    await client.aliases.put("team/x", { model }, "new");
    await client.aliases.put("team/x", { model, protected: true }, { version: 3 });
    await client.aliases.put("team/x", { model }, "any");
    await client.aliases.rollback("team/x", { version: 2 }, { version: 5 });
    await client.aliases.delete("team/x", { version: 6 });
    const conditions = sent.map(({ method, path, headers }) => [
      `${method} ${path}`,
      headers.get("if-match"),
      headers.get("if-none-match"),
    ]);
    expect(conditions).toEqual([
      ["PUT /v1/aliases/team%2Fx", null, "*"],
      ["PUT /v1/aliases/team%2Fx", '"v3"', null],
      ["PUT /v1/aliases/team%2Fx", "*", null],
      ["POST /v1/aliases/team%2Fx/rollback", '"v5"', null],
      ["DELETE /v1/aliases/team%2Fx", '"v6"', null],
    ]);
    expect(sent[1]?.body).toBe('{"model":"m","protected":true}');
    expect(sent[3]?.headers.get("idempotency-key")).toBe("key-1");
  });

  it("are found, or not, and keep their history", async () => {
    const { client, sent } = clientOf([
      problem(404, "alias-not-found"),
      alias(1, model),
      Response.json({ items: [{ version: 2 }], next: "9" }),
      Response.json({ items: [{ version: 1 }], next: null }),
    ]);
    expect(await client.aliases.find("x")).toBeUndefined();
    expect(await client.aliases.find("x")).toMatchObject({ version: 1 });
    expect(await listOf(client.aliases.history("x", 1))).toEqual([{ version: 2 }, { version: 1 }]);
    expect(sent.at(-1)?.path).toBe("/v1/aliases/x/history?limit=1&cursor=9");
    await expect(clientOf([problem(401, "unauthorized")]).client.aliases.find("x")).rejects.toMatchObject({
      status: 401,
    });
  });

  it("tell a change of theirs whose answer was lost from one of others", async () => {
    const stale = () => problem(412, "precondition-failed");
    const ours = clientOf([lost(), stale(), alias(4, model)]);
    expect(await ours.client.aliases.put("x", { model }, { version: 3 })).toMatchObject({ version: 4 });
    for (const found of [alias(4, other), alias(5, model)]) {
      const theirs = clientOf([lost(), stale(), found]);
      await expect(theirs.client.aliases.put("x", { model }, { version: 3 })).rejects.toMatchObject({ status: 412 });
    }
    // Nothing was lost: then it is another's, whatever it looks like.
    const plain = clientOf([stale(), alias(4, model)]);
    await expect(plain.client.aliases.put("x", { model }, { version: 3 })).rejects.toMatchObject({ status: 412 });
    expect(plain.sent).toHaveLength(1);
  });
});
