import type { ProbeDescription } from "../../shared/api/probes.ts";
import { Problem } from "../../shared/problem.ts";
import type { GateQuestion } from "../catalog/gates.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { lookAtProbe, startProbe } from "../probing/background.ts";
import { resolveQuestion } from "../probing/question.ts";
import { findProbe } from "../probing/store.ts";
import { isAboutModels } from "./decide.ts";
import { parentsQuestion } from "./measure.ts";

/** Between two looks; a look costs requests, of which an invocation has a thousand or so. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/** Beats between two looks of someone who takes a silent attempt for dead. */
const BEATS_IN_STALL = 4;

/**
 * Has the parents of a gate's model probed by the probe's own Workflow, and waits for the answer.
 * @param beat shows that someone waits; called between two looks. What it throws ends the waiting
 * @returns the probe; why the parents cannot be probed; undefined where no probe takes them
 * @throws Problem for what has nothing to do with the models
 */
export async function awaitParentsProbe(
  environment: Environment,
  gate: GateQuestion,
  beat: () => Promise<void>,
  now: () => Date,
): Promise<ProbeDescription | Problem | undefined> {
  const asked = parentsQuestion(gate);
  if (asked === undefined) return undefined;
  const question = await resolveQuestion(environment.CATALOG, asked);
  const known = await findProbe(environment.BUCKET, question.id);
  if (known !== undefined) return known;
  await startProbe(environment, question, now);
  const longest = Math.min(LONGEST_PAUSE_MS, (limitsOf(environment).stallSeconds * 1000) / BEATS_IN_STALL);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, longest)) {
    const state = await lookAtProbe(environment, question.id, now);
    if (state === undefined) throw new Problem("internal", `The probe ${question.id} got lost.`);
    if (state.kind === "answered") return state.probe;
    if (state.kind === "failed") {
      if (isAboutModels(state.problem)) return state.problem;
      throw state.problem;
    }
    await beat();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
