import type { JobDescription, JobResult, JobSummary } from "../../shared/api/jobs.ts";
import type { GateDescription } from "../../shared/api/gates.ts";
import type { DatasetName, GateId, ModelId, ProbeId, CheckpointId } from "../../shared/identity.ts";
import type { AliasName } from "../../shared/api/aliases.ts";
import { jobId } from "../../shared/jobs/job-id.ts";
import { jobSpec } from "../../shared/jobs/spec.ts";

/** Jobs as a deployment describes them, made up. */

const BEGUN = Date.parse("2026-11-23T10:00:00Z");
const at = (seconds: number) => new Date(BEGUN + 1000 * seconds).toISOString();
const digest = (digit: string) => digit.repeat(64);

export const PARENT = jobId.parse("01K0000000000000000000000P");
const childId = (member: number) => jobId.parse(`01K00000000000000000000C0${member}`);

export const SPEC = jobSpec.parse({
  version: 1,
  kind: "pipeline",
  train: { models: 4, epochs: 1 },
  dataset: "glyphs",
  gate: { accuracyBarrier: { max: 0.02 }, accuracyDrop: { max: 0.01 } },
  alias: "digits",
});

export const MEMBERS = ["a", "b", "c", "d"].map((digit) => digest(digit) as CheckpointId);
export const MODEL = digest("5") as ModelId;
export const PROBE = digest("9") as ProbeId;

const ACCURACIES = [0.9725, 0.97, 0.9688, 0.9713];

/** @param state of all four members, or of each */
export function pipeline(
  facts: Partial<JobDescription> = {},
  states: readonly Partial<JobSummary>[] = [],
): JobDescription {
  const summary: JobSummary = {
    id: PARENT,
    kind: "pipeline",
    state: "running",
    reason: null,
    exitCode: null,
    message: null,
    cancelRequested: false,
    attempt: 1,
    failures: 0,
    agent: null,
    parent: null,
    member: null,
    labels: {},
    commit: null,
    specDigest: digest("e"),
    progress: null,
    logBytes: 0,
    createdAt: at(0),
    createdBy: "oidc:owner/name:refs/heads/main",
    startedAt: at(0),
    finishedAt: null,
  };
  const children = [1, 2, 3, 4].map((member): JobSummary => ({
    ...summary,
    id: childId(member),
    kind: "train",
    state: "queued",
    attempt: 0,
    parent: PARENT,
    member,
    startedAt: null,
    ...states[member - 1],
  }));
  return {
    ...summary,
    spec: SPEC,
    outputs: [],
    files: [],
    result: null,
    children,
    callback: null,
    queue: null,
    links: {
      self: `/v1/jobs/${PARENT}`,
      log: `/v1/jobs/${PARENT}/log`,
      events: `/v1/jobs/${PARENT}/events`,
      parent: null,
    },
    ...facts,
  };
}

/** A member that was trained. */
export const trained = (member: number): Partial<JobSummary> => ({
  state: "succeeded",
  reason: "done",
  exitCode: 0,
  attempt: member === 3 ? 2 : 1,
  agent: `box-${1 + (member % 2)}`,
  startedAt: at(2 + member),
  finishedAt: at(60 * member + 7),
});

export const ALL_TRAINED = [1, 2, 3, 4].map(trained);

export function gateOf(state: "passed" | "refused"): GateDescription {
  const accuracyBarrier = state === "passed" ? 0.0042 : 0.2613;
  return {
    id: digest("6") as GateId,
    model: MODEL,
    state,
    limits: { accuracyBarrier: { max: 0.02 }, accuracyDrop: { max: 0.01 } },
    dataset: "glyphs" as DatasetName,
    version: 3,
    statistics: "interpolated",
    probe: PROBE,
    measured: {
      accuracyBarrier,
      lossBarrier: state === "passed" ? 0.0123 : 1.5,
      accuracyDrop: state === "passed" ? -0.0025 : 0.27,
      path: null,
      model: { accuracy: state === "passed" ? 0.975 : 0.7025, loss: 0.0911, accuracyBarrier, lossBarrier: 0.0123 },
      parents: MEMBERS.map((id, index) => ({ id, accuracy: ACCURACIES[index] ?? 0, loss: 0.1 + index / 100 })),
      samples: 800,
    },
    reasons: state === "passed" ? [] : ["The accuracy barrier is 26.13 points, and 2.00 are allowed."],
    createdAt: at(250),
    decidedAt: at(255),
    links: { self: "/v1/gates/6", fusion: "/v1/fusions/5", probe: "/v1/probes/9" },
  };
}

const NOTHING: JobResult = { members: [], model: null, probe: null, gate: null, alias: null, problem: null };

export const PASSED = pipeline(
  {
    state: "succeeded",
    reason: "done",
    finishedAt: at(261),
    result: {
      ...NOTHING,
      members: MEMBERS,
      model: MODEL,
      probe: PROBE,
      gate: gateOf("passed"),
      alias: { name: "digits" as AliasName, version: 3, model: MODEL },
    },
  },
  ALL_TRAINED,
);

export const REFUSED = pipeline(
  {
    state: "failed",
    reason: "gate-refused",
    message: "The gate refused the model: the accuracy barrier is 26.13 points, and 2.00 are allowed.",
    finishedAt: at(261),
    result: { ...NOTHING, members: MEMBERS, model: MODEL, probe: PROBE, gate: gateOf("refused") },
  },
  ALL_TRAINED,
);

export const DIVERGED = pipeline(
  {
    state: "failed",
    reason: "diverged",
    exitCode: 6,
    message: "Member 2 failed: training diverged at step 12 | loss NaN, said @somebody in <b>#12</b>.",
    finishedAt: at(70),
    result: NOTHING,
  },
  [
    trained(1),
    { ...trained(2), state: "failed", reason: "diverged", exitCode: 6 },
    { state: "cancelled", reason: "parent-ended" },
    { state: "cancelled", reason: "parent-ended" },
  ],
);

export const CANCELLED = pipeline({ state: "cancelled", reason: "cancelled", finishedAt: at(30) }, [
  trained(1),
  ...[2, 3, 4].map((): Partial<JobSummary> => ({ state: "cancelled", reason: "parent-ended" })),
]);
