import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep, type WorkflowStepConfig } from "cloudflare:workers";
import type { Environment, GateParameters } from "../environment.ts";
import { requireGate } from "../catalog/gates.ts";
import { carryOutOrders } from "../gating/carry-out.ts";
import { decideGate } from "../gating/decide.ts";
import { awaitParentsProbe } from "../gating/parents-probe.ts";
import { type Outcome, settle } from "./outcome.ts";

/** Over budget passes when other work ends; a platform's hiccup sooner. */
const PATIENT: WorkflowStepConfig = {
  retries: { limit: 8, delay: "1 second", backoff: "exponential" },
  timeout: "30 minutes",
};

/**
 * Decides a gate that is too much work for a request: the parents' probe, answered by its own Workflow, shard by shard;
 * then the model, the verdict, and what hangs on it. Every step may run again; a verdict that is there stays.
 */
export class GateWorkflow extends WorkflowEntrypoint<Environment, GateParameters> {
  override async run(
    { payload: { id } }: Readonly<WorkflowEvent<GateParameters>>,
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

    const probed = await run("probe", async () => {
      const { state, question } = await requireGate(this.env.CATALOG, id);
      if (state === "pending") await awaitParentsProbe(this.env, { id, question }, now);
    });
    if (probed.kind !== "done") return probed;
    const decided = await run("decide", async () => {
      const gate = await requireGate(this.env.CATALOG, id);
      if (gate.state === "pending") {
        await decideGate(this.env, gate, await awaitParentsProbe(this.env, gate, now), now);
      }
    });
    if (decided.kind !== "done") return decided;
    return run("aliases", async () => {
      const { question } = await requireGate(this.env.CATALOG, id);
      await carryOutOrders(this.env, question.model, now);
    });
  }
}
