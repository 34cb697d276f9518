import { createHash } from "node:crypto";
import { canonicalScope, type MaskScope } from "../../shared/alignment/mask-plan.ts";
import { encodeShard, type Shard } from "../../shared/evaluation/shard.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import { canonicalJson } from "../../shared/recipe/canonical-json.ts";
import type { Augmentation } from "../data/augmentation.ts";
import type { Dataset } from "../data/dataset.ts";
import { sha256Hex } from "../storage/bytes-at-once.ts";
import type { MemberTask } from "./member-task.ts";
import type { Regime } from "./regime.ts";

/** SHA-256 of each split as one shard file (`encodeShard`): the id it would have in a worker. */
export interface DataDigests {
  readonly train: string;
  readonly validation: string;
}

/** All that decides the bytes of a trained model, as plain JSON: equal descriptions give equal files on one machine. */
export interface TaskDescription {
  readonly architecture: Architecture;
  readonly dataset: string;
  readonly data: DataDigests;
  /** Training samples the member sees. */
  readonly samples: number;
  /** SHA-256 of their indices (little-endian uint32), where they are a part of the split. */
  readonly subset?: string;
  /** 64-bit seeds in decimal: JSON numbers cannot hold them. */
  readonly seeds: { readonly initialization: string; readonly order: string; readonly mask: string };
  readonly mask: { readonly fixedRatio: number; readonly scope: MaskScope; readonly frozen: "initial" | "zero" };
  readonly member: number;
  readonly regime: Regime;
  readonly augmentation: Augmentation;
  readonly backend: "wasm" | "webgpu";
}

const digested = new WeakMap<Shard, string>();

/** The digests of a dataset's splits; computed once a split. */
export function dataDigests({ train, validation }: Dataset): DataDigests {
  return { train: splitDigest(train), validation: splitDigest(validation) };
}

function splitDigest(split: Shard): string {
  const known = digested.get(split);
  if (known !== undefined) return known;
  const digest = sha256Hex(encodeShard(split));
  digested.set(split, digest);
  return digest;
}

export function describeTask(
  task: MemberTask,
  data: DataDigests,
  backend: TaskDescription["backend"],
): TaskDescription {
  const { architecture, dataset, seed, orderSeed, mask, member, regime, augmentation, samples } = task;
  return {
    architecture,
    dataset: dataset.name,
    data,
    samples: samples?.length ?? dataset.train.count,
    ...(samples === undefined ? {} : { subset: subsetDigest(samples) }),
    seeds: { initialization: String(seed), order: String(orderSeed), mask: String(mask.seed) },
    mask: { fixedRatio: mask.fixedRatio, scope: canonicalScope(mask.scope), frozen: mask.frozenValue },
    member,
    regime,
    augmentation,
    backend,
  };
}

/** SHA-256 of the canonical JSON (RFC 8785) of a description: the name of the task. */
export function taskDigest(description: TaskDescription): string {
  return createHash("sha256").update(canonicalJson(description)).digest("hex");
}

/**
 * Where two descriptions differ, for people: `regime.learningRate is 0.05, was 0.1`.
 * @param before what was read from a file, of whatever form
 */
export function taskDifferences(before: unknown, now: object): string[] {
  const [old, fresh] = [leaves(before), leaves(now)];
  const paths = [...new Set([...fresh.keys(), ...old.keys()])];
  return paths
    .filter((path) => old.get(path) !== fresh.get(path))
    .map((path) => `${path} is ${fresh.get(path) ?? "not given"}, was ${old.get(path) ?? "not given"}`);
}

function leaves(value: unknown, path = "", found = new Map<string, string>()): Map<string, string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, member] of Object.entries(value)) leaves(member, path === "" ? key : `${path}.${key}`, found);
  } else if (value !== undefined) {
    found.set(path, JSON.stringify(value));
  }
  return found;
}

function subsetDigest(samples: Uint32Array<ArrayBuffer>): string {
  const bytes = new DataView(new ArrayBuffer(4 * samples.length));
  samples.forEach((sample, index) => bytes.setUint32(4 * index, sample, true));
  return sha256Hex(new Uint8Array(bytes.buffer));
}
