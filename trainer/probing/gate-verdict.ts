import type { GateLimits, GateMeasures } from "../../shared/api/gates.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import { gateMeasures, judgeGate } from "../../shared/evaluation/gate.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { Failure } from "../failure.ts";

/** What a gate says of models, or of a model. */
export interface Verdict {
  readonly state: "passed" | "refused";
  readonly limits: GateLimits;
  /** Null where the model cannot be evaluated. */
  readonly measured: GateMeasures | null;
  readonly reasons: readonly string[];
}

/**
 * Judges what a probe found, as a worker judges a fusion of the same models with equal weights.
 * @throws Failure `usage` for a plane, and for a path without its midpoint
 */
export function judgeProbe(probe: ProbeDescription, limits: GateLimits): Verdict {
  const measured = measuresOf(probe);
  return { limits, measured, ...judgeGate(measured, limits) };
}

function measuresOf(probe: ProbeDescription): GateMeasures {
  const { samples } = probe;
  switch (probe.kind) {
    case "path": {
      const { points, a, b, accuracyBarrier, lossBarrier } = probe;
      const [first, middle, last] = [points[0], points.find(({ alpha }) => alpha === 0.5), points.at(-1)];
      if (first === undefined || middle === undefined || last === undefined) {
        throw new Failure(
          "usage",
          "A gate judges the average too, which is at 0.5: ask for an odd number of --points.",
        );
      }
      const path = { accuracyBarrier, lossBarrier };
      const parents = [
        { ...first, id: a },
        { ...last, id: b },
      ];
      return gateMeasures({ path, parents, shares: [0.5, 0.5], model: middle, samples });
    }
    case "mean": {
      const parents = probe.members.map((member, index) => ({ ...member, id: probe.models[index] ?? "" }));
      const shares = parents.map(() => 1 / parents.length);
      return gateMeasures({ path: null, parents, shares, model: probe.mean, samples });
    }
    case "plane":
      throw new Failure("usage", "A plane has no barrier to judge: --gate goes with --kind path or mean.");
    default:
      return probe satisfies never;
  }
}

/** Shows a verdict. @throws Failure `gate-refused` where it is one against */
export function reportVerdict(
  verdict: Verdict & { readonly gate?: string; readonly model?: string },
  terminal: Terminal,
): void {
  const { state, limits, measured, reasons } = verdict;
  terminal.result({ event: "gate", ...verdict }, `gate ${state}${boundsText(limits, measured)}`);
  if (state === "refused") throw new Failure("gate-refused", `The gate refused. ${reasons.join(" ")}`);
}

/** `: accuracyBarrier 0.0012 of at most 0.02, lossBarrier 0.1 of at most 0.05`. */
function boundsText(limits: GateLimits, measured: GateMeasures | null): string {
  if (measured === null) return "";
  const bounds = (Object.keys(limits) as (keyof GateLimits)[]).flatMap((name) => {
    const limit = limits[name];
    return limit === undefined ? [] : [`${name} ${short(measured[name])} of at most ${short(limit.max)}`];
  });
  return `: ${bounds.join(", ")}`;
}

function short(value: number | null): string {
  return value === null ? "unknown" : String(Number(value.toPrecision(4)));
}
