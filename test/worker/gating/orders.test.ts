import { beforeAll, describe, expect, it } from "vitest";
import type { AliasName } from "../../../shared/api/aliases.ts";
import { createFusionRequest } from "../../../shared/api/fusions.ts";
import type { JobId } from "../../../shared/jobs/job-id.ts";
import { ordersFor, withdrawOrders } from "../../../worker/catalog/alias-orders.ts";
import type { FuseParameters } from "../../../worker/environment.ts";
import { lookAtModel, orderModel } from "../../../worker/jobs/make-model.ts";
import { succeed } from "../faults/world.ts";
import { bindings, migrate } from "../migrations.ts";
import { BUSY, freshDataset, freshRecipe, fuse, idle, runFusion, statusOf } from "./world.ts";

beforeAll(migrate);

const body = async () => ({
  recipe: await freshRecipe(),
  gate: { accuracyBarrier: { max: 1 }, dataset: await freshDataset(), points: 2 },
});
const aliasStatus = (name: string) => statusOf({ method: "GET", path: `/v1/aliases/${name}` });

describe("an alias that waits for a model", () => {
  it("waits no longer once the fusion is cancelled, whoever makes the model then", async () => {
    const { environment } = idle();
    const asked = await body();
    const { status, fusion } = await fuse(environment, { ...asked, alias: "cancelled" }, "respond-async");
    expect([status, await ordersFor(bindings.CATALOG, fusion.id)]).toEqual([202, [expect.anything()]]);
    expect(await statusOf({ method: "DELETE", path: `/v1/fusions/${fusion.id}` })).toBe(200);
    expect(await ordersFor(bindings.CATALOG, fusion.id)).toEqual([]);

    const made = await fuse(bindings, asked);
    expect([made.fusion.gate?.state, await aliasStatus("cancelled")]).toEqual(["passed", 404]);
  });

  it("waits no longer once the model is deleted, whoever makes it then", async () => {
    const { environment } = idle(BUSY);
    const asked = await body();
    const { status, fusion } = await fuse(environment, { ...asked, alias: "deleted" });
    expect([status, fusion.state, fusion.gate?.state]).toEqual([202, "succeeded", "pending"]);
    expect(await ordersFor(bindings.CATALOG, fusion.id)).toHaveLength(1);
    expect(await statusOf({ method: "DELETE", path: `/v1/models/${fusion.id}` })).toBe(204);
    expect(await ordersFor(bindings.CATALOG, fusion.id)).toEqual([]);
    expect(await statusOf({ method: "DELETE", path: `/v1/models/${fusion.id}` })).toBe(404);

    const made = await fuse(bindings, asked);
    expect([made.fusion.gate?.state, await aliasStatus("deleted")]).toEqual(["passed", 404]);
  });
});

describe("an alias that a job moves, where no gate stands in the way", () => {
  const job = { id: "job" as JobId, createdBy: "test" };
  const now = () => new Date();

  /** What a job ordered of a model that is not stored yet. */
  async function ordered(alias: string) {
    const { environment, started } = idle();
    const order = createFusionRequest.parse({ recipe: await freshRecipe(), alias });
    const { model, gates } = await orderModel(environment, order, job, now);
    const look = () => lookAtModel(environment, { model, gates }, now);
    expect([await look(), await aliasStatus(alias)]).toEqual([{ kind: "waiting" }, 404]);
    const [instance] = started as { params: FuseParameters }[];
    if (instance === undefined) throw new Error("no Workflow was started");
    return { model, order, look, make: () => runFusion(bindings, instance.params) };
  }

  it("moves when the model is stored, and not before", async () => {
    const { model, look, make } = await ordered("when-made");
    await make();
    expect(await succeed({ method: "GET", path: "/v1/aliases/when-made" })).toMatchObject({ model, version: 1 });
    expect([await look(), await ordersFor(bindings.CATALOG, model)]).toEqual([{ kind: "made", gate: null }, []]);
  });

  it("moves at once where the model is stored", async () => {
    const { model, order, make } = await ordered("first");
    await make();
    await orderModel(idle().environment, { ...order, alias: "second" as AliasName }, job, now);
    expect(await succeed({ method: "GET", path: "/v1/aliases/second" })).toMatchObject({ model });
  });

  it("stays where it is when the job takes it back before that", async () => {
    const { model, make } = await ordered("taken-back");
    await withdrawOrders(bindings.CATALOG, job.id);
    await make();
    expect([await statusOf({ method: "GET", path: `/v1/fusions/${model}` }), await aliasStatus("taken-back")]).toEqual([
      200, 404,
    ]);
  });
});

describe("an alias that waits for a verdict", () => {
  it("moves too when someone moves another alias by the same gate, and so decides it", async () => {
    const { environment } = idle(BUSY);
    const asked = await body();
    const { fusion: first } = await fuse(bindings, { recipe: await freshRecipe() });
    const put = (name: string, more: object) => ({
      method: "PUT",
      path: `/v1/aliases/${name}`,
      body: { model: first.id, ...more },
    });
    await succeed(put("by-gate", { gate: asked.gate }));
    const { fusion } = await fuse(environment, { ...asked, alias: "waiting" });
    expect([fusion.gate?.state, await aliasStatus("waiting")]).toEqual(["pending", 404]);
    const moved = { ...put("by-gate", { model: fusion.id }), headers: { "if-match": '"v1"' } };
    expect([await statusOf(moved), await aliasStatus("waiting")]).toEqual([200, 200]);
  });
});
