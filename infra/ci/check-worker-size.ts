/** Exits with 1 where the worker's bundle or its start-up CPU time is over budget; prints both. */
import { describeSize, measureWorker, overBudget } from "../deploy/budgets.ts";
import { runWrangler } from "../deploy/wrangler.ts";

const size = await measureWorker(runWrangler);
process.stdout.write(`${describeSize(size)}\n`);
for (const excess of overBudget(size)) {
  process.stderr.write(`${excess}\n`);
  process.exitCode = 1;
}
