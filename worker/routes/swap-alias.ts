import type { AliasName } from "../../shared/api/aliases.ts";
import { Problem } from "../../shared/problem.ts";
import { type AliasRecord, findAlias } from "../catalog/aliases.ts";
import type { AppContext } from "../environment.ts";
import { holdsFor, writeConditionOf } from "./preconditions.ts";

/** How often a move that names no version is tried against others. */
const UNCONDITIONAL_ATTEMPTS = 8;

/**
 * Changes an alias that is in the version that the request names.
 * @param change gives undefined where the alias has changed since it was seen
 * @throws Problem `precondition-required`, `precondition-failed`
 */
export async function swapAlias(
  c: AppContext,
  name: AliasName,
  seen: AliasRecord | undefined,
  change: (current: AliasRecord) => Promise<AliasRecord | undefined>,
): Promise<AliasRecord> {
  const condition = writeConditionOf(c);
  let current = seen;
  for (let attempt = 1; attempt <= UNCONDITIONAL_ATTEMPTS; attempt++) {
    if (condition.kind !== "must-match" || current === undefined || !holdsFor(condition, current.version)) break;
    const changed = await change(current);
    if (changed !== undefined) return changed;
    current = await findAlias(c.env.CATALOG, name);
  }
  throw refusedChange(condition.kind, current, name);
}

/** Why an alias is not changed: it is not in the state that the request names, or the request names none. */
export function refusedChange(
  kind: "none" | "must-be-new" | "must-match",
  current: AliasRecord | undefined,
  name: AliasName,
) {
  const version = current?.version ?? null;
  const members = { alias: name, version, model: current?.model ?? null };
  const state = current === undefined ? "is not there" : `is at version ${current.version}`;
  return kind === "none"
    ? new Problem("precondition-required", `The alias ${name} ${state}: name it in If-Match to change it.`, members)
    : new Problem("precondition-failed", `The alias ${name} ${state}, and not as the request says.`, members);
}
