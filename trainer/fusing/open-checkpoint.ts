import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type FusionInput, readFusionInput } from "../../shared/fusion/index.ts";
import { readShardedInput } from "../../shared/fusion/sharded-source.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { INDEX_FILE } from "../../shared/safetensors/index.ts";
import { tfjsInput } from "../../shared/tfjs-form/index.ts";
import { asFailure, Failure } from "../failure.ts";
import { exists } from "../storage/atomic-file.ts";
import { type OpenFile, openFile } from "./file-source.ts";

/** A checkpoint on disk: one file, or several that together stand for one. */
export interface LocalCheckpoint {
  /** As it was given. */
  readonly path: string;
  readonly input: FusionInput;
  /** Length of the one safetensors file that it is, or comes to. */
  readonly bytes: number;
  /** Of a TF.js model: the bytes of its `model.json`. */
  readonly modelJson: Uint8Array | undefined;
  /** @throws Failure `bad-input` where one of its files has been written to since */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** What a folder is looked through for, in this order. */
const NAMES = [INDEX_FILE, "model.safetensors", "model.json"] as const;

/**
 * Opens a safetensors file, a sharded checkpoint (its folder or `*.index.json`) or a TF.js model (`model.json`).
 * @throws Failure naming the path
 */
export async function openCheckpoint(path: string, id: CheckpointId): Promise<LocalCheckpoint> {
  const files: OpenFile[] = [];
  const close = async () => void (await Promise.all(files.map((file) => file.close())));
  const open = async (file: string) => {
    const opened = await openFile(file);
    files.push(opened);
    return { source: opened, size: opened.bytes };
  };
  try {
    const file = (await stat(path)).isDirectory() ? await findIn(path) : path;
    const beside = (name: string) => open(join(dirname(file), name));
    let input: FusionInput;
    let modelJson: Uint8Array | undefined;
    if (file.endsWith(".index.json")) {
      input = await readShardedInput(id, await readJson(file), beside);
    } else if (file.endsWith(".json")) {
      modelJson = await readJson(file);
      input = await tfjsInput(id, modelJson, beside);
    } else {
      const { source, size } = await open(file);
      input = await readFusionInput(id, source, size);
    }
    return {
      path,
      input,
      bytes: input.header.fileLength,
      modelJson,
      async checkUnchanged() {
        for (const opened of files) await opened.checkUnchanged();
      },
      close,
    };
  } catch (error) {
    await close();
    const { kind, message } = asFailure(error);
    throw new Failure(kind, message.includes(path) ? message : `${path}: ${message}`, { cause: error });
  }
}

async function findIn(folder: string): Promise<string> {
  for (const name of NAMES) if (await exists(join(folder, name))) return join(folder, name);
  throw new Failure("bad-input", `${folder} has none of ${NAMES.join(", ")}; give the file itself.`);
}

async function readJson(file: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(file));
}
