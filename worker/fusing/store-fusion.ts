import {
  emptyObservations,
  type FusionEngine,
  type FusionPlan,
  type FusionReport,
  fusionReport,
  fuseRange,
} from "../../shared/fusion/index.ts";
import { PassingDigest } from "../objects/digest.ts";
import { hasWeightsForm } from "../tfjs-form/layers-model.ts";

export interface StoredFusion {
  readonly sha256: string;
  /** Of the data section; null where TF.js cannot read the dtypes, and so no one will ask. */
  readonly dataSha256: string | null;
  readonly report: FusionReport;
}

/**
 * Streams a fusion into an object, hashing it on the way. The length is known beforehand, which R2 wants; memory is a few
 * chunks, whatever the size. Where anything fails, R2 keeps nothing: an object appears whole or not at all.
 * @throws Problem as {@link fuseRange} does
 */
export async function storeFusion(
  bucket: R2Bucket,
  key: string,
  plan: FusionPlan,
  engine: FusionEngine,
): Promise<StoredFusion> {
  const { fileLength, dataOffset } = plan.layout;
  const observations = emptyObservations(plan);
  const whole = new PassingDigest();
  const data = hasWeightsForm(plan.layout) ? new PassingDigest() : undefined;
  const pipe = new FixedLengthStream(fileLength);
  const writer = pipe.writable.getWriter();
  const stored = bucket.put(key, pipe.readable);
  // Observed below; until then a rejection must not count as unhandled.
  stored.catch(() => undefined);
  try {
    let at = 0;
    for await (const chunk of fuseRange(plan, engine, { observations })) {
      await Promise.all([
        whole.write(chunk),
        at >= dataOffset ? data?.write(chunk) : undefined,
        // A put that fails stops reading, and the write would wait for ever.
        Promise.race([writer.write(chunk), stored]),
      ]);
      at += chunk.length;
    }
    await writer.close();
    await stored;
    return {
      sha256: await whole.finish(),
      dataSha256: data === undefined ? null : await data.finish(),
      report: fusionReport(plan, observations),
    };
  } catch (error) {
    whole.abandon();
    data?.abandon();
    await writer.abort(error).catch(() => undefined);
    await stored.catch(() => undefined);
    throw error;
  }
}
