/** Facts about a file that is uploaded. */
export interface UploadFacts {
  /** What the file is called where it comes from. */
  readonly name?: string | undefined;
  /** Of the file, lower-case hex: the deployment refuses anything else, and stores large files without a copy. */
  readonly sha256?: string | undefined;
}

/** Header fields that say them. */
export function factFields({ name, sha256 }: UploadFacts): Record<string, string> {
  return {
    ...(sha256 === undefined ? {} : { "repr-digest": digestField(sha256) }),
    ...(name === undefined ? {} : { "content-disposition": dispositionOf(name) }),
  };
}

/** RFC 9530: `sha-256=:…:`, in base64. */
function digestField(sha256: string): string {
  const bytes = sha256.match(/../g)?.map((pair) => String.fromCharCode(Number.parseInt(pair, 16))) ?? [];
  return `sha-256=:${btoa(bytes.join(""))}:`;
}

/** RFC 6266; what ASCII cannot say goes in the extended form (RFC 8187). */
function dispositionOf(name: string): string {
  const plain = name.replaceAll(/[^\u0020-\u007E]/g, "_").replaceAll(/["\\]/g, "_");
  const extended = encodeURIComponent(name).replaceAll(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
  return plain === name
    ? `attachment; filename="${plain}"`
    : `attachment; filename="${plain}"; filename*=UTF-8''${extended}`;
}
