import { realpath, stat } from "node:fs/promises";
import type { CommandContext } from "../command-line/command.ts";
import { choice, optional, text } from "../command-line/options.ts";
import { cacheDirectory } from "../data/cache-directory.ts";
import type { Dataset } from "../data/dataset.ts";
import { DATASET_NAMES, loadDataset } from "../data/registry.ts";
import { Failure } from "../failure.ts";

/** Options of every command that reads a dataset. */
export const DATASET_OPTIONS = {
  dataset: choice(DATASET_NAMES, { help: "which dataset", fallback: "glyphs" }),
  "data-dir": optional(
    text({ help: "folder with the publisher's files; without it they are downloaded and cached", placeholder: "DIR" }),
  ),
};

/** @throws Failure as {@link loadDataset} */
export async function loadFromOptions(
  values: { readonly dataset: string; readonly "data-dir": string | undefined },
  { environment, fetch, signal, terminal }: CommandContext,
): Promise<Dataset> {
  const directory = values["data-dir"];
  if (directory !== undefined) await requireDirectory(directory);
  return loadDataset(values.dataset, {
    directory,
    cacheDirectory: cacheDirectory(environment),
    fetch,
    signal,
    notify: (message) => terminal.note(message),
  });
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  const where = await realpath(".");
  throw new Failure("bad-input", `--data-dir ${path} is not a folder (seen from ${where}).`);
}
