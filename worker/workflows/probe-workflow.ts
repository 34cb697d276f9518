import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import type { Environment, ProbeParameters } from "../environment.ts";
import { resolveQuestion } from "../probing/question.ts";
import { answerAndStore } from "../probing/store.ts";
import { type Outcome, settle } from "./outcome.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/** Answers a probe that nobody waits for. Its output says how that went; the answer itself is in the bucket. */
export class ProbeWorkflow extends WorkflowEntrypoint<Environment, ProbeParameters> {
  override async run(
    { payload: { id, question, batch } }: Readonly<WorkflowEvent<ProbeParameters>>,
    step: WorkflowStep,
  ): Promise<Outcome<null>> {
    const outcome = await step.do("answer", PATIENT, async () => {
      const work = async () => {
        const resolved = await resolveQuestion(this.env.CATALOG, question);
        await answerAndStore(this.env, resolved, batch, () => new Date());
        return null;
      };
      // What a step returns is kept as JSON; ours is JSON by construction.
      return (await settle(`/v1/probes/${id}`, work)) as never;
    });
    return outcome as Outcome<null>;
  }
}
