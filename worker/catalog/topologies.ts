import type { Page } from "../../shared/api/paging.ts";
import type { TopologyQuery, TopologySummary } from "../../shared/api/topologies.ts";
import { type DescribedTopology, topologyIdOf } from "../../shared/evaluation/topology/topology.ts";
import type { TopologyId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { Environment } from "../environment.ts";
import { topologyKey } from "../objects/keys.ts";
import { beingDeleted } from "./checkpoints.ts";
import { Conditions } from "./conditions.ts";
import { NOT_BEING_DELETED } from "./deletions.ts";
import { pageFromRows } from "./paging.ts";

interface Row {
  seq: number;
  id: string;
  format: string;
  input_shape: string;
  output_shape: string | null;
  parameters: number;
  parts: string;
  created_at: string;
}

/**
 * @returns false where the catalog knew the topology already, and nothing changed
 * @throws Problem `being-deleted`
 */
export async function insertTopology(catalog: D1Database, topology: TopologySummary): Promise<boolean> {
  const { id, format, inputShape, outputShape, parameters, parts, createdAt } = topology;
  const [inserted, known] = await catalog.batch<{ id: string }>([
    catalog
      .prepare(
        `INSERT INTO topologies (id, format, input_shape, output_shape, parameters, parts, created_at)
         SELECT ?, ?, ?, ?, ?, ?, ? WHERE ${NOT_BEING_DELETED} ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        id,
        format,
        JSON.stringify(inputShape),
        outputShape === null ? null : JSON.stringify(outputShape),
        parameters,
        JSON.stringify(parts),
        createdAt,
        topologyKey(id),
      ),
    catalog.prepare("SELECT id FROM topologies WHERE id = ?").bind(id),
  ]);
  if (known?.results.length === 0) throw beingDeleted(id);
  return (inserted?.meta.changes ?? 0) > 0;
}

/** For a topology whose object is not there. */
export async function forgetTopology(catalog: D1Database, id: TopologyId): Promise<void> {
  await catalog.prepare("DELETE FROM topologies WHERE id = ?").bind(id).run();
}

/** Newest first. */
export async function listTopologies(
  catalog: D1Database,
  { limit, cursor, format }: TopologyQuery,
): Promise<Page<TopologySummary>> {
  const conditions = new Conditions().before("seq", cursor).add("format = ?", format);
  const { results } = await catalog
    .prepare(`SELECT * FROM topologies WHERE ${conditions.text} ORDER BY seq DESC LIMIT ?`)
    .bind(...conditions.values, limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, summaryOf);
}

/** @throws Problem `topology-not-found` */
export async function requireTopologySummary(catalog: D1Database, id: TopologyId): Promise<TopologySummary> {
  const row = await catalog.prepare("SELECT * FROM topologies WHERE id = ?").bind(id).first<Row>();
  if (row === null) throw topologyNotFound(id);
  return summaryOf(row);
}

/**
 * A stored topology, ready to be evaluated.
 * @throws Problem `topology-not-found`, also where the object holds another one
 */
export async function requireTopology(
  { BUCKET }: Pick<Environment, "BUCKET">,
  id: TopologyId,
): Promise<DescribedTopology> {
  const object = await BUCKET.get(topologyKey(id));
  if (object === null) throw topologyNotFound(id);
  const topology = await object.json<DescribedTopology>();
  // Whoever reaches the bucket through S3 can put anything there.
  if (topologyIdOf(topology) !== id) throw topologyNotFound(id);
  return topology;
}

function topologyNotFound(id: TopologyId): Problem {
  return new Problem("topology-not-found", `There is no topology ${id}.`, { topology: id });
}

function summaryOf(row: Row): TopologySummary {
  return {
    id: row.id as TopologyId,
    format: row.format === "graph-model" ? "graph-model" : "layers-model",
    inputShape: JSON.parse(row.input_shape) as number[],
    outputShape: row.output_shape === null ? null : (JSON.parse(row.output_shape) as number[]),
    parameters: row.parameters,
    parts: JSON.parse(row.parts) as Record<string, number>,
    createdAt: row.created_at,
    links: { self: `/v1/topologies/${row.id}` },
  };
}
