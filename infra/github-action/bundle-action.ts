import { join } from "node:path";
import { build, type Metafile } from "esbuild";
import { licenceOf, licenceText } from "../bundle/licences.ts";

/** Packages that may be in it. Others come in through a shared module that takes more than it seems to. */
const EXPECTED: ReadonlySet<string> = new Set(["zod"]);

/** A file of the bundle. */
export interface BundleFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Bundles the action into one ES module, and the terms of what is in it and not our own. Equal sources and packages give
 * equal bytes, wherever the repository lies.
 * @param root of the repository
 * @throws Error where a package comes in that is not expected
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
  const packages = packagesOf(metafile);
  const unexpected = [...packages.keys()].filter((name) => !EXPECTED.has(name));
  if (unexpected.length > 0) throw new Error(`the action would bring ${unexpected.join(", ")} to every runner`);
  const licences = await Promise.all([...packages.values()].map((folder) => licenceOf(join(root, folder))));
  return [
    ...outputFiles.map(({ text }) => ({ name: "index.js", text })),
    { name: "licences.txt", text: licenceText(licences) },
  ];
}

/** Packages in the bundle by name, with their folders. These may lie elsewhere, behind a link. */
function packagesOf({ inputs }: Metafile): ReadonlyMap<string, string> {
  const found = Object.keys(inputs).flatMap((path): [string, string][] => {
    const [folder, name] = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
    return folder === undefined || name === undefined ? [] : [[name, folder]];
  });
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
