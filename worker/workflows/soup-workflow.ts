import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import { searchSoup, type SoupShare } from "../../shared/fusion/soup/index.ts";
import { Problem } from "../../shared/problem.ts";
import type { MixtureAnswer } from "../catalog/soup-evaluations.ts";
import { failSoup, requireSoup, touchSoup } from "../catalog/soups.ts";
import type { Environment, SoupParameters } from "../environment.ts";
import { problemDocument } from "../problems/render.ts";
import { serveSoup } from "../souping/cook.ts";
import { answerOnce, measureIn } from "../souping/evaluate.ts";
import { openCandidates } from "../souping/question.ts";
import { type Outcome, Refused, settle, Superseded, valueOf } from "./outcome.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/**
 * Makes a soup that is too much work for a request: a step for every model that is evaluated. The search itself runs
 * between the steps; it asks the same questions in the same order each time, so a Workflow that was killed finds the
 * answers it had, and goes on from there. An attempt that another one has taken over ends itself before its next unit of
 * work.
 */
export class SoupWorkflow extends WorkflowEntrypoint<Environment, SoupParameters> {
  override async run({ payload }: Readonly<WorkflowEvent<SoupParameters>>, step: WorkflowStep): Promise<void> {
    const { id, attempt } = payload;
    const { CATALOG } = this.env;
    const now = () => new Date();
    const stayCurrent = async () => {
      if (!(await touchSoup(CATALOG, { id, attempt }, now().toISOString()))) throw new Superseded();
    };
    const run = async <Value>(name: string, work: () => Promise<Value>): Promise<Value> => {
      // What a step returns is kept as JSON; ours is JSON by construction.
      const outcome = await step.do(name, PATIENT, async () => (await settle(`/v1/soups/${id}`, work)) as never);
      return valueOf(outcome as Outcome<Value>);
    };
    try {
      const { question } = await run("plan", async () => {
        await stayCurrent();
        return requireSoup(CATALOG, id);
      });
      const candidates = await run("candidates", () => openCandidates(this.env, question.candidates));
      let evaluated = 0;
      const cook = { soup: { id, attempt, question }, now, beat: stayCurrent };
      const evaluate = async (shares: readonly SoupShare[]) => {
        const answer = await run<MixtureAnswer>(`evaluate ${++evaluated}`, () => answerOnce(this.env, cook, shares));
        return measureIn(answer);
      };
      const outcome = await searchSoup(question.kind, candidates, evaluate);
      await run("fuse", async () => {
        await stayCurrent();
        await serveSoup(this.env, id, outcome, now);
        return null;
      });
    } catch (error) {
      if (error instanceof Superseded) return;
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
      await step.do("abandon", PATIENT, () => failSoup(CATALOG, { id, attempt }, problem, now().toISOString()));
    }
  }
}
