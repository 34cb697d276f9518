import { join } from "node:path";
import { build, type Metafile } from "esbuild";
import { licenceOf, licenceText } from "../bundle/licences.ts";

/** A file of the bundle. */
export interface BundleFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Bundles the action into one ES module, and the terms of what is in it and not our own. Equal sources and packages give
 * equal bytes, wherever the repository lies.
 * @param root of the repository
 */
export async function bundleAction(root: string): Promise<BundleFile[]> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["infra/github-action/src/main.ts"],
    outfile: "infra/github-action/dist/index.js",
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    // Names stay: traces can be read, and so can changes of the committed file.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "error",
  });
  const licences = await Promise.all(packagesOf(metafile).map((folder) => licenceOf(join(root, folder))));
  return [
    ...outputFiles.map(({ text }) => ({ name: "index.js", text })),
    { name: "licences.txt", text: licenceText(licences) },
  ];
}

/** Folders of the packages in the bundle, each once. */
function packagesOf({ inputs }: Metafile): string[] {
  const folders = Object.keys(inputs).map((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}
