import { searchSoup } from "../../shared/fusion/soup/index.ts";
import type { SoupId } from "../../shared/identity.ts";
import { forgetSoup, insertSoup, requireSoup, type SoupRecord, touchSoup } from "../catalog/soups.ts";
import { KeyedTurns } from "../engine/turns.ts";
import type { Environment } from "../environment.ts";
import type { WantedVisibility } from "../fusing/visibility.ts";
import { Superseded } from "../workflows/outcome.ts";
import { keepCooking, startSoup } from "./background.ts";
import { serveAgain, serveSoup } from "./cook.ts";
import { journaledEvaluator } from "./evaluate.ts";
import { type OpenCandidate, openCandidates } from "./question.ts";
import { settleSoupVisibility } from "./visibility.ts";
import { isLittleWork } from "./workload.ts";

export interface SoupRequest extends Pick<SoupRecord, "id" | "question">, WantedVisibility {
  /** Leaves the work to a Workflow, however little it is. */
  readonly isAsync: boolean;
}

export interface RequestedSoup {
  readonly soup: SoupRecord;
  /** False where it was there before, with its model. */
  readonly isNew: boolean;
}

/** The same soup asked for twice at once is made once. */
const making = new KeyedTurns<SoupId>(30_000);

/**
 * Brings a soup about, and makes it as visible as is wanted: within the request where that is little work, else by a
 * Workflow. What is there already is not made again; what failed is tried anew, and a model that was deleted is made anew.
 * @throws Problem what searching throws, where the request itself searches, and what looking into the candidates throws:
 *   nothing is stored then. What `settleSoupVisibility` throws.
 */
export async function requestSoup(
  environment: Environment,
  request: SoupRequest,
  now: () => Date,
): Promise<RequestedSoup> {
  return making.run(request.id, async () => {
    const { CATALOG } = environment;
    const { visibility = "public" } = request;
    const isNew = await insertSoup(CATALOG, { ...request, visibility }, now().toISOString());
    try {
      return await bringAbout(environment, request, isNew, now);
    } catch (error) {
      // Else whoever looks at it later on would have it made.
      if (isNew) await forgetSoup(CATALOG, request.id);
      throw error;
    }
  });
}

async function bringAbout(
  environment: Environment,
  request: SoupRequest,
  isNew: boolean,
  now: () => Date,
): Promise<RequestedSoup> {
  const { CATALOG } = environment;
  const soup = await settleSoupVisibility(CATALOG, await requireSoup(CATALOG, request.id), request);
  if (soup.state === "succeeded") {
    return { soup, isNew: await serveAgain(environment, soup, request.isAsync, now) };
  }
  // What a request began and did not end, it may begin again: nobody else in this isolate is at it.
  if (soup.state === "running" && soup.attempt > 0) {
    await keepCooking(environment, soup, now);
  } else if (request.isAsync || soup.state === "failed") {
    await startSoup(environment, soup, now);
  } else {
    const candidates = await openCandidates(environment, soup.question.candidates);
    if (await isLittleWork(environment, soup, candidates)) await cookNow(environment, soup, candidates, now);
    else await startSoup(environment, soup, now);
  }
  return { soup: await requireSoup(CATALOG, request.id), isNew };
}

async function cookNow(
  environment: Environment,
  soup: SoupRecord,
  candidates: readonly OpenCandidate[],
  now: () => Date,
): Promise<void> {
  const beat = async () => {
    if (!(await touchSoup(environment.CATALOG, soup, now().toISOString()))) throw new Superseded();
  };
  const evaluate = journaledEvaluator(environment, { soup, now, beat });
  try {
    const outcome = await searchSoup(soup.question.kind, candidates, evaluate);
    await serveSoup(environment, soup.id, outcome, now);
  } catch (error) {
    // A Workflow is at it, or has been: the soup as it is now is the answer.
    if (!(error instanceof Superseded)) throw error;
  }
}
