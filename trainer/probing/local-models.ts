import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import { decodeSafetensors, type SafetensorsHeader, type TensorInfo } from "../../shared/safetensors/index.ts";
import { asFailure, Failure } from "../failure.ts";
import { openCheckpoint } from "../fusing/open-checkpoint.ts";
import { sha256Hex } from "../storage/bytes-at-once.ts";

/** Files are read into memory whole, and an array of JavaScript's holds no more. */
const LARGEST_FILE = 2 ** 32;

/** While a file is hashed it goes by this id. */
const STAND_IN = "0".repeat(64) as CheckpointId;

/** A checkpoint of this machine, in memory. */
export interface LocalModel {
  /** As it was given. */
  readonly path: string;
  /** SHA-256 of the safetensors file that it is, or comes to. */
  readonly id: CheckpointId;
  readonly header: SafetensorsHeader;
  bytes(tensor: TensorInfo): Uint8Array<ArrayBuffer>;
  /** Of a TF.js model: its `model.json`. */
  readonly modelJson: Uint8Array | undefined;
}

/**
 * Reads a checkpoint: a safetensors file, a sharded one, a TF.js model.
 * @throws Failure naming the path
 */
export async function readLocalModel(path: string): Promise<LocalModel> {
  const opened = await openCheckpoint(path, STAND_IN);
  try {
    const { bytes, input, modelJson } = opened;
    if (bytes > LARGEST_FILE) {
      throw new Failure("out-of-memory", `${path} has ${bytes} bytes, more than can be evaluated here.`);
    }
    const file = (await input.source.read(0, bytes)) as Uint8Array<ArrayBuffer>;
    await opened.checkUnchanged();
    const id = checkpointId.parse(sha256Hex(file));
    return { path, id, modelJson, ...decodeSafetensors(file) };
  } catch (error) {
    throw naming(path, error);
  } finally {
    await opened.close();
  }
}

/** The same error, with a message that names the file it is about. */
export function naming(path: string, error: unknown): Failure {
  const { kind, message } = asFailure(error);
  return new Failure(kind, message.includes(path) ? message : `${path}: ${message}`, { cause: error });
}
