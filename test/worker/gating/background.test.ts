import { beforeAll, describe, expect, it } from "vitest";
import type { GateId } from "../../../shared/identity.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { claimGate, requireGate, touchGate } from "../../../worker/catalog/gates.ts";
import type { Environment, FuseParameters } from "../../../worker/environment.ts";
import { decideGate } from "../../../worker/gating/decide.ts";
import { Superseded } from "../../../worker/workflows/outcome.ts";
import { succeed } from "../faults/world.ts";
import { bindings, migrate } from "../migrations.ts";
import { BUSY, freshDataset, freshRecipe, fuse, gateAt, idle, runFusion, runGate, statusOf } from "./world.ts";

beforeAll(migrate);

const LONG_AGO = "2020-01-01T00:00:00.000Z";
const now = () => new Date();
const gateOver = async (dataset?: string) => ({
  accuracyBarrier: { max: 1 },
  dataset: dataset ?? (await freshDataset()),
  points: 2,
});

/** A stored model whose gate is pending, as its Workflow was started and has not begun. */
async function pendingGate(more: object = {}, inputs = 2): Promise<{ id: GateId; environment: Environment }> {
  const { environment, started } = idle(BUSY);
  const asked = { recipe: await freshRecipe(inputs), gate: { ...(await gateOver()), ...more } };
  const { status, fusion } = await fuse(environment, asked);
  expect([status, fusion.state, fusion.gate?.state]).toEqual([202, "succeeded", "pending"]);
  const id = fusion.gate?.id as GateId;
  expect(started).toEqual([{ params: { id, attempt: 1 } }]);
  return { id, environment };
}

const silence = (id: GateId) =>
  bindings.CATALOG.prepare("UPDATE gates SET updated_at = ? WHERE id = ?").bind(LONG_AGO, id).run();

describe("a Workflow", () => {
  it("of a fusion or a gate has no name that a model made anew would need again", async () => {
    const { environment, started } = idle();
    const { fusion } = await fuse(environment, { recipe: await freshRecipe() }, "respond-async");
    expect(started).toEqual([{ params: { id: fusion.id, attempt: expect.any(Number) } }]);
    await pendingGate();
  });

  it("of a fusion does nothing where the model was deleted and is made anew", async () => {
    const { environment, started } = idle();
    const asked = { recipe: await freshRecipe() };
    const { fusion } = await fuse(environment, asked, "respond-async");
    expect(await statusOf({ method: "DELETE", path: `/v1/fusions/${fusion.id}` })).toBe(200);
    expect(await statusOf({ method: "DELETE", path: `/v1/models/${fusion.id}` })).toBe(204);
    expect((await fuse(environment, asked, "respond-async")).fusion.state).toBe("queued");
    const [before, current] = started as { params: FuseParameters }[];
    if (before === undefined || current === undefined) throw new Error("two were started");
    await runFusion(bindings, before.params);
    expect((await fuse(environment, asked, "respond-async")).fusion.state).toBe("queued");
    await runFusion(bindings, current.params);
    expect((await fuse(environment, asked)).fusion.state).toBe("succeeded");
  });
});

describe("what is too much work for a request", () => {
  it("is a model with one parent, however little its parents' probe is", async () => {
    const { id, environment } = await pendingGate({}, 1);
    await runGate(environment, { id, attempt: 1 });
    expect(await gateAt(bindings, id)).toMatchObject({ state: "passed", probe: null });
  });

  it("is a model whose parents were probed already", async () => {
    const dataset = await freshDataset();
    const recipe = await freshRecipe();
    // The same question has its ends in the same order.
    const [a, b] = parseRecipe(recipe).inputs.map(({ checkpoint }) => checkpoint);
    const asked = { a, b, dataset, points: 2 };
    const probe = await succeed<{ id: string }>({ method: "POST", path: "/v1/probes", body: asked });
    const { environment, started } = idle(BUSY);
    const { status, fusion } = await fuse(environment, { recipe, gate: await gateOver(dataset) });
    expect([status, fusion.gate?.state, started.length]).toEqual([202, "pending", 1]);
    await runGate(environment, { id: fusion.gate?.id as GateId, attempt: 1 });
    expect(await gateAt(bindings, fusion.gate?.id)).toMatchObject({ state: "passed", probe: probe.id });
  });
});

describe("a gate whose data was deleted", () => {
  it("refuses the model, and says why", async () => {
    const dataset = await freshDataset();
    const { id, environment } = await pendingGate({ dataset });
    expect(await statusOf({ method: "DELETE", path: `/v1/datasets/${dataset}` })).toBe(204);
    await runGate(environment, { id, attempt: 1 });
    expect(await gateAt(bindings, id)).toMatchObject({
      state: "refused",
      measured: null,
      reasons: [expect.stringContaining(`There is no dataset ${dataset}`)],
    });
  });

  it("waits on where the model was deleted too", async () => {
    const dataset = await freshDataset();
    const { id, environment } = await pendingGate({ dataset });
    const { question } = await requireGate(bindings.CATALOG, id);
    expect(await statusOf({ method: "DELETE", path: `/v1/datasets/${dataset}` })).toBe(204);
    expect(await statusOf({ method: "DELETE", path: `/v1/models/${question.model}` })).toBe(204);
    await runGate(environment, { id, attempt: 1 });
    expect((await gateAt(environment, id)).state).toBe("pending");
  });
});

describe("a gate that was silent for long", () => {
  it("is taken over where its model is stored, and not where it is still being made", async () => {
    const stored = await pendingGate();
    await silence(stored.id);
    const first = idle(BUSY);
    await gateAt(first.environment, stored.id);
    expect(first.started).toEqual([{ params: { id: stored.id, attempt: 2 } }]);

    const second = idle(BUSY);
    const asked = { recipe: await freshRecipe(), gate: await gateOver() };
    const { fusion } = await fuse(second.environment, asked, "respond-async");
    const id = fusion.gate?.id as GateId;
    await silence(id);
    second.started.length = 0;
    expect((await gateAt(second.environment, id)).state).toBe("pending");
    expect(second.started).toEqual([]);
  });

  it("ends where it was alive after all, and leaves the verdict to whoever took it over", async () => {
    const { id, environment } = await pendingGate({}, 1);
    const gate = await requireGate(bindings.CATALOG, id);
    expect(await claimGate(bindings.CATALOG, { id, attempt: 1 }, now().toISOString())).toBe(true);
    expect(await touchGate(bindings.CATALOG, { id, attempt: 1 }, now().toISOString())).toBe(false);
    expect(await runGate(environment, { id, attempt: 1 })).toEqual({ kind: "superseded" });
    expect((await requireGate(bindings.CATALOG, id)).state).toBe("pending");
    // Three shards, each a unit, of the model and of its only parent.
    let beats = 0;
    const superseded = async () => {
      if (++beats === 5) throw new Superseded();
    };
    const evidence = { probe: undefined, beat: superseded };
    await expect(decideGate(environment, gate, evidence, now)).rejects.toBeInstanceOf(Superseded);
    expect((await requireGate(bindings.CATALOG, id)).state).toBe("pending");
    expect(await runGate(environment, { id, attempt: 2 })).toMatchObject({ kind: "done" });
    expect((await requireGate(bindings.CATALOG, id)).state).toBe("passed");
  });
});
