/** Prints the last test run's count, `N passed, N failed`, from the report that `npm test` writes under CI. */
import { readFile } from "node:fs/promises";

const report = JSON.parse(await readFile(".edgefuse/test-results.json", "utf8")) as {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numFailedTestSuites: number;
};
// A file that fails to load runs no test; it must not count as nothing.
const failed = Math.max(report.numFailedTests, report.numFailedTestSuites > 0 ? 1 : 0);
const skipped = report.numPendingTests > 0 ? `, ${report.numPendingTests} skipped` : "";
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed${skipped}\n`);
