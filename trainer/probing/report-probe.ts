import type { GateLimits } from "../../shared/api/gates.ts";
import { badgeOfProbe, mainPictureOf, pictureOfProbe, type PictureOptions } from "../../shared/api/probe-pictures.ts";
import type { ProbeDescription } from "../../shared/api/probes.ts";
import { svgFile } from "../../shared/evaluation/pictures/index.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { judgeProbe, reportVerdict } from "./gate-verdict.ts";
import { probeText } from "./probe-text.ts";

/** What becomes of an answer. */
export interface ProbeOutput {
  /** SVG file for the picture. */
  readonly out: string | undefined;
  /** SVG file for the badge. */
  readonly badge: string | undefined;
  readonly measure: "accuracy" | "loss";
  readonly limits: GateLimits | undefined;
  /** What models are called, by their ids. */
  readonly names: ReadonlyMap<string, string>;
}

/**
 * Shows an answer, draws its pictures and judges it.
 * @throws Failure `gate-refused` where a limit does not hold; after everything else
 */
export async function reportProbe(probe: ProbeDescription, output: ProbeOutput, terminal: Terminal): Promise<void> {
  const { out, badge, measure, limits, names } = output;
  const verdict = limits === undefined ? undefined : judgeProbe(probe, limits);
  terminal.result(
    { event: "probe", ...probe, names: Object.fromEntries(names) },
    probeText(probe, (id) => names.get(id) ?? id),
  );
  if (out !== undefined) await write(out, pictureText(probe, { measure, nameOf: (id) => names.get(id) }));
  if (badge !== undefined) await write(badge, badgeOfProbe(probe, verdict?.state) ?? "");
  if (verdict !== undefined) reportVerdict(verdict, terminal);
}

/** Of pairs, where they were asked for, the matrix. */
function pictureText(probe: ProbeDescription, options: PictureOptions): string {
  const hasPairs = probe.kind === "mean" && probe.pairs !== undefined;
  const picture = pictureOfProbe(probe, hasPairs ? "matrix" : mainPictureOf(probe), options);
  if (picture === undefined) throw new RangeError(`a ${probe.kind} has no such picture`);
  return svgFile(picture);
}

const write = (path: string, text: string) => writeAtomically(path, new TextEncoder().encode(text));
