import type { CheckpointId } from "../../shared/identity.ts";
import { indexCheckpoint, listUnindexed, requireCheckpoint } from "../catalog/checkpoints.ts";
import type { Environment } from "../environment.ts";
import { summarizeCheckpoint } from "../objects/describe-checkpoint.ts";
import { openCheckpoint } from "../objects/open-checkpoint.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/** Headers that one request reads for the sake of older rows; a sweep reads the others. */
const READ_AT_ONCE = 20;

/** Enters family and training of checkpoints from before the catalog kept them, a few at a time. */
export async function indexOlder(bindings: Bindings): Promise<void> {
  for (const { id } of await listUnindexed(bindings.CATALOG, READ_AT_ONCE)) {
    // What cannot be read is not found by these filters; the sweep tells of it.
    await indexOne(bindings, id).catch(() => undefined);
  }
}

/** Reads one header. @throws what reading it throws */
export async function indexOne(bindings: Bindings, id: CheckpointId): Promise<void> {
  const { name, createdAt } = await requireCheckpoint(bindings.CATALOG, id);
  const { input } = await openCheckpoint(bindings, id);
  await indexCheckpoint(bindings.CATALOG, summarizeCheckpoint({ id, name }, input.header, createdAt));
}
