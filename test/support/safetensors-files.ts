/**
 * A safetensors file made by hand, well formed or not: any header text, any number of data bytes, and a header length
 * that may lie.
 */
export function fileFromHeader(
  header: string | Uint8Array,
  dataLength: number,
  claimedLength?: number,
): Uint8Array<ArrayBuffer> {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + json.length + dataLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(claimedLength ?? json.length), true);
  file.set(json, 8);
  return file;
}
