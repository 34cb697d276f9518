import type { GateDescription } from "../../shared/api/gates.ts";
import { Problem } from "../../shared/problem.ts";
import type { GateRecord } from "../catalog/gates.ts";

/** A gate as the API shows it. */
export function describeGate(gate: Omit<GateRecord, "attempt" | "release" | "updatedAt">): GateDescription {
  const { id, question, state, probe, measured, reasons, createdAt, decidedAt } = gate;
  const { model, limits, dataset, version, statistics, calibration } = question;
  return {
    id,
    model,
    state,
    limits,
    dataset,
    version,
    statistics,
    ...(calibration === undefined ? {} : { calibration }),
    probe,
    measured,
    reasons: [...reasons],
    createdAt,
    decidedAt,
    links: {
      self: `/v1/gates/${id}`,
      fusion: `/v1/fusions/${model}`,
      probe: probe === null ? null : `/v1/probes/${probe}`,
    },
  };
}

/** The answer to whoever wanted a model published that its gate refused: what was measured, and what is allowed. */
export function refusedByGate(gate: GateRecord): Problem {
  const { id, question, measured, reasons, probe } = gate;
  const { model, limits } = question;
  return new Problem("gate-refused", `The gate refused model ${model}. ${reasons.join(" ")}`, {
    gate: id,
    model,
    limits,
    measured,
    reasons,
    probe,
  });
}
