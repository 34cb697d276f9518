import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";

/** A file that the code opens by its URL: source, and its name in the bundle. */
export interface Asset {
  readonly source: string;
  readonly name: string;
}

export interface BundledTrainer {
  /** Files that must lie beside the code. */
  readonly assets: readonly Asset[];
  /** Absolute folders of the npm packages whose code is in the bundle. */
  readonly packages: readonly string[];
}

/** How the code names a file beside it: a kernel, or the entry of a worker thread. */
const NEIGHBOUR = /new URL\("(\.[^"]+)", import\.meta\.url\)/g;

/** What Node resolves when it runs: Dawn's addon, and the WASM backend's glue and binary, which code asks for by name. */
const EXTERNAL = ["webgpu"];

/** CommonJS packages in an ES module still want these; a chunk is an ES module. */
const BANNER = `import { createRequire as bundleRequire } from "node:module";
const require = bundleRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;`;

/**
 * Bundles the trainer's command line, and each worker thread that it starts, into ES modules that lie side by side in
 * one folder. What is loaded lazily stays in files of its own.
 * @param root of the repository
 * @param out folder for the code
 */
export async function bundleTrainer(root: string, out: string): Promise<BundledTrainer> {
  const neighbours = await findNeighbours(root);
  const threads = neighbours.filter((path) => path.endsWith(".ts"));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["trainer/main.ts", ...threads].map((path) => ({ in: path, out: basename(path, ".ts") })),
    outdir: out,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    external: EXTERNAL,
    // Names stay: traces can be read, and tfjs goes by the names of some classes.
    minifyWhitespace: true,
    minifySyntax: true,
    chunkNames: "[name]-[hash]",
    banner: { js: BANNER },
    legalComments: "none",
    metafile: true,
    logLevel: "error",
    plugins: [neighbourPlugin(root)],
  });
  return {
    assets: neighbours
      .filter((path) => !path.endsWith(".ts"))
      .map((path) => ({ source: join(root, path), name: basename(path) })),
    packages: packagesOf(metafile, root),
  };
}

/** Paths, relative to the root, that the sources name by URL; each once. */
async function findNeighbours(root: string): Promise<string[]> {
  const found = new Set<string>();
  for (const folder of ["trainer", "shared"]) {
    for (const file of await readdir(join(root, folder), { recursive: true })) {
      if (!file.endsWith(".ts")) continue;
      const path = join(root, folder, file);
      for (const [, target = ""] of (await readFile(path, "utf8")).matchAll(NEIGHBOUR)) {
        found.add(relative(root, join(dirname(path), target)));
      }
    }
  }
  const names = [...found].map((path) => basename(path));
  if (new Set(names).size < names.length) throw new Error(`two files of one name would collide: ${names.join(", ")}`);
  return [...found];
}

/** All files come to lie in one folder, so whatever the code names by URL is beside it there. */
function neighbourPlugin(root: string): Plugin {
  return {
    name: "neighbours",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path.includes("node_modules") || !path.startsWith(root)) return undefined;
        const source = await readFile(path, "utf8");
        const contents = source.replaceAll(
          NEIGHBOUR,
          (_, target: string) => `new URL("./${basename(target).replace(/\.ts$/, ".js")}", import.meta.url)`,
        );
        return { contents, loader: "ts" };
      });
    },
  };
}

/** `node_modules/x` or `node_modules/@scope/x`, also where nested. */
function packagesOf({ inputs }: Metafile, root: string): string[] {
  const folders = Object.keys(inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort().map((folder) => join(root, folder));
}
