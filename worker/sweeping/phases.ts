import { listMarks } from "../catalog/deletions.ts";
import { listExpired } from "../catalog/uploads.ts";
import { resumeDeletion } from "../deleting/delete.ts";
import { discardUpload } from "../uploading/upload.ts";
import { indexHeaders } from "./facts.ts";
import { sweepCheckpoints, sweepModels, sweepProbes, sweepShards, sweepStaging, sweepTopologies } from "./orphans.ts";
import { checkpointRows, modelRows, probeRows, shardRows, topologyRows } from "./rows.ts";
import type { Phase } from "./sweep.ts";

const PAGE = 50;

/** Ends the uploads that nobody went on with. */
const expiredUploads: Phase = async ({ environment, dryRun, at, report }) => {
  const uploads = await listExpired(environment.CATALOG, at.toISOString(), PAGE);
  for (const upload of uploads) {
    if (!dryRun) await discardUpload(environment, upload);
    report({ kind: "expired-upload", what: upload.id, bytes: upload.bytes });
  }
  // What was ended is not listed again; in a dry run there would be no end.
  return !dryRun && uploads.length === PAGE ? "+" : undefined;
};

/** Goes on with deletions whose worker died. */
const unfinishedDeletions: Phase = async ({ environment, dryRun, before, report }, after) => {
  const keys = await listMarks(environment.CATALOG, { before, after, limit: PAGE });
  for (const key of keys) {
    if (!dryRun) await resumeDeletion(environment, key);
    report({ kind: "unfinished-deletion", what: key });
  }
  return keys.length === PAGE ? keys.at(-1) : undefined;
};

/** Everything a sweep does, in order. A cursor counts them, so they are added at the end. */
export const PHASES: readonly [Phase, ...Phase[]] = [
  expiredUploads,
  unfinishedDeletions,
  sweepStaging,
  sweepCheckpoints,
  sweepShards,
  sweepModels,
  sweepProbes,
  checkpointRows,
  shardRows,
  modelRows,
  probeRows,
  indexHeaders,
  sweepTopologies,
  topologyRows,
];
