/**
 * Writes an object unless there is one.
 * @returns false where there was one, which stays
 */
export async function putOnce(
  bucket: R2Bucket,
  key: string,
  value: string | Uint8Array,
  contentType: string,
): Promise<boolean> {
  const stored = await bucket.put(key, value, {
    onlyIf: { etagDoesNotMatch: "*" },
    httpMetadata: { contentType },
  });
  return stored !== null;
}
