import type { CheckpointId, DatasetName, ModelId, ProbeId, ShardId, TopologyId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { isMarked, markOrphan, markWhere, removeMark } from "../catalog/deletions.ts";
import { forgetProgress } from "../catalog/probe-parts.ts";
import { nothingNeeds, type ReferredKind, requireUnneeded } from "../catalog/references.ts";
import type { Environment } from "../environment.ts";
import {
  chartKey,
  checkpointKey,
  manifestKey,
  modelKey,
  probeKey,
  shardKey,
  statisticsKey,
  topologyKey,
} from "../objects/keys.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/** A thing with an object of the same name. */
interface Deletable {
  readonly id: string;
  readonly key: string;
  /** Tables that may have a row of it, with a condition on that row. */
  readonly rows: readonly { readonly table: string; readonly condition?: string }[];
  readonly kind?: ReferredKind;
  /** Statements that take away what is of no use without it, with its id as their parameter `?1`. */
  readonly also?: readonly string[];
}

/**
 * Deletes a checkpoint: its row, then its object. Where that was begun before and not finished, finishes it.
 * @throws Problem `still-needed` with the list of what needs it, `checkpoint-not-found`
 */
export async function deleteCheckpoint(bindings: Bindings, id: CheckpointId, at: Date): Promise<void> {
  const thing: Deletable = { id, key: checkpointKey(id), rows: [{ table: "checkpoints" }], kind: "checkpoint" };
  if (await deleteThing(bindings, thing, at)) return;
  await requireUnneeded(bindings.CATALOG, "checkpoint", id);
  throw new Problem("checkpoint-not-found", `There is no checkpoint ${id}.`, { checkpoint: id });
}

/** @throws Problem `still-needed`, `shard-not-found` */
export async function deleteShard(bindings: Bindings, id: ShardId, at: Date): Promise<void> {
  const thing: Deletable = { id, key: shardKey(id), rows: [{ table: "shards" }], kind: "shard" };
  if (await deleteThing(bindings, thing, at)) return;
  await requireUnneeded(bindings.CATALOG, "shard", id);
  throw new Problem("shard-not-found", `There is no shard ${id}.`, { shard: id });
}

/** @throws Problem `still-needed`, `topology-not-found` */
export async function deleteTopology(bindings: Bindings, id: TopologyId, at: Date): Promise<void> {
  const thing: Deletable = { id, key: topologyKey(id), rows: [{ table: "topologies" }], kind: "topology" };
  if (await deleteThing(bindings, thing, at)) return;
  await requireUnneeded(bindings.CATALOG, "topology", id);
  throw new Problem("topology-not-found", `There is no topology ${id}.`, { topology: id });
}

/**
 * Deletes a model, stored or lazy, or what is left of a fusion that failed or was cancelled. Aliases do not wait for it
 * any more, should it be made anew.
 * @throws Problem `still-needed`, also by its own fusion while that is under way; `model-not-found`
 */
export async function deleteModel(bindings: Bindings, id: ModelId, at: Date): Promise<void> {
  const ended = "state IN ('lazy', 'failed', 'cancelled')";
  const thing: Deletable = {
    id,
    key: modelKey(id),
    rows: [{ table: "models" }, { table: "fusions", condition: ended }],
    kind: "model",
    also: [
      `DELETE FROM alias_orders WHERE model = ?1 AND NOT EXISTS
         (SELECT 1 FROM models WHERE id = ?1 UNION ALL SELECT 1 FROM fusions WHERE id = ?1)`,
    ],
  };
  if (await deleteThing(bindings, thing, at)) return;
  await requireUnneeded(bindings.CATALOG, "model", id);
  const making = await bindings.CATALOG.prepare("SELECT 1 FROM fusions WHERE id = ?").bind(id).first();
  if (making !== null) {
    throw new Problem("still-needed", `Model ${id} is being made. Cancel its fusion first.`, {
      neededBy: [{ kind: "fusion", id }],
      count: 1,
    });
  }
  throw new Problem("model-not-found", `There is no model ${id}.`, { model: id });
}

/** Forgets a probe: its answer, or that it is being answered. Asked again, it is answered anew. @throws Problem `probe-not-found` */
export async function deleteProbe(bindings: Bindings, id: ProbeId, at: Date): Promise<void> {
  const isUnderWay = await forgetProgress(bindings.CATALOG, id);
  if (await deleteThing(bindings, { id, key: probeKey(id), rows: [{ table: "probes" }] }, at)) return;
  if (isUnderWay) return;
  if ((await bindings.BUCKET.head(probeKey(id))) === null) {
    throw new Problem("probe-not-found", `There is no probe ${id}.`, { probe: id });
  }
  // From before there were rows.
  await bindings.BUCKET.delete([probeKey(id), chartKey(id)]);
}

/**
 * Deletes a dataset, or one version of it. Its shards stay, and its version numbers are not given again.
 * @throws Problem `dataset-not-found`
 */
export async function deleteDataset({ CATALOG }: Bindings, name: DatasetName, version?: number): Promise<void> {
  const condition = "name = ?1 AND (?2 IS NULL OR version = ?2)";
  const [, deleted] = await CATALOG.batch([
    CATALOG.prepare(
      `INSERT INTO deleted_datasets (name, version)
       SELECT ?1, MAX(version) FROM datasets WHERE ${condition} HAVING MAX(version) IS NOT NULL
       ON CONFLICT (name) DO UPDATE SET version = MAX(version, excluded.version)`,
    ).bind(name, version ?? null),
    CATALOG.prepare(`DELETE FROM datasets WHERE ${condition}`).bind(name, version ?? null),
  ]);
  if ((deleted?.meta.changes ?? 0) > 0) return;
  const which = version === undefined ? "" : ` in version ${version}`;
  throw new Problem("dataset-not-found", `There is no dataset ${name}${which}.`, { dataset: name });
}

/**
 * Takes the row away and marks the object in one transaction, unless something needs it; then deletes the object.
 * @returns false where there was nothing that might be deleted
 */
async function deleteThing(bindings: Bindings, thing: Deletable, at: Date): Promise<boolean> {
  const { id, key, rows, kind, also = [] } = thing;
  const { CATALOG } = bindings;
  const unneeded = kind === undefined ? "true" : nothingNeeds(kind);
  const condition = (own = "true") => `id = ?1 AND ${own} AND ${unneeded}`;
  const isThere = rows.map((row) => `EXISTS (SELECT 1 FROM ${row.table} WHERE ${condition(row.condition)})`);
  const [, ...changes] = await CATALOG.batch([
    markWhere(CATALOG, { condition: isThere.join(" OR "), id, key, at: at.toISOString() }),
    ...rows.map((row) => CATALOG.prepare(`DELETE FROM ${row.table} WHERE ${condition(row.condition)}`).bind(id)),
    ...also.map((statement) => CATALOG.prepare(statement).bind(id)),
  ]);
  const hasChanged = changes.slice(0, rows.length).some(({ meta }) => meta.changes > 0);
  // Where it is marked, someone began to delete it and did not come to the end.
  return hasChanged ? finishDeletion(bindings, key) : (await isMarked(CATALOG, key)) && resumeDeletion(bindings, key);
}

/** Goes on with a deletion that was not finished. @returns false where the thing has been made anew since */
export async function resumeDeletion(bindings: Bindings, key: string): Promise<boolean> {
  const [, folder = "", id = ""] = /^([a-z]+)\/([0-9a-f]{64})[./]/.exec(key) ?? [];
  const tables = TABLES[folder] ?? [];
  for (const table of tables) {
    if ((await bindings.CATALOG.prepare(`SELECT 1 FROM ${table} WHERE id = ?`).bind(id).first()) === null) continue;
    await removeMark(bindings.CATALOG, key);
    return false;
  }
  return finishDeletion(bindings, key);
}

/** Tables whose rows stand for the objects of a folder. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  checkpoints: ["checkpoints"],
  shards: ["shards"],
  topologies: ["topologies"],
  models: ["models", "fusions"],
  probes: ["probes"],
};

/** Deletes the objects that a mark stands for, then takes the mark away. */
async function finishDeletion({ BUCKET, CATALOG }: Bindings, key: string): Promise<true> {
  await BUCKET.delete([...objectsOf(key)]);
  await removeMark(CATALOG, key);
  return true;
}

/**
 * Deletes a stored file that the catalog turned out not to know: nobody would ever find it again. One that has been
 * entered meanwhile, by whomever, stays.
 */
export async function discardUnknown(
  bindings: Bindings,
  file: {
    readonly table: "checkpoints" | "shards" | "topologies";
    readonly id: string;
    readonly key: string;
    readonly at: Date;
  },
): Promise<boolean> {
  return (await markOrphan(bindings.CATALOG, { ...file, at: file.at.toISOString() }))
    ? finishDeletion(bindings, file.key)
    : false;
}

/** Everything that is deleted with an object. */
function objectsOf(key: string): readonly string[] {
  const [, folder, id] = /^(models|probes)\/([0-9a-f]{64})[./]/.exec(key) ?? [];
  switch (folder) {
    case "models":
      return [modelKey(id as ModelId), manifestKey(id as ModelId), statisticsKey(id as ModelId)];
    case "probes":
      return [probeKey(id as ProbeId), chartKey(id as ProbeId)];
    default:
      return [key];
  }
}
