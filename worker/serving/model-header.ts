import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import type { Environment } from "../environment.ts";
import { modelKey } from "../objects/keys.ts";
import { ObjectSource, readStoredHeader } from "../objects/source.ts";
import { planOf } from "../fusing/lazy.ts";
import type { ServedModel } from "../fusing/served-model.ts";

/** Headers of stored models, by the digest of the file, so that who reads shard after shard pays for it once. */
const headers = new Map<string, SafetensorsHeader>();
const KEPT_HEADERS = 8;
const LARGEST_KEPT = 4096;

/** Where the tensors of a model's file lie; of one that is not stored, by its plan. */
export async function headerOf(environment: Environment, served: ServedModel): Promise<SafetensorsHeader> {
  if (served.kind === "computed") return (await planOf(environment, served.fusion)).plan.layout;
  const { id, bytes, sha256 } = served.record;
  const kept = headers.get(sha256);
  if (kept !== undefined) return kept;
  const header = await readStoredHeader(new ObjectSource(environment.BUCKET, modelKey(id)), bytes);
  if (header.tensors.length <= LARGEST_KEPT) {
    for (const oldest of headers.keys()) {
      if (headers.size < KEPT_HEADERS) break;
      headers.delete(oldest);
    }
    headers.set(sha256, header);
  }
  return header;
}
