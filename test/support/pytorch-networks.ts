import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Dtype } from "../../shared/safetensors/index.ts";

/** The interpreter that Debian's `python3-torch` belongs to. */
export const PYTHON = "/usr/bin/python3";

/** A tensor of PyTorch: its bytes, row by row. */
export interface TorchTensor {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A network with random weights, samples [n, c, h, w], and what PyTorch makes of them. */
export interface TorchNetwork {
  readonly weights: ReadonlyMap<string, TorchTensor>;
  readonly x: TorchTensor;
  readonly logits: TorchTensor;
}

/** Whether there is a PyTorch to ask. */
export function hasPytorch(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import torch"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

interface Sent {
  readonly shape: number[];
  readonly dtype: "F32" | "I64";
  readonly data: string;
}

/** The networks of `pytorch-networks.py`, by name. */
export function pytorchNetworks(): ReadonlyMap<string, TorchNetwork> {
  const output = execFileSync(PYTHON, [join(import.meta.dirname, "pytorch-networks.py")], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  const sent = JSON.parse(output) as Record<string, { weights: Record<string, Sent>; x: Sent; logits: Sent }>;
  return new Map(
    Object.entries(sent).map(([name, { weights, x, logits }]) => [
      name,
      {
        weights: new Map(Object.entries(weights).map(([key, value]) => [key, received(value)])),
        x: received(x),
        logits: received(logits),
      },
    ]),
  );
}

function received({ shape, dtype, data }: Sent): TorchTensor {
  return { shape, dtype, data: Uint8Array.from(Buffer.from(data, "base64")) };
}

/** The numbers of a float32 tensor. */
export function floatsOf({ data }: TorchTensor): Float32Array<ArrayBuffer> {
  return new Float32Array(data.slice().buffer);
}
