import type { Shard } from "../../shared/evaluation/shard.ts";

/**
 * A labelled classification task held in memory. Each split is a {@link Shard}: samples as bytes or float32 with the
 * scale and offset that make them real values (`x * scale + offset`), and one class a sample.
 */
export interface Dataset {
  readonly name: string;
  /** Shape of one sample, such as [28, 28, 1]. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly train: Shard;
  /** Never trained on; accuracies and barriers are measured here. */
  readonly validation: Shard;
}

export type SplitName = "train" | "validation";
export const SPLIT_NAMES = ["train", "validation"] as const satisfies readonly SplitName[];

/** What a dataset may need from outside to load. */
export interface DatasetSurroundings {
  /** Folder with the publisher's files; nothing is downloaded then. */
  readonly directory?: string | undefined;
  /** Where downloads are kept. */
  readonly cacheDirectory: string;
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal | undefined;
  /** Says what takes long, such as a download. */
  readonly notify?: ((message: string) => void) | undefined;
}

export interface DatasetSource {
  /** One line for the help page. */
  readonly summary: string;
  /** @throws Failure `bad-input` for files that are not what they should be, `unreachable` where a download fails */
  load(surroundings: DatasetSurroundings): Promise<Dataset>;
}
