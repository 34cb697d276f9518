import type { SoupMeasure } from "../../shared/fusion/soup/index.ts";
import type { SoupId } from "../../shared/identity.ts";
import { type SoupRecord, touching } from "./soups.ts";

/** What came of evaluating a mixture: a measure, or why it has none. Plain JSON. */
export type MixtureAnswer =
  | { readonly kind: "measured"; readonly measure: SoupMeasure }
  | { readonly kind: "unfit"; readonly code: string; readonly detail: string };

/** @param mixture digest of the shares */
export async function findAnswer(
  catalog: D1Database,
  soup: SoupId,
  mixture: string,
): Promise<MixtureAnswer | undefined> {
  const row = await catalog
    .prepare("SELECT answer FROM soup_evaluations WHERE soup = ? AND mixture = ?")
    .bind(soup, mixture)
    .first<{ answer: string }>();
  return row === null ? undefined : (JSON.parse(row.answer) as MixtureAnswer);
}

/** Keeps an answer, whichever attempt has found it, and shows that the attempt is alive. */
export async function keepAnswer(
  catalog: D1Database,
  {
    soup,
    mixture,
    answer,
  }: {
    readonly soup: Pick<SoupRecord, "id" | "attempt">;
    readonly mixture: string;
    readonly answer: MixtureAnswer;
  },
  at: string,
): Promise<void> {
  await catalog.batch([
    catalog
      .prepare(
        `INSERT INTO soup_evaluations (soup, mixture, answer, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (soup, mixture) DO NOTHING`,
      )
      .bind(soup.id, mixture, JSON.stringify(answer), at),
    touching(catalog, soup, at),
  ]);
}

export async function countAnswers(catalog: D1Database, soup: SoupId): Promise<number> {
  const row = await catalog
    .prepare("SELECT COUNT(*) AS count FROM soup_evaluations WHERE soup = ?")
    .bind(soup)
    .first<{ count: number }>();
  return row?.count ?? 0;
}
