import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Environment } from "../../../worker/environment.ts";
import { FuseWorkflow } from "../../../worker/workflows/fuse-workflow.ts";
import { bindings, migrate } from "../migrations.ts";
import { faultyBindings, MOMENTS, openUploads } from "./faulty-bindings.ts";
import { fresh, freshFusion, freshRecipe } from "./files.ts";
import { failEveryCall, type Prepared } from "./scenario.ts";
import { type Ask, ask, digestOf, healthy, inconsistencies, succeed } from "./world.ts";

// Some hundred requests a test, each a few milliseconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000 });
beforeAll(migrate);

interface Fusion {
  readonly id: string;
  readonly state: string;
  readonly sha256: string | null;
}

/** Bytes of the same recipe, from a request that streams them and stores nothing. */
async function modelOf(id: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return (await ask(healthy, { method: "GET", path: `/models/${id}/model.safetensors` })).bytes;
}

const post = (body: object, headers: Record<string, string> = {}): Ask => ({
  method: "POST",
  path: "/v1/fusions",
  body,
  headers,
});

/** The fusion is there, and its bytes are those of a fusion that met no fault. */
async function expectFused(bytes: Uint8Array<ArrayBuffer> | undefined, state: string): Promise<void> {
  const fusion = JSON.parse(new TextDecoder().decode(bytes)) as Fusion;
  expect(fusion.state).toBe(state);
  const model = await modelOf(fusion.id);
  expect(model?.length).toBeGreaterThan(40);
  if (fusion.sha256 !== null) expect(await digestOf(model ?? new Uint8Array())).toBe(fusion.sha256);
}

const fusing = (body: object, state: string): Prepared => ({
  request: post(body),
  verify: ({ bytes }) => expectFused(bytes, state),
});

describe("whichever call to R2, D1 or Workflows fails, a retry succeeds and nothing is left over, while", () => {
  it.each(["linear", "slerp"])("a fusion by %s is made within the request", async (method) => {
    await failEveryCall({ prepare: async () => fusing({ recipe: await freshRecipe(method) }, "succeeded") });
  });

  it("a fusion is asked for with an idempotency key", async () => {
    await failEveryCall({
      prepare: async () => ({
        request: post({ recipe: await freshRecipe() }, { "idempotency-key": `faults-${fresh()}` }),
        verify: ({ bytes }) => expectFused(bytes, "succeeded"),
      }),
    });
  });

  it("a lazy fusion is noted", async () => {
    await failEveryCall({
      prepare: async () => fusing({ recipe: await freshRecipe(), materialize: "lazy" }, "lazy"),
    });
  });

  it.each(["linear", "slerp"])("a lazy fusion by %s is read, and stored on the way", async (method) => {
    await failEveryCall({
      prepare: async () => {
        const recipe = await freshRecipe(method);
        const { id } = await succeed<Fusion>(post({ recipe, materialize: "lazy" }));
        const request: Ask = { method: "GET", path: `/models/${id}/model.safetensors` };
        return {
          request,
          verify: async ({ bytes }) => {
            // The first read that comes to its end stores the model.
            const { state, sha256 } = await succeed<Fusion>({ method: "GET", path: `/v1/fusions/${id}` });
            expect([state, await digestOf(bytes ?? new Uint8Array())]).toEqual(["succeeded", sha256]);
          },
        };
      },
    });
  });

  it.each(["model.safetensors", "manifest.json", "config.json"])("%s of a stored model is read", async (file) => {
    await failEveryCall({
      prepare: async () => {
        const { id } = await freshFusion();
        return {
          request: { method: "GET", path: `/models/${id}/${file}` },
          verify: async ({ bytes }) => expect(bytes?.length).toBeGreaterThan(0),
        };
      },
    });
  });

  it("a fusion is handed to a Workflow, and cancelled", async () => {
    const variables = { EDGEFUSE_INLINE_BYTES: "1" };
    await failEveryCall({ variables, prepare: async () => started(await freshRecipe()) });
    await failEveryCall({
      variables,
      prepare: async () => {
        const { id } = await succeed<Fusion>(post({ recipe: await freshRecipe() }), { ...healthy, ...variables });
        const path = `/v1/fusions/${id}`;
        return {
          request: { method: "DELETE", path },
          // Where it is cancelled already, there is nothing left to cancel.
          retry: async () => {
            const { state } = await succeed<Fusion>({ method: "GET", path });
            return { method: state === "cancelled" ? "GET" : "DELETE", path };
          },
          verify: async () => {
            expect(await succeed({ method: "GET", path })).toMatchObject({ state: "cancelled" });
          },
        };
      },
    });
  });
});

function started(recipe: object): Prepared {
  return {
    request: post({ recipe }),
    verify: async ({ bytes }) => {
      const { id, state } = JSON.parse(new TextDecoder().decode(bytes)) as Fusion;
      expect(state).toBe("queued");
      await succeed({ method: "DELETE", path: `/v1/fusions/${id}` });
    },
  };
}

/** Runs a Workflow as the platform does: what a step throws is tried again. Waits for nothing. */
async function runWorkflow(environment: Environment, id: string): Promise<void> {
  const attempt = await bindings.CATALOG.prepare("SELECT attempt FROM fusions WHERE id = ?").bind(id).first("attempt");
  const step = {
    do: async (_name: string, { retries }: { retries: { limit: number } }, work: () => Promise<unknown>) => {
      for (let retry = 0; ; retry++) {
        try {
          return structuredClone(await work());
        } catch (error) {
          if (retry >= retries.limit) throw error;
        }
      }
    },
  };
  const event = { payload: { id, attempt }, timestamp: new Date() };
  const workflow = { env: environment } as unknown as FuseWorkflow;
  await FuseWorkflow.prototype.run.call(workflow, event as never, step as never);
}

describe("whichever call to R2 or D1 fails in a Workflow, it comes to the same model", () => {
  it.each(["linear", "slerp"])("by %s", async (method) => {
    const variables = { EDGEFUSE_INLINE_BYTES: "1" };
    let faults = 0;
    for (const moment of MOMENTS) {
      for (let number = 0; ; number++) {
        const recipe = await freshRecipe(method);
        const { id } = await succeed<Fusion>(post({ recipe }), { ...healthy, ...variables });
        const faulty = faultyBindings({ ...bindings, ...variables }, { number, moment });
        await runWorkflow(faulty.environment, id);
        const what = `${moment} call ${number}, ${faulty.failed()}`;
        const { state, sha256 } = await succeed<Fusion>({ method: "GET", path: `/v1/fusions/${id}` });
        expect([what, state, await inconsistencies(), openUploads.size]).toEqual([what, "succeeded", [], 0]);
        expect(await digestOf((await modelOf(id)) ?? new Uint8Array())).toBe(sha256);
        if (number >= faulty.calls.length) break;
        if (faulty.failed() !== undefined) faults++;
      }
    }
    expect(faults).toBeGreaterThan(20);
  });
});
