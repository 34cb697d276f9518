import { insertProbe } from "../catalog/probes.ts";
import { discardUnknown } from "../deleting/delete.ts";
import { probeKey } from "../objects/keys.ts";
import { storedProbe } from "../probing/store.ts";
import type { ProbeId } from "../../shared/identity.ts";
import type { Phase, Sweep } from "./sweep.ts";

const PAGE = 200;

/** Objects of a folder that are old enough, a page at a time. */
async function page(
  { environment: { BUCKET }, before }: Sweep,
  prefix: string,
  after: string,
): Promise<{ readonly old: readonly R2Object[]; readonly next: string | undefined }> {
  const listed = await BUCKET.list({ prefix, limit: PAGE, ...(after === "" ? {} : { cursor: after }) });
  return {
    old: listed.objects.filter(({ uploaded }) => uploaded.toISOString() <= before),
    next: listed.truncated ? listed.cursor : undefined,
  };
}

/** Which of these ids have a row in one of the tables. */
async function knownIds(
  { environment: { CATALOG } }: Sweep,
  tables: readonly string[],
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const given = JSON.stringify([...new Set(ids)]);
  const queries = tables.map((table) => `SELECT id FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`);
  const { results } = await CATALOG.prepare(queries.join(" UNION ")).bind(given).all<{ id: string }>();
  return new Set(results.map(({ id }) => id));
}

const idIn = (key: string, pattern: RegExp) => pattern.exec(key)?.[1];
const FILE = /^(?:checkpoints|shards|topologies)\/([0-9a-f]{64})\.(?:safetensors|json)$/;
const MODEL = /^models\/([0-9a-f]{64})\//;
const PROBE = /^probes\/([0-9a-f]{64})\.(?:json|svg)$/;
const UPLOAD = /^staging\/uploads\/([0-9a-f-]{36})$/;
const SCRATCH = /^staging\/([0-9a-f]{64})\/statistics-/;

/** Checkpoints and shards that the catalog does not know. An upload of the same bytes may be under way: so it is marked. */
function files(table: "checkpoints" | "shards" | "topologies"): Phase {
  return async (sweep, after) => {
    const { environment, dryRun, at, report } = sweep;
    const { old, next } = await page(sweep, `${table}/`, after);
    const ids = old.map(({ key }) => idIn(key, FILE)).filter((id) => id !== undefined);
    const known = await knownIds(sweep, [table], ids);
    for (const { key, size } of old) {
      const id = idIn(key, FILE);
      // What has another name was put there by someone else, through S3.
      if (id === undefined || known.has(id)) continue;
      if (dryRun || (await discardUnknown(environment, { table, id, key, at }))) {
        report({ kind: "orphan-object", what: key, bytes: size });
      }
    }
    return next;
  };
}

export const sweepCheckpoints: Phase = files("checkpoints");
export const sweepShards: Phase = files("shards");
export const sweepTopologies: Phase = files("topologies");

/** Deletes what the catalog does not know, having asked it once more. */
async function removeUnknown(sweep: Sweep, orphan: R2Object, tables: readonly string[], id: string): Promise<void> {
  const { environment, dryRun, report } = sweep;
  if (!dryRun) {
    if ((await knownIds(sweep, tables, [id])).has(id)) return;
    await environment.BUCKET.delete(orphan.key);
  }
  report({ kind: "orphan-object", what: orphan.key, bytes: orphan.size });
}

/** Files of models that are neither stored nor to be made. */
export const sweepModels: Phase = async (sweep, after) => {
  const tables = ["models", "fusions"];
  const { old, next } = await page(sweep, "models/", after);
  const ids = old.map(({ key }) => idIn(key, MODEL)).filter((id) => id !== undefined);
  const known = await knownIds(sweep, tables, ids);
  for (const object of old) {
    const id = idIn(object.key, MODEL);
    if (id !== undefined && !known.has(id)) await removeUnknown(sweep, object, tables, id);
  }
  return next;
};

/** Enters answers of probes from before they had rows; removes pictures without an answer. */
export const sweepProbes: Phase = async (sweep, after) => {
  const { environment, dryRun, report } = sweep;
  const { old, next } = await page(sweep, "probes/", after);
  const ids = old.map(({ key }) => idIn(key, PROBE)).filter((id) => id !== undefined);
  const known = await knownIds(sweep, ["probes"], ids);
  for (const object of old) {
    const id = idIn(object.key, PROBE);
    if (id === undefined || known.has(id)) continue;
    if (object.key.endsWith(".json")) {
      if (!dryRun) await enterProbe(sweep, object.key);
      report({ kind: "probe-without-row", what: id });
    } else if ((await environment.BUCKET.head(probeKey(id as ProbeId))) === null) {
      await removeUnknown(sweep, object, ["probes"], id);
    }
  }
  return next;
};

async function enterProbe({ environment: { BUCKET, CATALOG } }: Sweep, key: string): Promise<void> {
  const object = await BUCKET.get(key);
  if (object !== null) await insertProbe(CATALOG, storedProbe(await object.json<object>()));
}

/** What uploads and Workflows left behind that have ended. */
export const sweepStaging: Phase = async (sweep, after) => {
  const { old, next } = await page(sweep, "staging/", after);
  for (const object of old) {
    const [upload, fusion] = [idIn(object.key, UPLOAD), idIn(object.key, SCRATCH)];
    const [tables, id] = fusion === undefined ? [["uploads"], upload ?? object.key] : [["fusions"], fusion];
    if (!(await knownIds(sweep, tables, [id])).has(id)) await removeUnknown(sweep, object, tables, id);
  }
  return next;
};
