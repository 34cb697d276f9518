import type { Page } from "../../shared/api/paging.ts";
import type { Scope, TokenDescription, TokenId } from "../../shared/api/tokens.ts";
import { hasChanged } from "./changes.ts";
import { beforeSeq, pageFromRows, type PageRequest } from "./paging.ts";

interface Row {
  seq: number;
  id: string;
  sha256: string;
  name: string;
  scopes: string;
  created_at: string;
  created_by: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

/** What a presented token is looked up as. */
export interface StoredToken extends TokenDescription {
  /** Of the token, lower-case hex. */
  readonly sha256: string;
}

export async function insertToken(catalog: D1Database, token: StoredToken): Promise<void> {
  await catalog
    .prepare(
      `INSERT INTO tokens (id, sha256, name, scopes, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    .bind(
      token.id,
      token.sha256,
      token.name,
      JSON.stringify(token.scopes),
      token.createdAt,
      token.createdBy,
      token.expiresAt,
    )
    .run();
}

/** Also finds what has expired or was revoked. */
export async function findTokenByDigest(catalog: D1Database, sha256: string): Promise<StoredToken | undefined> {
  const row = await catalog.prepare("SELECT * FROM tokens WHERE sha256 = ?").bind(sha256).first<Row>();
  return row === null ? undefined : { ...descriptionOf(row), sha256: row.sha256 };
}

/** Newest first, revoked ones too. */
export async function listTokens(catalog: D1Database, { limit, cursor }: PageRequest): Promise<Page<TokenDescription>> {
  const { results } = await catalog
    .prepare("SELECT * FROM tokens WHERE seq < ? ORDER BY seq DESC LIMIT ?")
    .bind(beforeSeq(cursor), limit + 1)
    .all<Row>();
  return pageFromRows(results, limit, descriptionOf);
}

/** Ends a token, once: the first time stays. @returns undefined where there is none */
export async function revokeToken(catalog: D1Database, id: TokenId, at: string): Promise<TokenDescription | undefined> {
  const row = await catalog
    .prepare("UPDATE tokens SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ? RETURNING *")
    .bind(at, id)
    .first<Row>();
  return row === null ? undefined : descriptionOf(row);
}

/** Notes a use, unless one after `before` is noted: a busy token costs a write now and then, not one a request. */
export async function touchToken(catalog: D1Database, id: TokenId, at: string, before: string): Promise<boolean> {
  return hasChanged(
    catalog
      .prepare("UPDATE tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)")
      .bind(at, id, before),
  );
}

function descriptionOf(row: Row): TokenDescription {
  return {
    id: row.id as TokenId,
    name: row.name,
    scopes: JSON.parse(row.scopes) as Scope[],
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
