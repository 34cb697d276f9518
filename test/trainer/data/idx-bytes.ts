/** Bytes of an IDX file of unsigned bytes. */
export function idxBytes(shape: readonly number[], data: readonly number[] | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0800 + shape.length);
  shape.forEach((dimension, axis) => view.setUint32(4 + 4 * axis, dimension));
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}
