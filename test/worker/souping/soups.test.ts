import { beforeAll, describe, expect, it } from "vitest";
import { Problem } from "../../../shared/problem.ts";
import { freshModel, uploaded } from "../faults/files.ts";
import { ask, healthy, succeed } from "../faults/world.ts";
import { bindings, migrate } from "../migrations.ts";
import {
  asked,
  ASYNC,
  codeOf,
  freshMlp,
  freshQuestion,
  idle,
  LONG_AGO,
  runInstance,
  soupNow,
  supersede,
  telling,
  tellingOfUnits,
  visibilityOf,
} from "./world.ts";

beforeAll(migrate);

describe("a request that is refused", () => {
  const soupsOf = async ([checkpoint]: readonly string[]) =>
    (await succeed<{ items: unknown[] }>({ method: "GET", path: `/v1/soups?checkpoint=${checkpoint}` })).items;

  it("leaves no soup that is made later on where a candidate is lost", async () => {
    const question = await freshQuestion();
    for (const id of question.checkpoints) await bindings.BUCKET.delete(`checkpoints/${id}.safetensors`);
    expect(await codeOf(question)).toEqual([404, "object-not-found"]);
    expect(await soupsOf(question.checkpoints)).toEqual([]);
  });

  it("leaves none where there is no memory just now", async () => {
    const question = await freshQuestion();
    const shard = async () => {
      throw new Problem("over-budget", "Not now.");
    };
    expect(await codeOf(question, { environment: telling({ shard }) })).toEqual([503, "over-budget"]);
    expect(await soupsOf(question.checkpoints)).toEqual([]);
  });
});

describe("a request that makes a soup", () => {
  it("leaves it to a Workflow that has taken over", async () => {
    const question = await freshQuestion();
    let reads = 0;
    const shard = async () => {
      reads++;
      await bindings.CATALOG.prepare("UPDATE soups SET attempt = 1 WHERE state = 'running' AND attempt = 0").run();
    };
    const [status, { id, state }] = await asked(question, { environment: telling({ shard }) });
    expect([status, state, reads]).toEqual([202, "running", 1]);
    await runInstance(idle, id);
    expect((await soupNow(id)).state).toBe("succeeded");
  });
});

describe("a Workflow that makes a soup", () => {
  const SHARDS = 4;

  it("shows a sign of life before every unit of work", async () => {
    const question = await freshQuestion(SHARDS);
    const [, { id }] = await asked(question, ASYNC);
    const seen: string[] = [];
    const environment = tellingOfUnits(async () => {
      const row = await bindings.CATALOG.prepare("SELECT updated_at FROM soups WHERE id = ?")
        .bind(id)
        .first<string>("updated_at");
      seen.push(row ?? "");
      await bindings.CATALOG.prepare("UPDATE soups SET updated_at = ? WHERE id = ?").bind(LONG_AGO, id).run();
    });
    await runInstance(environment, id);
    expect((await soupNow(id)).state).toBe("succeeded");
    // Of two models and their mean.
    expect(seen.length).toBe(3 * SHARDS);
    expect(seen).not.toContain(LONG_AGO);
  });

  it("stops without a word where another attempt has taken over", async () => {
    const question = await freshQuestion(SHARDS);
    const [, { id }] = await asked(question, ASYNC);
    let reads = 0;
    const environment = tellingOfUnits(async (read) => {
      reads++;
      if (read === 0) await supersede(id);
    });
    const steps = await runInstance(environment, id);
    expect([reads, steps.at(-1)]).toEqual([1, "evaluate 1"]);
    expect(await soupNow(id)).toMatchObject({ state: "running", problem: null });
    await runInstance(idle, id, 2);
    expect((await soupNow(id)).state).toBe("succeeded");
    // One that wakes when all is done changes nothing.
    const before = await soupNow(id);
    expect(await runInstance(idle, id)).toEqual(["plan"]);
    expect(await soupNow(id)).toEqual(before);
  });

  it("does not fail a soup that another attempt is making", async () => {
    const question = await freshQuestion();
    const [, { id }] = await asked(question, ASYNC);
    const environment = tellingOfUnits(async () => {
      await supersede(id);
      throw new Error("the store broke off");
    });
    await runInstance(environment, id);
    expect(await soupNow(id)).toMatchObject({ state: "running", problem: null });
  });
});

describe("how much work a soup is", () => {
  it("is measured by the largest of its candidates", async () => {
    // Some hundred operations a candidate of two small ones; some thousand of a large one.
    const environment = { ...idle, EDGEFUSE_INLINE_PROBE_OPERATIONS: 2_000 };
    const { checkpoints, dataset } = await freshQuestion();
    expect((await asked({ checkpoints, dataset }, { environment }))[0]).toBe(201);
    const large = [await uploaded(freshMlp(64)), await uploaded(freshMlp(64))].toSorted();
    // Candidates are gone through by id, so the small one comes first.
    let small: string;
    do small = await uploaded(freshModel());
    while (small > (large[0] ?? ""));
    const [status, { progress }] = await asked({ checkpoints: [small, ...large], dataset }, { environment });
    expect([status, progress.evaluations]).toEqual([202, 0]);
  });
});

describe("a soup whose model was deleted", () => {
  it.each(["public", "private"])("is made again when it is asked for again, %s as it was", async (visibility) => {
    const question = await freshQuestion();
    const [, { id, model }] = await asked({ ...question, visibility });
    const path = `/models/${model}/model.safetensors`;
    const { bytes } = await ask(healthy, { method: "GET", path });
    await succeed({ method: "DELETE", path: `/v1/models/${model}` });
    expect((await ask(healthy, { method: "GET", path })).status).toBe(404);
    const [status, again] = await asked(question);
    expect([status, again]).toMatchObject([201, { id, model, state: "succeeded" }]);
    expect((await ask(healthy, { method: "GET", path })).bytes).toEqual(bytes);
    expect(await visibilityOf(model)).toBe(visibility);
  });
});
