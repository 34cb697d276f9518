import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import { type SoupCandidate, searchSoup, type SoupShare } from "../../shared/fusion/soup/index.ts";
import { Problem } from "../../shared/problem.ts";
import type { MixtureAnswer } from "../catalog/soup-evaluations.ts";
import { endSoup, requireSoup } from "../catalog/soups.ts";
import type { Environment, SoupParameters } from "../environment.ts";
import { problemDocument } from "../problems/render.ts";
import { serveSoup } from "../souping/cook.ts";
import { answerOnce, measureIn } from "../souping/evaluate.ts";
import { candidatesOf } from "../souping/question.ts";
import { type Outcome, Refused, settle, valueOf } from "./outcome.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/**
 * Makes a soup that is too much work for a request: a step for every model that is evaluated. The search itself runs
 * between the steps; it asks the same questions in the same order each time, so a Workflow that was killed finds the
 * answers it had, and goes on from there.
 */
export class SoupWorkflow extends WorkflowEntrypoint<Environment, SoupParameters> {
  override async run({ payload: { id } }: Readonly<WorkflowEvent<SoupParameters>>, step: WorkflowStep): Promise<void> {
    const now = () => new Date();
    const run = async <Value>(name: string, work: () => Promise<Value>): Promise<Value> => {
      // What a step returns is kept as JSON; ours is JSON by construction.
      const outcome = await step.do(name, PATIENT, async () => (await settle(`/v1/soups/${id}`, work)) as never);
      return valueOf(outcome as Outcome<Value>);
    };
    try {
      const soup = await run("plan", () => requireSoup(this.env.CATALOG, id));
      if (soup.state !== "running") return;
      const { kind, candidates: ids } = soup.question;
      const candidates = await run<readonly SoupCandidate[]>("candidates", () => candidatesOf(this.env, ids));
      let evaluated = 0;
      const evaluate = async (shares: readonly SoupShare[]) => {
        const question = { soup: id, question: soup.question, shares };
        const answer = await run<MixtureAnswer>(`evaluate ${++evaluated}`, () => answerOnce(this.env, question, now));
        return measureIn(answer);
      };
      const outcome = await searchSoup(kind, candidates, evaluate);
      await run("fuse", () => serveSoup(this.env, soup, outcome, now));
    } catch (error) {
      const problem =
        error instanceof Refused
          ? error.problem
          : problemDocument(
              error instanceof Problem && error.status < 500
                ? error
                : new Problem("internal", "Something failed inside edgefuse, again and again; its log says what."),
              `/v1/soups/${id}`,
            );
      const cause = error instanceof Error ? error.message : String(error);
      if (problem.code === "internal") {
        console.error(JSON.stringify({ level: "error", code: "internal", soup: id, cause }));
      }
      await step.do("abandon", PATIENT, () => endSoup(this.env.CATALOG, id, { problem }, now().toISOString()));
    }
  }
}
