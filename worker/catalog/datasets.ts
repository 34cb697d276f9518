import type { DatasetDescription } from "../../shared/api/datasets.ts";
import type { Page } from "../../shared/api/paging.ts";
import type { DatasetName, ShardId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { hasChanged } from "./changes.ts";
import { beforeSeq, pageFromRows, type PageRequest } from "./paging.ts";

interface Row {
  seq: number;
  name: string;
  version: number;
  shards: string;
  samples: number;
  input_shape: string;
  created_at: string;
}

/** @returns false where this version exists, so that the caller decides again on what is there now */
export async function insertDataset(catalog: D1Database, dataset: DatasetDescription): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare(
        `INSERT INTO datasets (name, version, shards, samples, input_shape, created_at)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name, version) DO NOTHING`,
      )
      .bind(
        dataset.name,
        dataset.version,
        JSON.stringify(dataset.shards),
        dataset.samples,
        JSON.stringify(dataset.inputShape),
        dataset.createdAt,
      ),
  );
}

/** @param version the latest where undefined */
export async function findDataset(
  catalog: D1Database,
  name: DatasetName,
  version?: number,
): Promise<DatasetDescription | undefined> {
  const statement =
    version === undefined
      ? catalog.prepare("SELECT * FROM datasets WHERE name = ? ORDER BY version DESC LIMIT 1").bind(name)
      : catalog.prepare("SELECT * FROM datasets WHERE name = ? AND version = ?").bind(name, version);
  const row = await statement.first<Row>();
  return row === null ? undefined : descriptionOf(row);
}

/** The last version that there ever was, also of what was deleted since; 0 where there was none. */
export async function lastVersion(catalog: D1Database, name: DatasetName): Promise<number> {
  const row = await catalog
    .prepare(
      `SELECT MAX(version) AS version FROM
         (SELECT version FROM datasets WHERE name = ?1 UNION ALL SELECT version FROM deleted_datasets WHERE name = ?1)`,
    )
    .bind(name)
    .first<{ version: number | null }>();
  return row?.version ?? 0;
}

/** @throws Problem `dataset-not-found` */
export async function requireDataset(
  catalog: D1Database,
  name: DatasetName,
  version?: number,
): Promise<DatasetDescription> {
  const dataset = await findDataset(catalog, name, version);
  if (dataset === undefined) {
    const which = version === undefined ? "" : ` in version ${version}`;
    throw new Problem("dataset-not-found", `There is no dataset ${name}${which}.`, { dataset: name });
  }
  return dataset;
}

/** The latest version of every dataset. */
export async function listDatasets(
  catalog: D1Database,
  { limit, cursor }: PageRequest,
): Promise<Page<DatasetDescription>> {
  const { results } = await catalog
    .prepare(
      `SELECT * FROM datasets AS d
       WHERE seq < ? AND version = (SELECT MAX(version) FROM datasets WHERE name = d.name)
       ORDER BY seq DESC LIMIT ?`,
    )
    .bind(beforeSeq(cursor), limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, descriptionOf);
}

function descriptionOf(row: Row): DatasetDescription {
  return {
    name: row.name as DatasetName,
    version: row.version,
    shards: JSON.parse(row.shards) as ShardId[],
    samples: row.samples,
    inputShape: JSON.parse(row.input_shape) as number[],
    createdAt: row.created_at,
  };
}
