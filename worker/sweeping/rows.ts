import type { CheckpointId, ModelId, ProbeId, ShardId, TopologyId } from "../../shared/identity.ts";
import { checkpointKey, modelKey, probeKey, shardKey, topologyKey } from "../objects/keys.ts";
import type { Phase } from "./sweep.ts";

/** A page costs a look at each object. */
const PAGE = 40;

/**
 * Rows whose object is not there, such as after someone deleted it through S3: they promise what is lost. The row goes;
 * whoever has the file can upload it again under the same id.
 */
function rows(
  table: "checkpoints" | "shards" | "models" | "probes" | "topologies",
  keyOf: (id: string) => string,
): Phase {
  const own = table === "checkpoints" ? "composite IS NULL" : "true";
  return async ({ environment: { BUCKET, CATALOG }, dryRun, before, report }, after) => {
    const { results } = await CATALOG.prepare(
      `SELECT seq, id FROM ${table} WHERE seq > ? AND created_at <= ? AND ${own} ORDER BY seq LIMIT ?`,
    )
      .bind(Number(after), before, PAGE)
      .all<{ seq: number; id: string }>();
    for (const { seq, id } of results) {
      if ((await BUCKET.head(keyOf(id))) !== null) continue;
      // By its number: a row that was made anew since is another one.
      if (!dryRun) await CATALOG.prepare(`DELETE FROM ${table} WHERE seq = ? AND id = ?`).bind(seq, id).run();
      report({ kind: "row-without-object", what: `${table}/${id}` });
    }
    return results.length === PAGE ? String(results.at(-1)?.seq) : undefined;
  };
}

export const checkpointRows: Phase = rows("checkpoints", (id) => checkpointKey(id as CheckpointId));
export const shardRows: Phase = rows("shards", (id) => shardKey(id as ShardId));
export const modelRows: Phase = rows("models", (id) => modelKey(id as ModelId));
export const probeRows: Phase = rows("probes", (id) => probeKey(id as ProbeId));
export const topologyRows: Phase = rows("topologies", (id) => topologyKey(id as TopologyId));
