import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import * as z from "zod";
import { canonicalJson } from "./recipe/canonical-json.ts";

/**
 * Names of things, branded so that one cannot stand in for another. All but aliases and dataset names are SHA-256 in
 * lower-case hex: the name says the content, so it can never come to mean something else.
 */
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in lower-case hex (64 digits)");

export const checkpointId = sha256Hex.brand<"CheckpointId">();
export const shardId = sha256Hex.brand<"ShardId">();
export const modelId = sha256Hex.brand<"ModelId">();
export const probeId = sha256Hex.brand<"ProbeId">();
export const gateId = sha256Hex.brand<"GateId">();
export const soupId = sha256Hex.brand<"SoupId">();
export const topologyId = sha256Hex.brand<"TopologyId">();
export const datasetName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit")
  .brand<"DatasetName">();

export type CheckpointId = z.infer<typeof checkpointId>;
export type ShardId = z.infer<typeof shardId>;
export type ModelId = z.infer<typeof modelId>;
export type ProbeId = z.infer<typeof probeId>;
export type GateId = z.infer<typeof gateId>;
export type SoupId = z.infer<typeof soupId>;
export type TopologyId = z.infer<typeof topologyId>;
export type DatasetName = z.infer<typeof datasetName>;

/** SHA-256 in hex of a value's canonical JSON (RFC 8785). */
export function digestOfValue(value: unknown): string {
  return bytesToHex(sha256(new TextEncoder().encode(canonicalJson(value))));
}
