import { SCOPES, type Scope } from "../../shared/api/tokens.ts";

export { SCOPES, type Scope };

/** Every scope there is. */
export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);

const NONE: ReadonlySet<Scope> = new Set();

/** What a list of scopes comes to: `admin` is all of them. */
export function expandScopes(scopes: Iterable<Scope>): ReadonlySet<Scope> {
  const named = new Set(scopes);
  if (named.size === 0) return NONE;
  return named.has("admin") ? ALL_SCOPES : named;
}
