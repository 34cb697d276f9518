import type { ProbeDescription } from "../../shared/api/probes.ts";
import type { Problem } from "../../shared/problem.ts";
import type { GateQuestion, GateRecord } from "../catalog/gates.ts";
import type { Environment } from "../environment.ts";
import { answerInline } from "../probing/answer-inline.ts";
import { startGate } from "./background.ts";
import { decideGate, isAboutModels } from "./decide.ts";
import { isLittleToEvaluate, parentsQuestion } from "./measure.ts";

type Probed =
  | { readonly kind: "answered"; readonly probe: ProbeDescription | undefined }
  | { readonly kind: "too-much" };

/**
 * Probes a model's parents within the request, if that is little work: the probe is stored like any other.
 * @throws Problem why they cannot be evaluated
 */
export async function probeParentsNow(environment: Environment, gate: GateQuestion, now: () => Date): Promise<Probed> {
  const question = parentsQuestion(gate);
  // Of one parent there is nothing to probe; more than a probe takes are evaluated one by one, which takes its time.
  if (question === undefined) {
    return gate.parents.length === 1 ? { kind: "answered", probe: undefined } : { kind: "too-much" };
  }
  const probe = await answerInline(environment, question, now);
  return probe === undefined ? { kind: "too-much" } : { kind: "answered", probe };
}

/** Decides a gate of a stored model within the request; where that is too much work, a Workflow does. */
export async function decideNow(environment: Environment, gate: GateRecord, now: () => Date): Promise<GateRecord> {
  let probe: ProbeDescription | Problem | undefined;
  try {
    const isLittle = await mayEvaluateNow(environment, gate.question);
    const probed: Probed = isLittle ? await probeParentsNow(environment, gate.question, now) : { kind: "too-much" };
    if (probed.kind === "too-much") {
      await startGate(environment, gate, now);
      return gate;
    }
    probe = probed.probe;
  } catch (error) {
    if (!isAboutModels(error)) throw error;
    probe = error;
  }
  return decideGate(environment, gate, { probe }, now);
}

/** What cannot be evaluated takes no time: deciding finds out why. */
async function mayEvaluateNow(environment: Environment, gate: GateQuestion): Promise<boolean> {
  try {
    return await isLittleToEvaluate(environment, gate);
  } catch (error) {
    if (isAboutModels(error)) return true;
    throw error;
  }
}
