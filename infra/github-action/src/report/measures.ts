import type { GateDescription } from "../../../../shared/api/gates.ts";
import type { JobDescription } from "../../../../shared/api/jobs.ts";
import type { ProbeDescription } from "../../../../shared/api/probe-answers.ts";

/** What is known of a model's quality; accuracies are fractions, losses nats. */
export interface Quality {
  readonly accuracy: number | null;
  readonly loss: number;
}

/** What was measured of a job's models, wherever it was found. */
export interface Measures {
  /** The fused model, or the mean. */
  readonly model: Quality | undefined;
  /** By id. */
  readonly members: ReadonlyMap<string, Quality>;
  readonly samples: number | undefined;
}

/** One of a gate's limits, and what was measured. */
export interface Check {
  readonly name: string;
  readonly unit: "accuracy" | "loss";
  /** null of a regression, and where the model cannot be evaluated. */
  readonly value: number | null;
  readonly most: number | undefined;
  readonly holds: boolean | undefined;
}

/** What the gate measured, else what the probe did. */
export function measuresOf({ result }: JobDescription, probe: ProbeDescription | undefined): Measures {
  const measured = result?.gate?.measured ?? null;
  if (measured !== null) {
    return {
      model: measured.model,
      members: new Map(measured.parents.map((parent) => [parent.id, parent])),
      samples: measured.samples,
    };
  }
  if (probe === undefined) return { model: undefined, members: new Map(), samples: undefined };
  return {
    model: probe.kind === "mean" ? probe.mean : undefined,
    members: membersOf(probe),
    samples: probe.samples,
  };
}

/** By id. The API's own function for this would bring every architecture into the bundle. */
function membersOf(probe: ProbeDescription): ReadonlyMap<string, Quality> {
  const [ids, qualities]: [readonly string[], readonly (Quality | undefined)[]] =
    probe.kind === "path"
      ? [
          [probe.a, probe.b],
          [probe.points.at(0), probe.points.at(-1)],
        ]
      : [probe.models, probe.members];
  const known = ids.map((id, index): [string, Quality | undefined] => [id, qualities[index]]);
  return new Map(known.filter((entry): entry is [string, Quality] => entry[1] !== undefined));
}

/** A gate's measures, those with a limit first. */
export function checksOf({ limits, measured }: GateDescription): Check[] {
  const check = (
    name: string,
    unit: Check["unit"],
    limit: { max: number } | undefined,
    value: number | null,
  ): Check => ({
    name,
    unit,
    value,
    most: limit?.max,
    // Nothing measured holds no limit.
    holds: limit === undefined ? undefined : value !== null && value <= limit.max,
  });
  const checks = [
    check("accuracy barrier", "accuracy", limits.accuracyBarrier, measured?.accuracyBarrier ?? null),
    check("loss barrier", "loss", limits.lossBarrier, measured?.lossBarrier ?? null),
    check("accuracy below the best member", "accuracy", limits.accuracyDrop, measured?.accuracyDrop ?? null),
  ];
  return [
    ...checks.filter(({ most }) => most !== undefined),
    ...checks.filter(({ most, value }) => most === undefined && value !== null),
  ];
}

/** The barriers that a probe found, which no limit bounds. */
export function barriersOf(probe: ProbeDescription | undefined): Check[] {
  if (probe === undefined || probe.kind === "plane") return [];
  const { accuracyBarrier, lossBarrier } = probe;
  const check = (name: string, unit: Check["unit"], value: number | null): Check => ({
    ...{ name, unit, value },
    ...{ most: undefined, holds: undefined },
  });
  const ofAccuracy = accuracyBarrier === null ? [] : [check("accuracy barrier", "accuracy", accuracyBarrier)];
  return [...ofAccuracy, check("loss barrier", "loss", lossBarrier)];
}

/** The best accuracy among members, and the lowest loss. */
export function bestOf(members: Iterable<Quality>): Quality | undefined {
  const all = [...members];
  if (all.length === 0) return undefined;
  const accuracies = all.map(({ accuracy }) => accuracy).filter((accuracy) => accuracy !== null);
  return {
    accuracy: accuracies.length === 0 ? null : Math.max(...accuracies),
    loss: Math.min(...all.map(({ loss }) => loss)),
  };
}
