import { Problem } from "../../shared/problem.ts";
import type { AppContext } from "../environment.ts";

/** The entity tag of a thing that is counted in versions. */
export const versionTag = (version: number) => `"v${version}"`;

/** What a request wants to change: something that is in a version that it has seen, or something that is not there. */
export type WriteCondition =
  | { readonly kind: "must-match"; readonly tags: readonly string[] | "any" }
  | { readonly kind: "must-be-new" }
  | { readonly kind: "none" };

/**
 * Reads `If-Match` and `If-None-Match` of a request that writes (RFC 9110, section 13.1).
 * @throws Problem `malformed-request` where the fields contradict each other, or name tags in `If-None-Match`: there is
 *   no use for that here
 */
export function writeConditionOf(c: AppContext): WriteCondition {
  const [ifMatch, ifNoneMatch] = [c.req.header("if-match")?.trim(), c.req.header("if-none-match")?.trim()];
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch !== "*" || ifMatch !== undefined) {
      throw new Problem("malformed-request", "Send If-Match with an entity tag, or If-None-Match: *.");
    }
    return { kind: "must-be-new" };
  }
  if (ifMatch === undefined) return { kind: "none" };
  if (ifMatch === "*") return { kind: "must-match", tags: "any" };
  return { kind: "must-match", tags: ifMatch.split(",").map((tag) => tag.trim()) };
}

/** Whether a condition holds for a version that is there. Weak tags never match (RFC 9110, section 13.1.1). */
export function holdsFor(condition: WriteCondition & { kind: "must-match" }, version: number): boolean {
  return condition.tags === "any" || condition.tags.includes(versionTag(version));
}
