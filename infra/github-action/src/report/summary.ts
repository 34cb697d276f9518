import { MOST_SUMMARY_BYTES } from "../command-files.ts";
import { fit } from "./fit.ts";
import { type ReportFacts, reportOf } from "./report.ts";

/** Other steps of the job write summaries too, but each has a limit of its own. */
const MARGIN = 1024;

/** The report for the page of the run. */
export function summaryOf(facts: ReportFacts): string {
  return fit(reportOf(facts), MOST_SUMMARY_BYTES - MARGIN, (text) => Buffer.byteLength(text));
}
