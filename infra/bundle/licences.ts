import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Software in the bundle and the terms it comes under. */
export interface Licensed {
  readonly title: string;
  readonly text: string;
}

/**
 * The terms of all that is in the bundle and not our own, as one text.
 * @param packages folders of npm packages
 * @param nodeLicence path of Node's, which covers what Node is made of
 */
export async function thirdPartyLicences(packages: readonly string[], nodeLicence: string): Promise<string> {
  const parts: Licensed[] = [
    { title: "Node.js", text: await readFile(nodeLicence, "utf8") },
    {
      title: "Vulkan loader (libvulkan.so.1, as built by the Chromium project)",
      text: "Copyright The Khronos Group Inc., Valve Corporation, LunarG, Inc. Apache-2.0; see LICENSE for its text.",
    },
    ...(await Promise.all(packages.map(licenceOf))),
  ];
  return licenceText(parts);
}

/** Terms one after the other. */
export function licenceText(parts: readonly Licensed[]): string {
  return parts
    .map(({ title, text }) => `${"=".repeat(80)}\n${title}\n${"=".repeat(80)}\n\n${text.trim()}\n`)
    .join("\n");
}

/** @param folder of an npm package */
export async function licenceOf(folder: string): Promise<Licensed> {
  const description: unknown = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const { name, version, license } = description as { name?: string; version?: string; license?: string };
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const texts = await Promise.all(files.sort().map((file) => readFile(join(folder, file), "utf8")));
  const title = `${name} ${version} (${license ?? "terms below"})`;
  return { title, text: texts.length > 0 ? texts.join("\n") : `${license}; the package carries no text of it.` };
}
