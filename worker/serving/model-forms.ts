import { INDEX_FILE } from "../../shared/safetensors/index.ts";
import { partCount } from "../fusing/part-layout.ts";
import { SHARD_FILE } from "../fusing/shards.ts";

/** What a file of a model is, by its name. */
export type ModelForm =
  | { readonly kind: "model" | "index" | "manifest" | "config" | "topology" | "weights" }
  | { readonly kind: "shard" }
  | { readonly kind: "weights-part"; readonly part: number; readonly parts: number };

export const MODEL_FILE = "model.safetensors";
export const WEIGHTS_FILE = "weights.bin";

const WEIGHTS_PART = /^weights-(\d{5})-of-(\d{5})\.bin$/;

/** @returns undefined where no model has a file of this name */
export function formOf(file: string): ModelForm | undefined {
  switch (file) {
    case MODEL_FILE:
      return { kind: "model" };
    case INDEX_FILE:
      return { kind: "index" };
    case "manifest.json":
      return { kind: "manifest" };
    case "config.json":
      return { kind: "config" };
    case "model.json":
      return { kind: "topology" };
    case WEIGHTS_FILE:
      return { kind: "weights" };
    default: {
      if (SHARD_FILE.test(file)) return { kind: "shard" };
      const part = WEIGHTS_PART.exec(file);
      return part === null ? undefined : { kind: "weights-part", part: Number(part[1]), parts: Number(part[2]) };
    }
  }
}

/**
 * Names of the files that the TF.js form's weights come in: one, or parts of `partBytes` where that is too large for one.
 * TF.js reads them back to back, wherever they are cut.
 */
export function weightsFiles(dataBytes: number, partBytes: number): readonly string[] {
  const parts = partCount(dataBytes, partBytes);
  if (parts === 1) return [WEIGHTS_FILE];
  const digits = (number: number) => String(number).padStart(5, "0");
  return Array.from({ length: parts }, (_, index) => `weights-${digits(index + 1)}-of-${digits(parts)}.bin`);
}
