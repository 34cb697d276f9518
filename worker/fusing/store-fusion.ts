import {
  type FusionObservations,
  type FusionPlan,
  type FusionReport,
  fusionReport,
} from "../../shared/fusion/index.ts";
import { PassingDigest } from "../objects/digest.ts";
import { SectionDigests } from "../objects/section-digests.ts";
import { hasWeightsForm } from "../tfjs-form/layers-model.ts";
import { type Observer, pour } from "./pour.ts";

export interface StoredFusion {
  readonly sha256: string;
  /** Of the data section; null where TF.js cannot read the dtypes, and so no one will ask. */
  readonly dataSha256: string | null;
  readonly partSha256: readonly string[];
  readonly report: FusionReport;
}

export interface FusionStream {
  readonly plan: FusionPlan;
  /** The whole file. */
  readonly chunks: AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** What the chunks show while they are made. */
  readonly observations: FusionObservations;
  readonly partBytes: number;
  /** Gets every chunk too, in step with the store. */
  readonly mirror?: Observer;
  /** Deletes the object, unless the catalog knows it. */
  discard(): Promise<void>;
}

/**
 * Streams a fusion into an object, hashing it on the way. The length is known beforehand, which R2 wants; memory is a few
 * chunks, whatever the size. Where anything fails, R2 keeps nothing: an object appears whole or not at all. Where R2 fails
 * once it has all of it, the object may be there and only the answer be lost; then it is discarded.
 * @throws Problem as `fuseRange` does
 */
export async function storeFusion(
  bucket: R2Bucket,
  key: string,
  { plan, chunks, observations, partBytes, mirror, discard }: FusionStream,
): Promise<StoredFusion> {
  const { fileLength, dataOffset } = plan.layout;
  const whole = new PassingDigest();
  const parts = new SectionDigests(partBytes);
  const data = hasWeightsForm(plan.layout) ? new PassingDigest() : undefined;
  let at = 0;
  try {
    await pour(
      chunks,
      fileLength,
      (body) => bucket.put(key, body),
      async (chunk) => {
        const inData = chunk.subarray(Math.max(0, Math.min(chunk.length, dataOffset - at)));
        at += chunk.length;
        await Promise.all([whole.write(chunk), parts.write(chunk), data?.write(inData), mirror?.(chunk)]);
      },
    );
    return {
      sha256: await whole.finish(),
      dataSha256: data === undefined ? null : await data.finish(),
      partSha256: await parts.finish(),
      report: fusionReport(plan, observations),
    };
  } catch (error) {
    whole.abandon();
    parts.abandon();
    data?.abandon();
    if (at === fileLength) await discard().catch(() => undefined);
    throw error;
  }
}
