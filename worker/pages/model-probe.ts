import { barrierOfProbe } from "../../shared/api/probe-pictures.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import type { ProbeId } from "../../shared/identity.ts";
import type { Recipe } from "../../shared/recipe/recipe.ts";
import type { Environment } from "../environment.ts";
import { findProbe } from "../probing/store.ts";

/** So many of the newest probes of an input are looked at. */
const MOST_LOOKED_AT = 50;

/**
 * The probe that says what a model's inputs are to each other: its gate's, else the newest path or mean of exactly these
 * inputs.
 */
export async function probeOfModel(
  { BUCKET, CATALOG }: Pick<Environment, "BUCKET" | "CATALOG">,
  { inputs }: Recipe,
  gated: ProbeId | null | undefined,
): Promise<ProbeDescription | undefined> {
  const id = gated ?? (await newestProbeOf(CATALOG, new Set(inputs.map(({ checkpoint }) => checkpoint))));
  const probe = id === undefined ? undefined : await findProbe(BUCKET, id);
  return probe === undefined || barrierOfProbe(probe) === undefined ? undefined : probe;
}

async function newestProbeOf(catalog: D1Database, inputs: ReadonlySet<string>): Promise<ProbeId | undefined> {
  const [first] = inputs;
  const { results } = await catalog
    .prepare(
      `SELECT id, members FROM probes
       WHERE kind IN ('path', 'mean') AND instr(members, ?) > 0 AND json_array_length(members) = ?
       ORDER BY seq DESC LIMIT ${MOST_LOOKED_AT}`,
    )
    .bind(first ?? "", inputs.size)
    .all<{ id: string; members: string }>();
  // A probe may ask about one model twice, which says nothing about two.
  const isOfInputs = ({ members }: { members: string }) => {
    const asked = new Set((JSON.parse(members) as { id: string }[]).map(({ id }) => id));
    return asked.size === inputs.size && [...asked].every((id) => inputs.has(id));
  };
  return results.find(isOfInputs)?.id as ProbeId | undefined;
}
