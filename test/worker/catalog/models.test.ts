import { beforeAll, expect, it } from "vitest";
import type { ModelId } from "../../../shared/identity.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { findModel, insertModel, type ModelRecord } from "../../../worker/catalog/models.ts";
import { bindings, migrate } from "../migrations.ts";

beforeAll(migrate);

const modelOf = (digit: string): ModelRecord => ({
  id: digit.repeat(64) as ModelId,
  recipe: parseRecipe({ method: "linear", inputs: [{ checkpoint: "1".repeat(64) }, { checkpoint: "2".repeat(64) }] }),
  bytes: 100,
  sha256: digit.repeat(64),
  dataOffset: 10,
  dataSha256: null,
  manifestSha256: digit.repeat(64),
  manifestBytes: 10,
  verdict: null,
  visibility: "public",
  createdAt: "2026-01-01T00:00:00.000Z",
});

const enterFusion = ({ id, recipe }: ModelRecord, state: string, attempt: number) =>
  bindings.CATALOG.prepare(
    `INSERT INTO fusions (id, recipe, state, attempt, bytes, data_offset, has_weights_form, part_bytes, etags, visibility,
                          created_at, updated_at)
     VALUES (?, ?, ?, ?, 100, 10, 0, 100, '{}', 'public', '2026-01-01', '2026-01-01')`,
  )
    .bind(id, JSON.stringify(recipe), state, attempt)
    .run();

it("a model that was stored while it was read is entered, unless its fusion has been deleted meanwhile", async () => {
  const [kept, deleted] = [modelOf("a"), modelOf("b")];
  await enterFusion(kept, "lazy", 0);
  expect(await insertModel(bindings.CATALOG, kept, "lazy")).toBe(true);
  expect(await insertModel(bindings.CATALOG, deleted, "lazy")).toBe(false);
  expect(await findModel(bindings.CATALOG, deleted.id)).toBeUndefined();
});

it("a Workflow's model is entered in its own attempt alone, and one that was made at once always", async () => {
  const [made, inline] = [modelOf("c"), modelOf("d")];
  await enterFusion(made, "running", 2);
  expect(await insertModel(bindings.CATALOG, made, 1)).toBe(false);
  expect(await insertModel(bindings.CATALOG, made, 2)).toBe(true);
  expect(await insertModel(bindings.CATALOG, inline)).toBe(true);
});
