import type { ProbeQuery, ProbeSummary } from "../../shared/api/listing.ts";
import type { Page } from "../../shared/api/paging.ts";
import { membersOf, type ProbeDescription, type ProbeKind } from "../../shared/api/probes.ts";
import type { ProbeId } from "../../shared/identity.ts";

import { Conditions } from "./conditions.ts";
import { pageFromRows } from "./paging.ts";
import { forgetting } from "./probe-parts.ts";

interface Row {
  seq: number;
  id: string;
  kind: string;
  members: string;
  shards: string;
  samples: number;
  loss_barrier: number | null;
  accuracy_barrier: number | null;
  created_at: string;
}

/** A model that was evaluated by itself, as a row keeps it. */
interface Member {
  readonly id: string;
  readonly loss: number;
  readonly accuracy: number | null;
}

/**
 * Enters an answered probe, so that it is listed. The answer itself is the object. What its Workflow kept on the way
 * goes in the same transaction.
 * @returns false where it is known
 */
export async function insertProbe(catalog: D1Database, probe: ProbeDescription): Promise<boolean> {
  const members = membersOf(probe).map(({ id, loss, accuracy }) => ({ id, loss, accuracy }));
  const barrier = probe.kind === "plane" ? { loss: null, accuracy: null } : barrierIn(probe);
  const [inserted] = await catalog.batch([
    catalog
      .prepare(
        `INSERT INTO probes
           (id, kind, members, shards, calibration, samples, loss_barrier, accuracy_barrier, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        probe.id,
        probe.kind,
        JSON.stringify(members),
        JSON.stringify(probe.shards),
        probe.calibration ?? null,
        probe.samples,
        barrier.loss,
        barrier.accuracy,
        probe.createdAt,
      ),
    ...forgetting(catalog, probe.id),
  ]);
  return (inserted?.meta.changes ?? 0) > 0;
}

const barrierIn = ({ lossBarrier, accuracyBarrier }: Exclude<ProbeDescription, { kind: "plane" }>) => ({
  loss: lossBarrier,
  accuracy: accuracyBarrier,
});

export async function isListed(catalog: D1Database, id: ProbeId): Promise<boolean> {
  return (await catalog.prepare("SELECT 1 FROM probes WHERE id = ?").bind(id).first()) !== null;
}

/** Newest first. */
export async function listProbes(
  catalog: D1Database,
  { limit, cursor, kind, model, shard, maxLossBarrier, maxAccuracyBarrier }: ProbeQuery,
): Promise<Page<ProbeSummary>> {
  const conditions = new Conditions()
    .before("seq", cursor)
    .add("kind = ?", kind)
    .add("instr(members, ?) > 0", model)
    .add("instr(shards, ?) > 0", shard)
    .add("loss_barrier <= ?", maxLossBarrier)
    .add("accuracy_barrier <= ?", maxAccuracyBarrier);
  const { results } = await catalog
    .prepare(`SELECT * FROM probes WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, summaryOf);
}

/** The picture of each kind. */
const CHARTS: Readonly<Record<ProbeKind, string>> = { path: "barrier.svg", mean: "barrier.svg", plane: "plane.svg" };

function summaryOf(row: Row): ProbeSummary {
  const members = JSON.parse(row.members) as Member[];
  const [first, last] = [members.at(0), members.at(-1)];
  if (first === undefined || last === undefined) throw new Error(`probe ${row.id} has no members`);
  const kind = row.kind as ProbeKind;
  return {
    id: row.id as ProbeId,
    kind,
    models: members.map(({ id }) => id),
    a: first.id,
    b: last.id,
    shards: (JSON.parse(row.shards) as string[]).length,
    samples: row.samples,
    accuracy: { a: first.accuracy, b: last.accuracy },
    loss: { a: first.loss, b: last.loss },
    lossBarrier: row.loss_barrier,
    accuracyBarrier: row.accuracy_barrier,
    createdAt: row.created_at,
    links: { self: `/v1/probes/${row.id}`, chart: `/v1/probes/${row.id}/${CHARTS[kind]}` },
  };
}
