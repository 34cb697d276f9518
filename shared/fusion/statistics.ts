import { defaultChunkBytes } from "./booking.ts";
import { widestOf } from "./chunk-reads.ts";
import type { FusionEngine } from "./engine.ts";
import { reduceGram } from "./gram.ts";
import { type Json, UNIT_ELEMENTS } from "./methods/method.ts";
import type { FusionPlan, PlannedTensor } from "./plan.ts";
import { type ReductionOptions, streamReductions } from "./stream-reductions.ts";

/**
 * What a method must know of whole tensors, or of the whole model, before it can compute a byte. Plain JSON: a workflow
 * step can return it, and it is kept with the model. It depends on recipe and inputs alone.
 */
export interface FusionStatistics {
  readonly tensors: Readonly<Record<string, Json>>;
  readonly model: Json;
}

export interface StatisticsOptions extends ReductionOptions {
  /** First byte of the output file, and end of the bytes, exclusive; the whole file where left out. */
  readonly begin?: number;
  readonly end?: number;
}

const NONE: FusionStatistics = { tensors: {}, model: null };

/** Whether the method has to see data before it can compute. */
export function needsStatistics({ compute }: FusionPlan): boolean {
  return compute.kind === "combination" ? compute.measures !== undefined : compute.reduce !== undefined;
}

/**
 * The statistics of the tensors that begin in the range `[begin, end)` of the output file; what is about the whole model
 * goes with the file's first byte. So however a file is cut into ranges, {@link mergeStatistics} of their statistics is
 * what one call for all of it returns.
 *
 * Streams each tensor as often as the method asks for: once for dot products, two or three times for thresholds. Memory
 * is bounded as in `fuseRange`.
 * @throws Problem `over-budget`, `too-large-for-isolate`, `truncated-file`; the signal's reason where it is aborted
 */
export async function gatherStatistics(
  plan: FusionPlan,
  engine: FusionEngine,
  options: StatisticsOptions = {},
): Promise<FusionStatistics> {
  const { begin = 0, end = plan.layout.fileLength } = options;
  if (!needsStatistics(plan)) return NONE;
  const { compute } = plan;
  const floats = plan.tensors.filter(({ treatment, elements }) => treatment.kind === "average" && elements > 0);
  if (compute.kind === "elementwise" && compute.scope === "model") {
    const reduction = begin === 0 && end > 0 ? compute.reduce?.(floats, plan) : undefined;
    if (reduction === undefined) return NONE;
    const [model = null] = await streamReductions(plan, engine, [{ tensors: floats, reduction }], options);
    return { tensors: {}, model };
  }
  return gatherTensors(
    plan,
    engine,
    floats.filter(({ outputBegin }) => begin <= outputBegin && outputBegin < end),
    options,
  );
}

/** The statistics that computing the bytes `[begin, end)` of the output takes. */
export async function statisticsForRange(
  plan: FusionPlan,
  engine: FusionEngine,
  options: StatisticsOptions & { readonly begin: number; readonly end: number },
): Promise<FusionStatistics> {
  const { compute } = plan;
  if (!needsStatistics(plan)) return NONE;
  if (compute.kind === "elementwise" && compute.scope === "model") {
    return gatherStatistics(plan, engine, { ...options, begin: 0, end: plan.layout.fileLength });
  }
  const touched = plan.tensors.filter(
    ({ treatment, elements, outputBegin, outputWidth }) =>
      treatment.kind === "average" &&
      elements > 0 &&
      outputBegin < options.end &&
      outputBegin + elements * outputWidth > options.begin,
  );
  return gatherTensors(plan, engine, touched, options);
}

/** Puts the statistics of ranges that cover a file together. */
export function mergeStatistics(parts: readonly FusionStatistics[]): FusionStatistics {
  return {
    tensors: Object.assign({}, ...parts.map(({ tensors }) => tensors)) as Record<string, Json>,
    model: parts.find(({ model }) => model !== null)?.model ?? null,
  };
}

/** What was found out about a tensor, or about the model it is part of. */
export function statisticOf(
  { compute }: FusionPlan,
  { tensors, model }: FusionStatistics,
  { name }: PlannedTensor,
): Json | undefined {
  const ofModel = compute.kind === "elementwise" && compute.scope === "model";
  return ofModel ? model : Object.hasOwn(tensors, name) ? tensors[name] : undefined;
}

async function gatherTensors(
  plan: FusionPlan,
  engine: FusionEngine,
  tensors: readonly PlannedTensor[],
  options: StatisticsOptions,
): Promise<FusionStatistics> {
  const { compute } = plan;
  const chunkBytes = options.chunkBytes ?? defaultChunkBytes(plan, engine, UNIT_ELEMENTS);
  const found: Record<string, Json> = {};
  for (const batch of batchesOf(tensors, chunkBytes)) {
    const works = batch.flatMap((tensor) => {
      const reduction =
        compute.kind === "combination"
          ? compute.measures && reduceGram(plan, compute.measures)
          : compute.reduce?.([tensor], plan);
      return reduction === undefined ? [] : [{ tensors: [tensor], reduction }];
    });
    const results = await streamReductions(plan, engine, works, options);
    for (const [
      index,
      {
        tensors: [tensor],
      },
    ] of works.entries()) {
      if (tensor !== undefined) found[tensor.name] = results[index] ?? null;
    }
  }
  return { tensors: found, model: null };
}

/** Small tensors go through together, so that they cost one read, not one each. */
function* batchesOf(tensors: readonly PlannedTensor[], chunkBytes: number): Generator<PlannedTensor[]> {
  const MOST_TOGETHER = 256;
  // What is booked for searches is for one large tensor, or for so many elements of small ones.
  const MOST_ELEMENTS = 65_536;
  let batch: PlannedTensor[] = [];
  let bytes = 0;
  let elements = 0;
  for (const tensor of tensors) {
    const own = tensor.elements * widestOf(tensor);
    const full = bytes + own > chunkBytes || elements + tensor.elements > MOST_ELEMENTS;
    if (batch.length > 0 && (full || batch.length === MOST_TOGETHER)) {
      yield batch;
      batch = [];
      bytes = 0;
      elements = 0;
    }
    batch.push(tensor);
    bytes += own;
    elements += tensor.elements;
  }
  if (batch.length > 0) yield batch;
}
