import { basename } from "node:path";
import type { FusionInput } from "../../shared/fusion/index.ts";
import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import { asFailure, Failure } from "../failure.ts";
import type { ByteProgress } from "./byte-progress.ts";
import { digestSource } from "./digest-source.ts";
import { type LocalCheckpoint, openCheckpoint } from "./open-checkpoint.ts";
import type { RecipeFiles } from "./recipe-options.ts";

/**
 * The files of one fusion, open. Before they are hashed they go by stand-in ids, with which a plan can be tried: what is
 * wrong with headers or options is then known before gigabytes are read.
 */
export class LocalFiles {
  /** In the order of {@link RecipeFiles}: inputs, base, statistics. A path given twice is one file. */
  readonly #opened = new Map<string, { readonly checkpoint: LocalCheckpoint; input: FusionInput }>();
  readonly #paths: RecipeFiles;

  private constructor(paths: RecipeFiles) {
    this.#paths = paths;
  }

  /** @throws Failure, Error of the file system, each naming the file */
  static async open(paths: RecipeFiles): Promise<LocalFiles> {
    const files = new LocalFiles(paths);
    try {
      for (const path of allOf(paths)) if (!files.#opened.has(path)) await files.#add(path);
      return files;
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  async #add(path: string): Promise<void> {
    // Counting up keeps the command line's order where a recipe sorts its inputs by id.
    const id = checkpointId.parse(this.#opened.size.toString(16).padStart(64, "0"));
    const checkpoint = await openCheckpoint(path, id);
    this.#opened.set(path, { checkpoint, input: checkpoint.input });
  }

  /** Replaces the stand-in ids by SHA-256. */
  async hash(progress: ByteProgress, signal: AbortSignal): Promise<void> {
    progress.begin("reading inputs", this.bytes);
    const onProgress = (bytes: number) => progress.advance(bytes);
    for (const entry of this.#opened.values()) {
      const { input, checkpoint } = entry;
      const id = await digestSource(input.source, checkpoint.bytes, { signal, onProgress });
      entry.input = { ...input, id };
    }
    progress.end();
  }

  /** Of all files together. */
  get bytes(): number {
    return [...this.#opened.values()].reduce((sum, { checkpoint }) => sum + checkpoint.bytes, 0);
  }

  get inputs(): readonly FusionInput[] {
    return [...this.#opened.values()].map(({ input }) => input);
  }

  /** Of each of the recipe's inputs, in the order given: its `model.json`, where it is a TF.js model. */
  get modelJsons(): readonly (Uint8Array | undefined)[] {
    return this.#paths.inputs.map((path) => this.#opened.get(path)?.checkpoint.modelJson);
  }

  /** The files' ids in their places. */
  get ids(): RecipeFiles {
    const { inputs, base, statistics } = this.#paths;
    return {
      inputs: inputs.map((path) => this.#idOf(path)),
      base: base === undefined ? undefined : this.#idOf(base),
      statistics: statistics.map((path) => this.#idOf(path)),
    };
  }

  #idOf(path: string): CheckpointId {
    const entry = this.#opened.get(path);
    if (entry === undefined) throw new RangeError(`${path} is not open`);
    return entry.input.id;
  }

  /** Where the checkpoint of an id lies: the first place where several are equal. */
  pathOf(id: string): string | undefined {
    return [...this.#opened.values()].find(({ input }) => input.id === id)?.checkpoint.path;
  }

  /** Length and path by id, as a manifest lists them. */
  get named(): ReadonlyMap<CheckpointId, { readonly bytes: number; readonly name: string }> {
    return new Map(
      [...this.#opened.values()].map(({ checkpoint: { bytes, path }, input }) => [
        input.id,
        { bytes, name: basename(path) },
      ]),
    );
  }

  /** An error that speaks of files where the core speaks of digests. */
  explain(error: unknown): unknown {
    const failure = asFailure(error);
    const message = failure.message.replaceAll(/\b[0-9a-f]{64}\b/g, (id) => this.pathOf(id) ?? id);
    return message === failure.message ? error : new Failure(failure.kind, message, { cause: error });
  }

  /** @throws Failure `bad-input` where one was written to in the meantime */
  async checkUnchanged(): Promise<void> {
    for (const { checkpoint } of this.#opened.values()) await checkpoint.checkUnchanged();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened.values()].map(({ checkpoint }) => checkpoint.close()));
  }
}

function allOf({ inputs, base, statistics }: RecipeFiles): string[] {
  return [...inputs, ...(base === undefined ? [] : [base]), ...statistics];
}
