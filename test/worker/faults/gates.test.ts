import { beforeAll, describe, expect, it, vi } from "vitest";
import type { FusionDescription } from "../../../shared/api/fusions.ts";
import type { SoupDescription } from "../../../shared/api/soups.ts";
import { migrate } from "../migrations.ts";
import { fresh, freshModel, freshRecipe, freshShard, uploaded } from "./files.ts";
import { failEveryCall } from "./scenario.ts";
import { type Ask, ask, digestOf, healthy, reprDigest, succeed } from "./world.ts";

// Some hundred requests a test, each a few milliseconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 900_000 });
beforeAll(migrate);

/** A dataset of one shard, like no other. */
async function freshDataset(): Promise<string> {
  const { id } = await succeed<{ id: string }>({ method: "POST", path: "/v1/shards", body: freshShard() });
  const name = `faults-${fresh()}`;
  await succeed({ method: "PUT", path: `/v1/datasets/${name}`, body: { shards: [id] } });
  return name;
}

const textOf = (bytes: Uint8Array<ArrayBuffer> | undefined) => new TextDecoder().decode(bytes);

describe("whichever call to R2, D1 or Workflows fails, a retry succeeds and nothing is left over, while", () => {
  it("a model passes its gate, is published, and gets its alias", async () => {
    await failEveryCall({
      prepare: async () => {
        const alias = `passes-${fresh()}`;
        const gate = { accuracyBarrier: { max: 1 }, dataset: await freshDataset(), points: 2 };
        const request: Ask = {
          method: "POST",
          path: "/v1/fusions",
          body: { recipe: await freshRecipe(), gate, alias },
        };
        return {
          request,
          verify: async ({ bytes }) => {
            const fusion = JSON.parse(textOf(bytes)) as FusionDescription;
            expect([fusion.visibility, fusion.gate?.state]).toEqual(["public", "passed"]);
            const pointed = await succeed<{ model: string }>({ method: "GET", path: `/v1/aliases/${alias}` });
            expect(pointed.model).toBe(fusion.id);
            const manifest = await ask(healthy, { method: "GET", path: `/models/${fusion.id}/manifest.json` });
            const body = manifest.bytes ?? new Uint8Array();
            expect(manifest.headers.get("repr-digest")).toBe(await reprDigest(body));
            expect((JSON.parse(textOf(body)) as FusionDescription).gate).toEqual(fusion.gate);
          },
        };
      },
    });
  });

  it("a soup is made", async () => {
    await failEveryCall({
      prepare: async () => {
        const checkpoints = [await uploaded(freshModel()), await uploaded(freshModel())];
        const request: Ask = {
          method: "POST",
          path: "/v1/soups",
          body: { kind: "uniform", checkpoints, dataset: await freshDataset() },
        };
        return {
          request,
          verify: async ({ bytes }) => {
            const soup = JSON.parse(textOf(bytes)) as SoupDescription;
            expect([soup.state, soup.trace.length]).toEqual(["succeeded", 2]);
            const path = `/models/${soup.model}`;
            const model = await ask(healthy, { method: "GET", path: `${path}/model.safetensors` });
            const { sha256 } = await succeed<{ sha256: string }>({ method: "GET", path: `/v1/fusions/${soup.model}` });
            expect(await digestOf(model.bytes ?? new Uint8Array())).toBe(sha256);
            const { selection } = await succeed<{ selection: object }>({
              method: "GET",
              path: `${path}/manifest.json`,
            });
            expect(selection).toMatchObject({ soup: soup.id, trace: soup.trace });
          },
        };
      },
    });
  });
});
