import { beforeAll, describe, expect, it } from "vitest";
import type { GateId } from "../../../shared/identity.ts";
import { enterGate, type GateQuestion, requireGate } from "../../../worker/catalog/gates.ts";
import { fresh } from "../faults/files.ts";
import { bindings, migrate } from "../migrations.ts";
import {
  asked,
  ASYNC,
  codeOf,
  freshQuestion,
  fusersToken,
  idle,
  LONG_AGO,
  runInstance,
  soupNow,
  telling,
  visibilityOf,
} from "./world.ts";

beforeAll(migrate);

describe("whether a soup's model is public", () => {
  it("is for the last to say who wants it private, as long as it is not made", async () => {
    const question = await freshQuestion();
    const [status, { id }] = await asked(question, ASYNC);
    expect(status).toBe(202);
    expect((await asked({ ...question, visibility: "private" }))[0]).toBe(202);
    // Who says nothing leaves it as it is.
    expect((await asked(question))[0]).toBe(202);
    await runInstance(idle, id);
    const { state, model } = await soupNow(id);
    expect([state, await visibilityOf(model)]).toEqual(["succeeded", "private"]);
  });

  it("is asked for in vain by those who may not publish what is private", async () => {
    const question = await freshQuestion();
    const fuser = await fusersToken();
    const [, { id }] = await asked({ ...question, visibility: "private" }, ASYNC);
    expect(await codeOf({ ...question, visibility: "public" }, fuser)).toEqual([403, "insufficient-scope"]);
    await runInstance(idle, id);
    const { model } = await soupNow(id);
    expect(await codeOf({ ...question, visibility: "public" }, fuser)).toEqual([403, "insufficient-scope"]);
    expect(await visibilityOf(model)).toBe("private");
    expect((await asked({ ...question, visibility: "public" }))[0]).toBe(200);
    expect(await visibilityOf(model)).toBe("public");
  });

  it("is settled once it is public", async () => {
    const question = await freshQuestion();
    const [status, { model }] = await asked(question);
    expect(status).toBe(201);
    expect(await codeOf({ ...question, visibility: "private" })).toEqual([409, "visibility-conflict"]);
    expect((await asked({ ...question, visibility: "public" }))[0]).toBe(200);
    expect(await visibilityOf(model)).toBe("public");
  });

  it("is settled once it is being made public", async () => {
    const question = await freshQuestion();
    const [, { id }] = await asked(question, ASYNC);
    const answers: unknown[] = [];
    const model = async () => void answers.push(await codeOf({ ...question, visibility: "private" }));
    await runInstance(telling({ model }), id);
    expect(answers).toEqual([[409, "visibility-conflict"]]);
    expect(await visibilityOf((await soupNow(id)).model)).toBe("public");
  });

  it("is not for a gate to say any more, once someone wants it private", async () => {
    const question = await freshQuestion();
    const [, { model }] = await asked({ ...question, visibility: "private" });
    const gate = { id: String(fresh()) as GateId, question: { model } as GateQuestion, release: "public" } as const;
    await enterGate(bindings.CATALOG, gate, LONG_AGO);
    expect((await asked(question))[0]).toBe(200);
    expect((await requireGate(bindings.CATALOG, gate.id)).release).toBe("public");
    expect((await asked({ ...question, visibility: "private" }))[0]).toBe(200);
    expect((await requireGate(bindings.CATALOG, gate.id)).release).toBe("private");
  });
});
