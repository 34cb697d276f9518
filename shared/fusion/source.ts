import type { CheckpointId } from "../identity.ts";
import type { SafetensorsHeader } from "../safetensors/index.ts";

/** Random access to a file's bytes: an R2 object, a file on disk, a buffer, a generator in a test. */
export interface ByteSource {
  /**
   * Reads `[begin, end)`, absolute in the file, whole. The array's buffer is the reader's own, who frees it after use.
   * @throws Problem `truncated-file` where the file ends sooner
   */
  read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A checkpoint that takes part in a fusion. */
export interface FusionInput {
  readonly id: CheckpointId;
  readonly header: SafetensorsHeader;
  readonly source: ByteSource;
}
