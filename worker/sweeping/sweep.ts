import { type SweepFinding, type SweepReport, sweepRequest, type SweepRequest } from "../../shared/api/listing.ts";
import type { Environment } from "../environment.ts";
import { PHASES } from "./phases.ts";

/** What a phase is told, and tells. */
export interface Sweep {
  readonly environment: Pick<Environment, "BUCKET" | "CATALOG">;
  readonly dryRun: boolean;
  readonly at: Date;
  /** RFC 3339: what is younger is left alone. */
  readonly before: string;
  report(finding: SweepFinding): void;
}

/** One page of one kind of thing. @returns where the next page begins; undefined where there is none */
export type Phase = (sweep: Sweep, after: string) => Promise<string | undefined>;

/** A Worker's request may make 1000 calls to R2 and D1; a page makes some dozens. */
const MOST_PAGES = 12;
const MOST_FINDINGS = 500;

/**
 * Looks for what nothing reaches, page by page, and mends it unless it is a dry run. Nothing that someone may be about to
 * enter is touched: only what is older than `minAgeSeconds`, and only if the catalog still does not know it at the moment
 * it goes.
 * @returns what was found, and where to go on
 */
export async function sweep(
  environment: Pick<Environment, "BUCKET" | "CATALOG">,
  request: SweepRequest,
  at: Date,
): Promise<SweepReport> {
  const { dryRun, minAgeSeconds, cursor = "0." } = sweepRequest.parse(request);
  const findings: SweepFinding[] = [];
  const before = new Date(at.getTime() - minAgeSeconds * 1000).toISOString();
  const context: Sweep = { environment, dryRun, at, before, report: (finding) => findings.push(finding) };
  let phase = Number.parseInt(cursor, 10);
  let after = cursor.slice(cursor.indexOf(".") + 1);
  for (let page = 0; page < MOST_PAGES && findings.length < MOST_FINDINGS; page++) {
    const run = PHASES[phase];
    if (run === undefined) break;
    const next = await run(context, after);
    if (next === undefined) phase++;
    after = next ?? "";
  }
  return {
    dryRun,
    findings,
    bytes: findings.reduce((sum, { kind, bytes = 0 }) => sum + (kind === "orphan-object" ? bytes : 0), 0),
    next: phase < PHASES.length ? `${phase}.${after}` : null,
  };
}

/** What a schedule may do by itself: end the uploads that expired. */
export async function sweepUploads(
  environment: Pick<Environment, "BUCKET" | "CATALOG">,
  at: Date,
): Promise<SweepReport> {
  const findings: SweepFinding[] = [];
  const context: Sweep = {
    environment,
    dryRun: false,
    at,
    before: at.toISOString(),
    report: (finding) => findings.push(finding),
  };
  const [expired] = PHASES;
  let after: string | undefined = "";
  for (let page = 0; page < MOST_PAGES && after !== undefined; page++) after = await expired(context, after);
  return { dryRun: false, findings, bytes: 0, next: after === undefined ? null : `0.${after}` };
}
