import type { ProbeQuery, ProbeSummary } from "../../shared/api/listing.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { hasChanged } from "./changes.ts";
import { Conditions } from "./conditions.ts";
import { pageFromRows } from "./paging.ts";

interface Row {
  seq: number;
  id: string;
  a: string;
  b: string;
  shards: string;
  samples: number;
  accuracy_a: number;
  accuracy_b: number;
  loss_a: number;
  loss_b: number;
  loss_barrier: number;
  accuracy_barrier: number;
  created_at: string;
}

/** Enters an answered probe, so that it is listed. The answer itself is the object. @returns false where it is known */
export async function insertProbe(catalog: D1Database, probe: ProbeDescription): Promise<boolean> {
  const [first, last] = [probe.points.at(0), probe.points.at(-1)];
  if (first === undefined || last === undefined) throw new Error(`probe ${probe.id} has no points`);
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO probes
           (id, a, b, shards, samples, accuracy_a, accuracy_b, loss_a, loss_b, loss_barrier, accuracy_barrier, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        probe.id,
        probe.a,
        probe.b,
        JSON.stringify(probe.shards),
        probe.samples,
        first.accuracy,
        last.accuracy,
        first.loss,
        last.loss,
        probe.lossBarrier,
        probe.accuracyBarrier,
        probe.createdAt,
      ),
  );
}

export async function isListed(catalog: D1Database, id: ProbeId): Promise<boolean> {
  return (await catalog.prepare("SELECT 1 FROM probes WHERE id = ?").bind(id).first()) !== null;
}

/** Newest first. */
export async function listProbes(
  catalog: D1Database,
  { limit, cursor, model, shard, maxLossBarrier, maxAccuracyBarrier }: ProbeQuery,
): Promise<Page<ProbeSummary>> {
  const conditions = new Conditions()
    .before("seq", cursor)
    .add("a = ? OR b = ?", model, model)
    .add("instr(shards, ?) > 0", shard)
    .add("loss_barrier <= ?", maxLossBarrier)
    .add("accuracy_barrier <= ?", maxAccuracyBarrier);
  const { results } = await catalog
    .prepare(`SELECT * FROM probes WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, summaryOf);
}

function summaryOf(row: Row): ProbeSummary {
  return {
    id: row.id as ProbeId,
    a: row.a,
    b: row.b,
    shards: (JSON.parse(row.shards) as string[]).length,
    samples: row.samples,
    accuracy: { a: row.accuracy_a, b: row.accuracy_b },
    loss: { a: row.loss_a, b: row.loss_b },
    lossBarrier: row.loss_barrier,
    accuracyBarrier: row.accuracy_barrier,
    createdAt: row.created_at,
    links: { self: `/v1/probes/${row.id}`, chart: `/v1/probes/${row.id}/barrier.svg` },
  };
}
