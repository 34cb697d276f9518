import { beforeAll, describe, expect, it } from "vitest";
import type { AliasName } from "../../../shared/api/aliases.ts";
import type { ModelId, ProbeId } from "../../../shared/identity.ts";
import { findVersionBefore, listAliasHistory } from "../../../worker/catalog/alias-history.ts";
import { type AliasRecord, createAlias, deleteAlias, findAlias, moveAlias } from "../../../worker/catalog/aliases.ts";
import { bindings, migrate } from "../migrations.ts";

const { CATALOG } = bindings;
const id = (digit: number) => String(digit).repeat(64).slice(0, 64) as ModelId;
const change = { at: "2026-01-01T00:00:00.000Z", by: "test" };
const make = async (name: string, isProtected = false): Promise<AliasRecord> => {
  const made = await createAlias(CATALOG, { name: name as AliasName, model: id(1), isProtected }, change);
  if (made === undefined) throw new Error(`${name} is there already`);
  return made;
};

/** Just what makes a model be there. */
const enter = (model: ModelId) =>
  CATALOG.prepare(
    `INSERT INTO models (id, recipe, bytes, sha256, data_offset, manifest_sha256, manifest_bytes, created_at)
     VALUES (?, '{}', 8, '', 8, '', 2, ?)`,
  )
    .bind(model, change.at)
    .run();

beforeAll(async () => {
  await migrate();
  for (let digit = 0; digit < 10; digit++) await enter(id(digit));
});

describe("aliases in the catalog", () => {
  it("let exactly one of ten writers move each version, and keep all versions", async () => {
    let seen = await make("raced");
    for (let version = 2; version <= 20; version++) {
      const current = seen;
      const moves = await Promise.all(
        Array.from({ length: 10 }, (_, writer) =>
          moveAlias(CATALOG, { seen: current, model: id(writer), isProtected: false }, change),
        ),
      );
      const winners = moves.filter((moved) => moved !== undefined);
      expect(winners).toHaveLength(1);
      expect(winners[0]).toMatchObject({ version });
      expect(await findAlias(CATALOG, current.name)).toEqual(winners[0]);
      seen = winners[0] ?? seen;
    }
    const { items } = await listAliasHistory(CATALOG, seen.name, { limit: 200 });
    expect(items.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, index) => 20 - index));
    expect(items[0]?.model).toBe(seen.model);
  });

  it("let exactly one of ten writers make, and one delete", async () => {
    const name = "made" as AliasName;
    const makers = await Promise.all(
      Array.from({ length: 10 }, (_, writer) =>
        createAlias(CATALOG, { name, model: id(writer), isProtected: false }, change),
      ),
    );
    const made = makers.filter((record) => record !== undefined);
    expect(made).toHaveLength(1);
    const seen = made[0] ?? (await make("never"));
    const [deleted, moved] = await Promise.all([
      Promise.all(Array.from({ length: 10 }, () => deleteAlias(CATALOG, seen, change))),
      moveAlias(CATALOG, { seen, model: id(3), isProtected: false }, change),
    ]);
    expect(deleted.filter(Boolean).length + (moved === undefined ? 0 : 1)).toBe(1);
    expect((await listAliasHistory(CATALOG, name, { limit: 10 })).items.map(({ version }) => version)).toEqual([2, 1]);
  });

  it("never give one version to two things, also across deletions", async () => {
    const first = await make("again");
    expect(await deleteAlias(CATALOG, first, change)).toBe(true);
    const second = await make("again");
    expect(second.version).toBe(3);
    expect(await moveAlias(CATALOG, { seen: first, model: id(2), isProtected: false }, change)).toBeUndefined();
    expect(await deleteAlias(CATALOG, first, change)).toBe(false);
    // A deletion is no place to go back to.
    expect((await findVersionBefore(CATALOG, second.name, second.version))?.version).toBe(1);
  });

  it("point at no model that was deleted meanwhile", async () => {
    const gone = "a".repeat(64) as ModelId;
    const name = "late" as AliasName;
    expect(await createAlias(CATALOG, { name, model: gone, isProtected: false }, change)).toBeUndefined();
    const seen = await make("late");
    expect(await moveAlias(CATALOG, { seen, model: gone, isProtected: false }, change)).toBeUndefined();
    expect(await findAlias(CATALOG, name)).toEqual(seen);
    expect((await listAliasHistory(CATALOG, name, { limit: 5 })).items).toHaveLength(1);
  });

  it("move under protection only by the verdict of a gate on that very model", async () => {
    const seen = await make("guarded", true);
    const gate = (model: ModelId, hasPassed: boolean) => ({ model, hasPassed, probe: "0".repeat(64) as ProbeId });
    const move = (verdict?: ReturnType<typeof gate>) =>
      moveAlias(CATALOG, { seen, model: id(2), isProtected: true, gate: verdict }, change);
    for (const verdict of [undefined, gate(id(2), false), gate(id(3), true)]) {
      await expect(move(verdict)).rejects.toMatchObject({ code: "gate-required", members: { model: id(2) } });
    }
    // Neither does ending the protection in the same move.
    await expect(moveAlias(CATALOG, { seen, model: id(2), isProtected: false }, change)).rejects.toMatchObject({
      code: "gate-required",
    });
    const moved = await move(gate(id(2), true));
    expect(moved).toMatchObject({ version: 2, model: id(2), isProtected: true });
    // Back to what it held while it was protected; not to a version that is claimed to have been another model.
    if (moved === undefined) throw new Error("it did not move");
    const back = (model: ModelId, restored: number) =>
      moveAlias(CATALOG, { seen: moved, model, isProtected: true, restored }, change);
    await expect(back(id(5), 1)).rejects.toMatchObject({ code: "gate-required" });
    expect(await back(id(1), 1)).toMatchObject({ version: 3, model: id(1) });
  });
});
