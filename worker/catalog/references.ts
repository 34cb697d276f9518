import type { NeededBy } from "../../shared/api/listing.ts";
import type { CheckpointId, ModelId, ShardId, TopologyId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";

/** How many of those that need something are named; the count tells of the others. */
const NAMED = 20;

/**
 * Who needs a thing: for each kind, a query that finds them. Ids are 64 hex digits, so where one stands in a recipe, a
 * list of shards or the facts of a sharded checkpoint, it stands for nothing else. Deleting is rare, so a walk through
 * the rows is cheaper than an index that every write keeps up.
 */
const QUERIES = {
  checkpoint: [
    ["model", "SELECT id FROM models WHERE instr(recipe, ?1) > 0"],
    ["fusion", "SELECT id FROM fusions WHERE state IN ('lazy', 'queued', 'running') AND instr(recipe, ?1) > 0"],
    ["checkpoint", "SELECT id FROM checkpoints WHERE composite IS NOT NULL AND instr(composite, ?1) > 0"],
    ["probe", "SELECT id FROM probes WHERE instr(members, ?1) > 0"],
  ],
  model: [
    ["alias", "SELECT name AS id FROM aliases WHERE model = ?1"],
    ["probe", "SELECT id FROM probes WHERE instr(members, ?1) > 0"],
  ],
  shard: [
    ["dataset", "SELECT DISTINCT name AS id FROM datasets WHERE instr(shards, ?1) > 0"],
    ["probe", "SELECT id FROM probes WHERE instr(shards, ?1) > 0 OR calibration = ?1"],
  ],
  topology: [
    ["checkpoint", "SELECT id FROM checkpoints WHERE topology = ?1"],
    // What is answered is answered; what is under way still reads it.
    ["probe", "SELECT id FROM probe_questions WHERE instr(question, ?1) > 0"],
  ],
} as const satisfies Record<string, readonly (readonly [NeededBy["kind"], string])[]>;

export type ReferredKind = keyof typeof QUERIES;
type ReferredId = CheckpointId | ModelId | ShardId | TopologyId;

/** A condition with the id as parameter `?1`: nothing needs it. */
export function nothingNeeds(kind: ReferredKind): string {
  return QUERIES[kind].map(([, query]) => `NOT EXISTS (${query})`).join(" AND ");
}

/** Everything that needs a thing: the first ones by name, and how many there are. */
export async function whoNeeds(
  catalog: D1Database,
  kind: ReferredKind,
  id: ReferredId,
): Promise<{ readonly neededBy: readonly NeededBy[]; readonly count: number }> {
  const answers = await catalog.batch<{ id: string; count: number }>(
    QUERIES[kind].map(([, query]) =>
      catalog.prepare(`SELECT id, COUNT(*) OVER () AS count FROM (${query}) ORDER BY id LIMIT ${NAMED}`).bind(id),
    ),
  );
  const found = answers.map(({ results }, index) => ({ kind: QUERIES[kind][index]?.[0], results }));
  return {
    count: found.reduce((sum, { results }) => sum + (results[0]?.count ?? 0), 0),
    neededBy: found
      .flatMap(({ kind: by, results }) => (by === undefined ? [] : results.map((row) => ({ kind: by, id: row.id }))))
      .slice(0, NAMED),
  };
}

/** @throws Problem `still-needed` with the list, where there is one */
export async function requireUnneeded(catalog: D1Database, kind: ReferredKind, id: ReferredId): Promise<void> {
  const { neededBy, count } = await whoNeeds(catalog, kind, id);
  if (count === 0) return;
  const [first] = neededBy;
  const others = count > 1 ? ` and ${count - 1} more` : "";
  throw new Problem(
    "still-needed",
    `The ${kind} ${id} is needed by the ${first?.kind} ${first?.id}${others}. Delete those first.`,
    { neededBy, count },
  );
}
