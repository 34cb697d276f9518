import { hasChanged } from "../catalog/changes.ts";

/** A request that has a key, as the catalog knows it. */
export interface KeyedRequest {
  /** SHA-256 over the principal and its key. */
  readonly id: string;
  /** SHA-256 over method, address and body. */
  readonly request: string;
  /** Who has the key now. */
  readonly owner: string;
}

/** What another request has left under the key. */
export interface EarlierRequest {
  readonly request: string;
  /** Sealed; null while it is in flight. */
  readonly answer: string | null;
}

/** How long an answer is kept. */
const KEPT_MS = 86_400_000;

/** A request that has shown no answer for so long died with its isolate: no request lives longer. */
const LEASE_MS = 300_000;

/**
 * Takes a key for a request: one that nobody has, whose answer is older than a day, or whose owner died.
 * @returns undefined where it was taken, else who has it
 */
export async function takeKey(
  catalog: D1Database,
  { id, request, owner }: KeyedRequest,
  now: Date,
): Promise<EarlierRequest | undefined> {
  const before = (milliseconds: number) => new Date(now.getTime() - milliseconds).toISOString();
  const [, taken, found] = await catalog.batch<EarlierRequest>([
    catalog.prepare("DELETE FROM idempotency WHERE created_at < ?").bind(before(KEPT_MS)),
    catalog
      .prepare(
        `INSERT INTO idempotency (id, request, owner, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET request = excluded.request, owner = excluded.owner, created_at = excluded.created_at
         WHERE answer IS NULL AND created_at < ?`,
      )
      .bind(id, request, owner, now.toISOString(), before(LEASE_MS)),
    catalog.prepare("SELECT request, answer FROM idempotency WHERE id = ? AND owner <> ?").bind(id, owner),
  ]);
  return (taken?.meta.changes ?? 0) > 0 ? undefined : found?.results[0];
}

/** Keeps an answer. @returns false where another request has taken the key over meanwhile */
export function keepAnswer(
  catalog: D1Database,
  { id, owner }: Pick<KeyedRequest, "id" | "owner">,
  answer: string,
): Promise<boolean> {
  return hasChanged(
    catalog.prepare("UPDATE idempotency SET answer = ? WHERE id = ? AND owner = ?").bind(answer, id, owner),
  );
}

/** Gives a key back, so that the next request with it is like the first. */
export async function releaseKey(
  catalog: D1Database,
  { id, owner }: Pick<KeyedRequest, "id" | "owner">,
): Promise<void> {
  await catalog.prepare("DELETE FROM idempotency WHERE id = ? AND owner = ?").bind(id, owner).run();
}

/** Forgets an answer that cannot be read any more. */
export async function forgetAnswer(catalog: D1Database, id: string, answer: string): Promise<void> {
  await catalog.prepare("DELETE FROM idempotency WHERE id = ? AND answer = ?").bind(id, answer).run();
}
