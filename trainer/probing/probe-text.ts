import type { MeasuredPoint } from "../../shared/api/probe-answers.ts";
import type { MeanProbe, PathProbe, PlaneProbe, ProbeDescription } from "../../shared/api/probes.ts";
import { straightLine } from "../../shared/evaluation/barrier.ts";
import { count, percent, points, sizeInWords, threeDigits } from "../../shared/evaluation/pictures/words.ts";
import { tableLines } from "../command-line/table.ts";

/** What a model is called, by its id. */
export type NameOf = (id: string) => string;

/** A probe for people: a line for each point or model, then what it comes to. */
export function probeText(probe: ProbeDescription, nameOf: NameOf): string {
  switch (probe.kind) {
    case "path":
      return pathText(probe, nameOf);
    case "mean":
      return meanText(probe, nameOf);
    case "plane":
      return planeText(probe, nameOf);
    default:
      return probe satisfies never;
  }
}

function pathText(probe: PathProbe, nameOf: NameOf): string {
  const { points: path, a, b } = probe;
  const [first, last] = [path[0], path.at(-1)];
  const rows = path.map((point) => [
    String(Number(point.alpha.toFixed(4))),
    ...cellsOf(point),
    point === first ? nameOf(a) : point === last ? nameOf(b) : belowLine(point, first, last),
  ]);
  return [...table("alpha", probe, rows), "", `${barrierText(probe)}; ${aboutText(probe)}`].join("\n");
}

/** How far a point lies below the straight line between the ends; above it, nothing is said. */
function belowLine(
  { alpha, loss, accuracy }: PathProbe["points"][number],
  first: MeasuredPoint | undefined,
  last: MeasuredPoint | undefined,
): string {
  if (first === undefined || last === undefined) return "";
  if (accuracy === null) {
    const above = loss - straightLine(first.loss, last.loss, alpha);
    return above > 0 ? `${threeDigits(above)} above the line` : "";
  }
  const below = straightLine(first.accuracy ?? Number.NaN, last.accuracy ?? Number.NaN, alpha) - accuracy;
  return below >= 0.0005 ? `${points(below)} points below the line` : "";
}

function meanText(probe: MeanProbe, nameOf: NameOf): string {
  const rows = probe.members.map((member, index) => [
    String(index + 1),
    ...cellsOf(member),
    nameOf(probe.models[index] ?? ""),
  ]);
  rows.push(["mean", ...cellsOf(probe.mean), `of ${probe.models.length}`]);
  const pairs = (probe.pairs ?? []).map(
    (pair) => `${pair.a + 1} and ${pair.b + 1}: ${barrierText({ ...pair, task: probe.task })}`,
  );
  return [...table("model", probe, rows), ...pairs, "", `${barrierText(probe)}; ${aboutText(probe)}`].join("\n");
}

function planeText(probe: PlaneProbe, nameOf: NameOf): string {
  const rows = probe.members.map((member, index) => [
    "abc"[index] ?? "",
    ...cellsOf(member),
    nameOf(probe.models[index] ?? ""),
  ]);
  const losses = probe.loss.flat();
  const best = losses.indexOf(Math.min(...losses));
  const [row, column] = [Math.floor(best / probe.u.length), best % probe.u.length];
  const at = `u ${short(probe.u[column])}, v ${short(probe.v[row])}`;
  const accuracy = probe.accuracy?.[row]?.[column];
  const least = `${threeDigits(losses[best] ?? Number.NaN)}${accuracy === undefined ? "" : `, accuracy ${percent(accuracy)}`}`;
  const size = `${probe.u.length} x ${probe.v.length} points`;
  return [
    ...table("model", probe, rows),
    "",
    `least loss of the plane ${least} at ${at}; ${size}, ${aboutText(probe)}`,
  ].join("\n");
}

function table(heading: string, { task }: ProbeDescription, rows: readonly string[][]): string[] {
  const measures = task === "regression" ? ["squared error"] : ["accuracy", "loss"];
  const align = ["left", ...measures.map(() => "right"), "left"] as const;
  return tableLines([[heading, ...measures], ...rows], align as readonly ("left" | "right")[]);
}

function cellsOf({ accuracy, loss }: Pick<MeasuredPoint, "accuracy" | "loss">): string[] {
  return accuracy === null ? [threeDigits(loss)] : [`${(100 * accuracy).toFixed(2)} %`, loss.toFixed(4)];
}

interface Barriers extends Pick<PathProbe, "lossBarrier" | "accuracyBarrier" | "accuracyGap" | "task"> {
  readonly lossBarrierAlpha?: number | undefined;
  readonly accuracyBarrierAlpha?: number | null | undefined;
}

/** `accuracy barrier 16.9 points at 0.5 (95 %: 15.2 to 18.6), loss barrier 0.384 nats at 0.5`. */
function barrierText(found: Barriers): string {
  const { task, lossBarrier, lossBarrierAlpha, accuracyBarrier, accuracyBarrierAlpha, accuracyGap } = found;
  const loss = `loss barrier ${sizeInWords(task === "regression" ? "squared-error" : "loss", lossBarrier)}${atText(lossBarrierAlpha)}`;
  if (accuracyBarrier === null) return loss;
  const interval = accuracyGap ? ` (95 %: ${points(accuracyGap.low)} to ${points(accuracyGap.high)})` : "";
  return `accuracy barrier ${sizeInWords("accuracy", accuracyBarrier)}${atText(accuracyBarrierAlpha)}${interval}, ${loss}`;
}

/** Where a barrier is, if it is somewhere: at an end there is none. */
function atText(alpha: number | null | undefined): string {
  return alpha === null || alpha === undefined || alpha === 0 ? "" : ` at ${short(alpha)}`;
}

function aboutText({ samples, shards, statistics }: ProbeDescription): string {
  const parts = [`${count(samples)} samples`, ...(shards.length > 1 ? [`in ${shards.length} shards`] : [])];
  return `${parts.join(" ")}${statistics === "recomputed" ? ", statistics recomputed" : ""}`;
}

const short = (value: number | undefined) => String(Number((value ?? Number.NaN).toFixed(4)));
