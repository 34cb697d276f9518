import factory from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
import backendModule from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm";
import averagingModule from "../../shared/kernels/build/averaging.wasm";
import type { BatchStatistics } from "../../shared/evaluation/batch-statistics.ts";
import type { ClassificationTally, RegressionTally } from "../../shared/evaluation/tally.ts";
import type { FusionEngine } from "../../shared/fusion/index.ts";
import { AveragingKernels } from "../../shared/kernels/averaging.ts";
import { type EmscriptenFactory, registerWasmBackend } from "../../shared/kernels/wasm-backend.ts";
import type { Weights } from "../../shared/models/index.ts";
import { isolateBudget } from "./budget.ts";
import { LeasedCache } from "./leased-cache.ts";
import { Turns } from "./turns.ts";

/** The isolate's only engine: tfjs on its WASM backend, and our kernels in the same heap. */
export interface Engine extends FusionEngine {
  /** For work that holds tfjs models: one at a time. */
  readonly turns: Turns;
  /** Decoded endpoints that were evaluated last, by id and form. */
  readonly decoded: LeasedCache<Weights>;
  /** What a grid's members made of a shard, label by label. */
  readonly tallies: LeasedCache<readonly (ClassificationTally | RegressionTally)[]>;
  /** Running statistics that were recomputed at a point. */
  readonly statistics: LeasedCache<BatchStatistics>;
}

/** Of the budget, for what is kept between requests while nobody needs the memory. */
const DECODED_SHARE = 1 / 2;
const TALLIES_SHARE = 1 / 16;
const STATISTICS_SHARE = 1 / 16;

/** Cloudflare grants an abandoned request 30 s; by then a turn is over or lost. */
const PATIENCE_MS = 30_000;

let starting: Promise<Engine> | undefined;

/** Starts the engine at its first use: an isolate that only serves bytes never pays for it. */
export function engineOf(budgetBytes: number): Promise<Engine> {
  starting ??= start(budgetBytes);
  return starting;
}

async function start(budgetBytes: number): Promise<Engine> {
  // The declarations of tfjs's glue code name types that it does not ship.
  const heap = await registerWasmBackend(factory as unknown as EmscriptenFactory, backendModule);
  const budget = isolateBudget(budgetBytes);
  return {
    kernels: new AveragingKernels(heap, averagingModule),
    turns: new Turns(PATIENCE_MS),
    budget,
    decoded: new LeasedCache(budget, DECODED_SHARE * budgetBytes),
    tallies: new LeasedCache(budget, TALLIES_SHARE * budgetBytes),
    statistics: new LeasedCache(budget, STATISTICS_SHARE * budgetBytes),
  };
}
