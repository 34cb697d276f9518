import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import type { Environment, GateParameters } from "../environment.ts";
import { requireGate, touchGate } from "../catalog/gates.ts";
import { carryOutOrders } from "../gating/carry-out.ts";
import { decideGate, refuseUnmeasured } from "../gating/decide.ts";
import { awaitParentsProbe } from "../gating/parents-probe.ts";
import { type Outcome, settle, Superseded } from "./outcome.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/**
 * Decides a gate that is too much work for a request: the parents' probe, answered by its own Workflow, shard by shard;
 * then the model, the verdict, and what hangs on it. Every step may run again; a verdict that is there stays. An attempt
 * that was taken over ends when it next shows that it is alive.
 */
export class GateWorkflow extends WorkflowEntrypoint<Environment, GateParameters> {
  override async run(
    { payload: { id, attempt } }: Readonly<WorkflowEvent<GateParameters>>,
    step: WorkflowStep,
  ): Promise<Outcome<null>> {
    const now = () => new Date();
    const run = async (name: string, work: () => Promise<void>): Promise<Outcome<null>> =>
      step.do(name, PATIENT, async () => {
        const outcome = await settle(`/v1/gates/${id}`, async () => {
          await work();
          return null;
        });
        // What a step returns is kept as JSON; ours is JSON by construction.
        return outcome as never;
      });

    const beat = async () => {
      if (!(await touchGate(this.env.CATALOG, { id, attempt }, now().toISOString()))) throw new Superseded();
    };

    let outcome = await run("probe", async () => {
      const { state, question } = await requireGate(this.env.CATALOG, id);
      if (state !== "pending") return;
      await beat();
      await awaitParentsProbe(this.env, question, beat, now);
    });
    if (outcome.kind === "done") {
      outcome = await run("decide", async () => {
        const gate = await requireGate(this.env.CATALOG, id);
        if (gate.state !== "pending") return;
        await beat();
        const probe = await awaitParentsProbe(this.env, gate.question, beat, now);
        await decideGate(this.env, gate, { probe, beat }, now);
      });
    }
    if (outcome.kind === "refused") {
      const { detail } = outcome.problem;
      outcome = await run("refuse", async () => {
        await beat();
        await refuseUnmeasured(this.env, id, detail, now);
      });
    }
    if (outcome.kind !== "done") return outcome;
    return run("aliases", async () => {
      const { question } = await requireGate(this.env.CATALOG, id);
      await carryOutOrders(this.env, question.model, now);
    });
  }
}
