import { Problem } from "../../problem.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Deeper than any network nests; stops stack exhaustion by a hostile file. */
const DEEPEST = 64;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Copies what `JSON.parse` gave, without the members that `keep` refuses.
 * @throws Problem `malformed-tfjs-model` for nesting that is too deep, and a member that would change the copy's prototype
 */
export function copyJson(value: unknown, keep: (key: string) => boolean = () => true, depth = 0): Json {
  if (depth > DEEPEST) throw malformed(`It nests deeper than ${DEEPEST} levels.`);
  if (Array.isArray(value)) return value.map((item) => copyJson(item, keep, depth + 1));
  if (isObject(value)) {
    const members = Object.entries(value).filter(([key]) => keep(key));
    if (members.some(([key]) => key === "__proto__")) throw malformed("It has a member called __proto__.");
    return Object.fromEntries(members.map(([key, member]) => [key, copyJson(member, keep, depth + 1)]));
  }
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw malformed("It holds a value that JSON does not have.");
}

export function malformed(what: string, members: Readonly<Record<string, unknown>> = {}): Problem {
  return new Problem("malformed-tfjs-model", `modelTopology: ${what}`, members);
}
