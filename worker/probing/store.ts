import { type ProbeDescription, probeDescription } from "../../shared/api/probes.ts";
import type { ProbeId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { insertProbe, isListed } from "../catalog/probes.ts";
import type { Environment } from "../environment.ts";
import { probeKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/**
 * Stores an answer and lists it; where two answer at once, the first one's is kept. What its Workflow kept on the way goes.
 * The object is what makes the probe exist.
 */
export async function storeAnswer(
  { BUCKET, CATALOG }: Bindings,
  probe: ProbeDescription,
): Promise<{ readonly probe: ProbeDescription; readonly isNew: boolean }> {
  try {
    const isNew = await putOnce(BUCKET, probeKey(probe.id), JSON.stringify(probe), "application/json");
    const stored = isNew ? probe : await requireProbe(BUCKET, probe.id);
    await insertProbe(CATALOG, stored);
    return { probe: stored, isNew };
  } catch (error) {
    await discardUnlisted({ BUCKET, CATALOG }, probe.id).catch(() => undefined);
    throw error;
  }
}

/** Deletes an answer that no list knows: whoever asks again answers it again. */
async function discardUnlisted({ BUCKET, CATALOG }: Bindings, id: ProbeId): Promise<void> {
  if (!(await isListed(CATALOG, id))) await BUCKET.delete(probeKey(id));
}

export async function findProbe(bucket: R2Bucket, id: ProbeId): Promise<ProbeDescription | undefined> {
  const object = await bucket.get(probeKey(id));
  return object === null ? undefined : storedProbe(await object.json<object>());
}

/** An answer as it was stored. Those from before there were kinds are paths. */
export function storedProbe(value: object): ProbeDescription {
  return probeDescription.parse({ kind: "path", ...value });
}

/** @throws Problem `probe-not-found` */
async function requireProbe(bucket: R2Bucket, id: ProbeId): Promise<ProbeDescription> {
  const probe = await findProbe(bucket, id);
  if (probe === undefined) throw probeNotFound(id);
  return probe;
}

export function probeNotFound(id: ProbeId): Problem {
  return new Problem("probe-not-found", `There is no probe ${id}.`, { probe: id });
}
