import type { ManifestFolder } from "../../support/manifests.ts";

/** Of every ConfigMap of a folder, generated or written, by name: variables that pods get. */
export function settingsOf({
  settings,
  objects,
}: ManifestFolder): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const written = objects.flatMap((one) => (one.kind === "ConfigMap" ? [[one.metadata.name, one.data] as const] : []));
  return new Map([...settings, ...written]);
}
