import { beforeAll, describe, expect, it } from "vitest";
import type { GateId, ModelId } from "../../../shared/identity.ts";
import { keepPrivate, requireGate } from "../../../worker/catalog/gates.ts";
import { requestFusion } from "../../../worker/fusing/request-fusion.ts";
import { startGatesOf } from "../../../worker/gating/background.ts";
import { decideGate } from "../../../worker/gating/decide.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { bindings, migrate } from "../migrations.ts";
import { succeed } from "../faults/world.ts";
import { BUSY, freshDataset, freshRecipe, fuse, idle, runGate, statusOf } from "./world.ts";

beforeAll(migrate);

const now = () => new Date();
const body = async (max = 1) => ({
  recipe: await freshRecipe(),
  gate: { accuracyBarrier: { max }, dataset: await freshDataset(), points: 2 },
});
const visibilityAt = async (id: ModelId) =>
  (await succeed<{ visibility: string }>({ method: "GET", path: `/v1/fusions/${id}` })).visibility;
const remove = (id: ModelId) => statusOf({ method: "DELETE", path: `/v1/models/${id}` });

describe("a model that someone wants private", () => {
  it("stays so, though it was public once and was deleted since", async () => {
    const asked = await body();
    const { fusion } = await fuse(bindings, asked);
    expect([fusion.visibility, await remove(fusion.id)]).toEqual(["public", 204]);
    const again = await fuse(bindings, { ...asked, visibility: "private" });
    expect([again.status, again.fusion.visibility, again.fusion.gate?.state]).toEqual([201, "private", "passed"]);
    // Whoever may publish it still can, with the same verdict.
    const published = await fuse(bindings, { ...asked, visibility: "public" });
    expect([published.status, published.fusion.visibility]).toEqual([200, "public"]);
  });

  it("stays so when a Workflow makes it anew, and nobody named the gate", async () => {
    const asked = await body();
    const { fusion } = await fuse(bindings, asked);
    expect([fusion.visibility, await remove(fusion.id)]).toEqual(["public", 204]);
    const recipe = parseRecipe(asked.recipe);
    const request = { id: fusion.id, recipe, materialize: "eager", isAsync: false, mayPublish: false } as const;
    await requestFusion(bindings, { ...request, visibility: "private" }, now);
    await startGatesOf(bindings, fusion.id, now);
    expect(await visibilityAt(fusion.id)).toBe("private");
  });

  it("stays so when its gate is decided after that", async () => {
    const { environment } = idle(BUSY);
    const asked = await body();
    const { fusion } = await fuse(environment, asked);
    expect(fusion.gate?.state).toBe("pending");
    expect((await fuse(environment, { recipe: asked.recipe, visibility: "private" })).status).toBe(202);
    await runGate(environment, { id: fusion.gate?.id as GateId, attempt: 1 });
    const gate = await requireGate(bindings.CATALOG, fusion.gate?.id as GateId);
    expect([gate.state, await visibilityAt(fusion.id)]).toEqual(["passed", "private"]);
  });

  it("stays so when that is said while its gate is being decided", async () => {
    const { environment } = idle(BUSY);
    const { fusion } = await fuse(environment, { ...(await body()), recipe: await freshRecipe(1) });
    const gate = await requireGate(bindings.CATALOG, fusion.gate?.id as GateId);
    const beat = () => keepPrivate(bindings.CATALOG, fusion.id);
    expect((await decideGate(environment, gate, { probe: undefined, beat }, now)).state).toBe("passed");
    expect(await visibilityAt(fusion.id)).toBe("private");
  });

  it("is kept from the public by the gate that refused it all the same", async () => {
    const asked = await body(-1);
    expect((await fuse(bindings, asked)).status).toBe(409);
    expect((await fuse(bindings, { recipe: asked.recipe, visibility: "private" })).status).toBe(200);
    expect((await fuse(bindings, { recipe: asked.recipe, visibility: "public" })).status).toBe(409);
  });

  it("is public already where it is, and its gate says so", async () => {
    const asked = await body();
    const { fusion } = await fuse(bindings, asked);
    expect((await fuse(bindings, { ...asked, visibility: "private" })).status).toBe(409);
    const gate = await requireGate(bindings.CATALOG, fusion.gate?.id as GateId);
    expect([gate.release, await visibilityAt(fusion.id)]).toEqual(["public", "public"]);
  });
});
