import { listUnindexed } from "../catalog/checkpoints.ts";
import { indexOne } from "../registering/index-older.ts";
import type { Phase } from "./sweep.ts";

const PAGE = 20;

/** Enters family and training of checkpoints from before the catalog kept them. */
export const indexHeaders: Phase = async ({ environment, dryRun, report }, after) => {
  const rows = await listUnindexed(environment.CATALOG, PAGE, Number(after));
  for (const { id } of rows) {
    // One whose object is lost was reported as such.
    if (!dryRun) await indexOne(environment, id).catch(() => undefined);
    report({ kind: "checkpoint-without-facts", what: id });
  }
  return rows.length === PAGE ? String(rows.at(-1)?.seq) : undefined;
};
