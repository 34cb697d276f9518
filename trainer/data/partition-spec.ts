import { labelsPerSample, type Shard } from "../../shared/evaluation/shard.ts";
import { Failure } from "../failure.ts";
import { dirichletPartition, iidPartition, labelPartition, type Part } from "./partition.ts";

/** How the training samples are divided among the members of a family. */
export type PartitionSpec =
  | { readonly scheme: "iid" }
  | { readonly scheme: "dirichlet"; readonly alpha: number }
  | { readonly scheme: "labels"; readonly labelsPerPart: number };

/** What {@link parsePartition} takes, for messages. */
export const PARTITION_FORMS = "iid, dirichlet:ALPHA with ALPHA above 0, or labels:COUNT with COUNT from 1";

/**
 * Parses `iid`, `dirichlet:0.5` or `labels:2`.
 * @throws Error saying what is expected
 */
export function parsePartition(text: string): PartitionSpec {
  if (text === "iid") return { scheme: "iid" };
  const match = /^(dirichlet|labels):(.+)$/.exec(text);
  const [, scheme, argument = ""] = match ?? [];
  const value = Number(argument);
  if (scheme === "labels" && /^\d{1,9}$/.test(argument) && value >= 1) return { scheme, labelsPerPart: value };
  const isNumber = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(argument);
  if (scheme === "dirichlet" && isNumber && value > 0 && Number.isFinite(value)) return { scheme, alpha: value };
  throw new Error(PARTITION_FORMS);
}

/** The text that {@link parsePartition} reads, in one form for equal specifications. */
export function describePartition(spec: PartitionSpec): string {
  switch (spec.scheme) {
    case "iid":
      return "iid";
    case "dirichlet":
      return `dirichlet:${spec.alpha}`;
    case "labels":
      return `labels:${spec.labelsPerPart}`;
  }
}

/**
 * Divides a split among members, one part each.
 * @param seed 64 bits
 * @throws Failure `usage` where it cannot be divided so; a sequence of labels a sample allows `iid` only
 */
export function partitionSplit(
  split: Pick<Shard, "y" | "count">,
  classes: number,
  spec: PartitionSpec,
  parts: number,
  seed: bigint,
): Part[] {
  if (spec.scheme === "iid") return iidPartition(split.count, parts, seed);
  if (labelsPerSample(split) !== 1) {
    throw new Failure(
      "usage",
      `${describePartition(spec)} divides by the class of a sample, and these samples have ${labelsPerSample(split)} labels each; use iid.`,
    );
  }
  switch (spec.scheme) {
    case "dirichlet":
      return dirichletPartition(split.y, classes, parts, spec.alpha, seed);
    case "labels":
      return labelPartition(split.y, classes, parts, spec.labelsPerPart, seed);
  }
}
