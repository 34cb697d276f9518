import type { ProbeQuestion } from "../../shared/api/probes.ts";
import { digestOfValue, type ProbeId } from "../../shared/identity.ts";
import type { ShardDescription } from "../../shared/api/datasets.ts";
import { requireDataset } from "../catalog/datasets.ts";
import { findShards } from "../catalog/shards.ts";
import { type Endpoint, findEndpoint } from "./endpoints.ts";

/** A question with every name resolved: it can only ever have one answer. */
export interface ResolvedQuestion {
  readonly id: ProbeId;
  readonly a: Endpoint;
  readonly b: Endpoint;
  readonly shards: readonly ShardDescription[];
  readonly points: number;
}

/**
 * Looks up what a question names. Its id covers models, shards and points: the name of a dataset may come to mean a
 * later version, and the batch size changes no result.
 * @throws Problem `checkpoint-not-found`, `dataset-not-found`, `shard-not-found`
 */
export async function resolveQuestion(catalog: D1Database, question: ProbeQuestion): Promise<ResolvedQuestion> {
  const [a, b] = await Promise.all([findEndpoint(catalog, question.a), findEndpoint(catalog, question.b)]);
  const ids =
    question.dataset === undefined
      ? (question.shards ?? [])
      : (await requireDataset(catalog, question.dataset, question.version)).shards;
  const shards = await findShards(catalog, ids);
  const { points } = question;
  const id = digestOfValue({ a: a.id, b: b.id, shards: ids, points }) as ProbeId;
  return { id, a, b, shards, points };
}
