import type { ModelManifest } from "../../shared/api/manifest.ts";

/** What a picture calls the checkpoints that a model was made of: their files' names, where a manifest knows them. */
export function nameOfInput(manifest: ModelManifest | null): (id: string) => string | undefined {
  const names = new Map<string, string | undefined>(
    manifest?.inputs.map(({ checkpoint, name }) => [checkpoint, name?.replace(/\.safetensors$/, "")]),
  );
  return (id) => names.get(id);
}
