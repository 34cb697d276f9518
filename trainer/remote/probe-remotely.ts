import { basename } from "node:path";
import type { ProbeDescription } from "../../shared/api/index.ts";
import type { CommandContext } from "../command-line/command.ts";
import { ProgressBar } from "../command-line/progress-bar.ts";
import { ByteProgress } from "../fusing/byte-progress.ts";
import type { EvaluationValues } from "../probing/evaluation-values.ts";
import { type ProbeOptions, probeRequest } from "../probing/probe-request.ts";
import { workerOf } from "./connect.ts";
import { evaluationFacts } from "./evaluation-facts.ts";
import { InputResolver, readInput } from "./resolve-inputs.ts";

/**
 * Has a worker answer a question, and waits for it. Files of this machine are uploaded first, unless the worker has them.
 * @param given models: files, ids, aliases
 * @returns the answer, and what its models were called
 * @throws Failure
 */
export async function probeRemotely(
  given: readonly string[],
  values: EvaluationValues & ProbeOptions,
  context: CommandContext,
): Promise<{ readonly answer: ProbeDescription; readonly names: ReadonlyMap<string, string> }> {
  const { terminal, signal } = context;
  const worker = workerOf(context);
  const inputs = await Promise.all(given.map(readInput));
  const bytes = new ByteProgress(terminal, () => performance.now());
  const resolver = new InputResolver(worker, context, bytes);
  const ids: string[] = [];
  const names = new Map<string, string>();
  for (const input of inputs) {
    const id = await resolver.find(input);
    ids.push(id);
    names.set(
      id,
      input.kind === "local" ? basename(input.path) : input.reference.kind === "id" ? id.slice(0, 12) : input.text,
    );
  }
  const question = probeRequest(values, ids, await evaluationFacts(worker, values, bytes));
  const progress = new ProgressBar(terminal, () => performance.now());
  let done = 0;
  try {
    const answer = await worker.ask("probe", () =>
      worker.client.probes.create(question, ({ progress: { shardsDone, shards } }) => {
        if (done === 0) progress.begin("probing, shards", shards);
        progress.advance(shardsDone - done);
        done = shardsDone;
      }),
    );
    progress.end();
    return { answer, names };
  } catch (error) {
    if (signal.aborted) terminal.note("The worker goes on with it; the same command waits for it again.");
    throw error;
  }
}
