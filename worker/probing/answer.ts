import { type PathReport, LinearPath, probeShard, reportPath } from "../../shared/evaluation/probe.ts";
import { alphaGrid } from "../../shared/evaluation/barrier.ts";
import type { EvaluationSums } from "../../shared/evaluation/evaluate.ts";
import { decodeShard } from "../../shared/evaluation/shard.ts";
import { Problem } from "../../shared/problem.ts";
import type { Engine } from "../engine/engine.ts";
import type { Environment } from "../environment.ts";
import { shardKey } from "../objects/keys.ts";
import { commonArchitecture, loadEndpoint } from "./endpoints.ts";
import type { ResolvedQuestion } from "./question.ts";

/**
 * Bytes a probe needs at its peak: the files while they are decoded, both ends as float32 in JavaScript and in the tfjs
 * heap, the model on the path and one temporary, and one shard with its decoded copy.
 */
function peakBytes({ a, b, shards }: ResolvedQuestion): number {
  const model = Math.max(a.bytes, b.bytes);
  const shard = Math.max(...shards.map(({ bytes }) => bytes));
  return 8 * model + 2 * shard;
}

/**
 * Evaluates the grid on every shard. Holds one shard at a time. Must run in the engine's turn: it keeps tfjs models
 * alive between reads.
 * @throws Problem `too-large-for-isolate`, `over-budget`, `incompatible-inputs`, `incompatible-weights`,
 *   `incompatible-dataset`, `unknown-architecture`, `unsupported-dtype`, `non-finite-values`
 */
export async function answerQuestion(
  bindings: Pick<Environment, "BUCKET" | "CATALOG">,
  { budget }: Engine,
  question: ResolvedQuestion,
  batch: number | undefined,
): Promise<PathReport> {
  const needed = peakBytes(question);
  if (needed > budget.limitBytes) {
    throw new Problem(
      "too-large-for-isolate",
      `The probe needs about ${needed} bytes; an isolate has ${budget.limitBytes} for it.`,
      { neededBytes: needed, limitBytes: budget.limitBytes },
    );
  }
  const lease = budget.take(needed);
  try {
    const path = await loadPath(bindings, question);
    try {
      const alphas = alphaGrid(question.points);
      const sums: EvaluationSums[][] = [];
      for (const { id } of question.shards) {
        const object = await bindings.BUCKET.get(shardKey(id));
        if (object === null) throw new Problem("shard-not-found", `The bucket has lost shard ${id}.`, { shard: id });
        const shard = decodeShard(new Uint8Array(await object.arrayBuffer()));
        sums.push(probeShard(path, shard, alphas, batch));
      }
      return reportPath(alphas, sums);
    } finally {
      path.dispose();
    }
  } finally {
    lease.release();
  }
}

async function loadPath(
  bindings: Pick<Environment, "BUCKET" | "CATALOG">,
  { a, b }: ResolvedQuestion,
): Promise<LinearPath> {
  const [from, to] = [await loadEndpoint(bindings, a), await loadEndpoint(bindings, b)];
  return new LinearPath(commonArchitecture(from, to), from.weights, to.weights);
}
