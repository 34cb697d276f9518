import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import type { Environment, ProbeParameters } from "../environment.ts";
import { inParallel } from "./in-parallel.ts";
import { type Outcome, Refused, settle, Superseded, valueOf } from "./outcome.ts";
import { abandonProbe, answerFromParts, evaluateGroup, planProbe } from "./probe-steps.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/** Steps at a time: one reads what the other, whose turn it is, will evaluate next. */
const PARALLEL_STEPS = 2;

/**
 * Answers a probe that nobody waits for: shards and points are cut into units, some of them a step, and the sums of each
 * are kept as soon as they are there. What is kept is not evaluated again, whatever is killed.
 */
export class ProbeWorkflow extends WorkflowEntrypoint<Environment, ProbeParameters> {
  override async run({ payload }: Readonly<WorkflowEvent<ProbeParameters>>, step: WorkflowStep): Promise<void> {
    const context = { environment: this.env, ...payload, now: () => new Date() };
    const run = async <Value>(name: string, work: () => Promise<Value>): Promise<Value> => {
      const outcome = await step.do(name, PATIENT, async () => {
        // What a step returns is kept as JSON; ours is JSON by construction.
        return (await settle(`/v1/probes/${payload.id}`, work)) as never;
      });
      return valueOf(outcome as Outcome<Value>);
    };
    try {
      const plan = await run("plan", () => planProbe(context));
      await inParallel(plan.groups, PARALLEL_STEPS, (index) =>
        run(`group ${index + 1} of ${plan.groups}`, () => evaluateGroup(context, plan, index)),
      );
      await run("answer", () => answerFromParts(context));
    } catch (error) {
      if (error instanceof Superseded) return;
      const problem = error instanceof Refused ? error.problem : undefined;
      const cause = error instanceof Error ? error.message : String(error);
      await step.do("abandon", PATIENT, () => abandonProbe(context, problem, cause));
    }
  }
}
