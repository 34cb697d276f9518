import { parseHeader, readHeaderLength, type SafetensorsHeader, type TensorInfo } from "./header.ts";

/**
 * Parses a whole file held in memory. `bytes(tensor)` is a view into it, not a copy, and may be unaligned.
 * @throws Problem `truncated-file`, `malformed-safetensors`
 */
export function decodeSafetensors(file: Uint8Array<ArrayBuffer>): {
  header: SafetensorsHeader;
  bytes(tensor: TensorInfo): Uint8Array<ArrayBuffer>;
} {
  const length = readHeaderLength(file, file.length);
  const header = parseHeader(file.subarray(8, 8 + length), file.length);
  return {
    header,
    bytes: ({ begin, end }) => file.subarray(header.dataOffset + begin, header.dataOffset + end),
  };
}
