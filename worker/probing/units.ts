/**
 * How the work of a probe is cut: units that take an isolate some seconds at most, each kept once it is done. After a
 * unit others get the engine, and a probe that is killed loses no more than the units that were under way.
 */

/** What there is to do, in numbers. */
export interface Workload {
  /** Points of the grid. */
  readonly points: number;
  /** By shard. */
  readonly shards: readonly { readonly samples: number; readonly bytes: number }[];
  /** Floating-point operations of one forward pass of one sample, about. */
  readonly operationsPerSample: number;
  /** Samples that are passed forward at every point before any other; 0 where statistics are not recomputed. */
  readonly calibrationSamples: number;
  /** Points whose sums are kept in one piece at most. */
  readonly mostPoints: number;
}

/** A run of points on a run of shards, all of them indices; the ends are included. */
export interface Unit {
  readonly firstShard: number;
  readonly lastShard: number;
  readonly firstPoint: number;
  readonly lastPoint: number;
}

/** Shards that are held together have at most so many bytes, unless it is one. */
const MOST_SHARD_BYTES = 4 * 2 ** 20;

/** The most bytes that the shards of a unit have together, however the work is cut. */
export function mostShardBytes(shards: readonly { readonly bytes: number }[]): number {
  const all = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  return Math.max(Math.min(all, MOST_SHARD_BYTES), ...shards.map(({ bytes }) => bytes));
}

/** Operations of the whole question. */
export function operationsOf({
  points,
  shards,
  operationsPerSample,
  calibrationSamples,
}: Omit<Workload, "mostPoints">): number {
  const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
  return points * (samples + calibrationSamples) * operationsPerSample;
}

/**
 * Cuts a question into units, shard by shard: small shards go together, at all points; a large one is cut by points. The
 * same question is always cut the same way.
 * @param mostOperations of one unit, as far as points and shards can be cut
 */
export function unitsOf(workload: Workload, mostOperations: number): Unit[] {
  const { points, shards, operationsPerSample, calibrationSamples, mostPoints } = workload;
  const cost = (samples: number) => (samples + calibrationSamples) * operationsPerSample;
  const units: Unit[] = [];
  let group = { first: 0, samples: 0, bytes: 0 };
  const close = (lastShard: number) => {
    const perUnit = Math.max(1, Math.min(points, mostPoints, Math.floor(mostOperations / cost(group.samples))));
    for (let firstPoint = 0; firstPoint < points; firstPoint += perUnit) {
      const lastPoint = Math.min(points, firstPoint + perUnit) - 1;
      units.push({ firstShard: group.first, lastShard, firstPoint, lastPoint });
    }
  };
  for (const [index, { samples, bytes }] of shards.entries()) {
    const fits = group.bytes + bytes <= MOST_SHARD_BYTES && points * cost(group.samples + samples) <= mostOperations;
    if (index > group.first && !fits) {
      close(index - 1);
      group = { first: index, samples: 0, bytes: 0 };
    }
    group = { ...group, samples: group.samples + samples, bytes: group.bytes + bytes };
  }
  if (shards.length > 0) close(shards.length - 1);
  return units;
}
