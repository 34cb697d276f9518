import { problemDocument } from "../problems/render.ts";
import { Problem } from "../../shared/problem.ts";
import { claimSoup, failSoup, type SoupRecord } from "../catalog/soups.ts";
import { type Environment, limitsOf, type SoupParameters } from "../environment.ts";

/** Has a Workflow make a soup. Of several who start it at once, one does. */
export async function startSoup(
  { CATALOG, SOUP_WORKFLOW }: Environment,
  { id, attempt }: Pick<SoupRecord, "id" | "attempt">,
  now: () => Date,
): Promise<void> {
  if (!(await claimSoup(CATALOG, { id, attempt }, now().toISOString()))) return;
  const params: SoupParameters = { id, attempt: attempt + 1 };
  try {
    await SOUP_WORKFLOW.create({ params });
  } catch (error) {
    const problem = problemDocument(new Problem("internal", "The Workflow could not be started."), `/v1/soups/${id}`);
    await failSoup(CATALOG, params, problem, now().toISOString());
    throw error;
  }
}

/**
 * Takes a soup over that should be cooking and has shown no sign of life for long: the worker was killed. What was
 * evaluated is kept, so the search soon is where it was. Should the earlier attempt be alive after all, it finds itself
 * superseded and ends.
 */
export async function keepCooking(environment: Environment, soup: SoupRecord, now: () => Date): Promise<void> {
  if (soup.state !== "running") return;
  const silentMs = now().getTime() - Date.parse(soup.updatedAt);
  if (silentMs >= limitsOf(environment).stallSeconds * 1000) await startSoup(environment, soup, now);
}
