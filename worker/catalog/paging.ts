import type { Page } from "../../shared/api/paging.ts";

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/**
 * Cuts a page from rows that were asked for with `seq < cursor ORDER BY seq DESC LIMIT limit + 1`: the extra row only
 * tells whether there are more.
 */
export function pageFromRows<Row extends { seq: number }, Item>(
  rows: readonly Row[],
  limit: number,
  itemOf: (row: Row) => Item,
): Page<Item> {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return { items: kept.map(itemOf), next: rows.length > limit && last !== undefined ? String(last.seq) : null };
}

/** Value that a cursor stands for; without one, above every `seq`. */
export function beforeSeq(cursor: string | undefined): number {
  return cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
}
