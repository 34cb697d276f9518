import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiError } from "../../shared/api/index.ts";
import { checkpointId, type CheckpointId, type ModelId } from "../../shared/identity.ts";
import type { CommandContext } from "../command-line/command.ts";
import { Failure } from "../failure.ts";
import { byteSize, type ByteProgress } from "../fusing/byte-progress.ts";
import { exists } from "../storage/atomic-file.ts";
import type { RemoteWorker } from "./connect.ts";
import { findRemote, hasCheckpoint, type RemoteThing } from "./find-remote.ts";
import { pullThing } from "./pull-model.ts";
import { parseReference, type Reference } from "./reference.ts";
import { uploadCheckpoint } from "./upload-checkpoint.ts";

/** An input of a fusion as it was given: a path on this machine, or something that the worker has. */
export type GivenInput =
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "remote"; readonly text: string; readonly reference: Reference };

/**
 * Tells files from names: what exists here is a file; `@name` is always a name.
 * @throws Failure `bad-input` for what is neither
 */
export async function readInput(text: string): Promise<GivenInput> {
  if (!text.startsWith("@") && (await exists(text))) return { kind: "local", path: text };
  try {
    return { kind: "remote", text, reference: parseReference(text) };
  } catch (error) {
    throw new Failure("bad-input", `There is no file ${text}, and it is no id or alias either.`, { cause: error });
  }
}

/** Makes checkpoints of whatever inputs are given. Each thing that is given twice is looked at once. */
export class InputResolver {
  readonly #worker: RemoteWorker;
  readonly #context: CommandContext;
  readonly #progress: ByteProgress;
  readonly #known = new Map<string, Promise<CheckpointId>>();

  constructor(worker: RemoteWorker, context: CommandContext, progress: ByteProgress) {
    this.#worker = worker;
    this.#context = context;
    this.#progress = progress;
  }

  /**
   * The id of a checkpoint that the worker has: that of a file, which is uploaded if need be; that which is named; that
   * which a named model amounts to.
   * @throws Failure
   */
  resolve(given: GivenInput): Promise<CheckpointId> {
    const key = given.kind === "local" ? `file ${given.path}` : `name ${given.text}`;
    const known = this.#known.get(key) ?? this.#resolve(given);
    this.#known.set(key, known);
    return known;
  }

  /**
   * The id of the checkpoint or model that is given, as it is; a file is uploaded if need be.
   * @throws Failure
   */
  async find(given: GivenInput): Promise<CheckpointId | ModelId> {
    return given.kind === "local" ? this.resolve(given) : (await this.#lookUp(given)).id;
  }

  async #resolve(given: GivenInput): Promise<CheckpointId> {
    if (given.kind === "local") return this.#push(given.path);
    const thing = await this.#lookUp(given);
    return thing.kind === "checkpoint" ? thing.id : this.#checkpointOf(thing);
  }

  async #lookUp(given: GivenInput & { readonly kind: "remote" }): Promise<RemoteThing> {
    try {
      return await this.#thingOf(given.reference);
    } catch (error) {
      const isNowhere = error instanceof Failure && error.cause instanceof ApiError && error.cause.status === 404;
      if (!isNowhere || given.text.startsWith("@")) throw error;
      throw new Failure("refused", `There is no file ${given.text}. ${error.message}`, { cause: error });
    }
  }

  /** Most ids are those of checkpoints. */
  async #thingOf(reference: Reference): Promise<RemoteThing> {
    if (reference.kind === "alias") return findRemote(this.#worker, reference);
    const id = checkpointId.parse(reference.id);
    const isCheckpoint = await hasCheckpoint(this.#worker, id);
    return isCheckpoint ? { kind: "checkpoint", id } : findRemote(this.#worker, reference);
  }

  async #push(path: string): Promise<CheckpointId> {
    const { terminal, environment, signal } = this.#context;
    const options = { environment, signal, progress: this.#progress };
    const { id, bytes, upload } = await uploadCheckpoint(this.#worker, path, options);
    terminal.note(`${path}: ${upload === "exists" ? "there already" : `uploaded ${byteSize(bytes)}`} (${id})`);
    return id;
  }

  /** Recipes are made of checkpoints, so a model takes part as the file that it is. */
  async #checkpointOf(model: RemoteThing & { readonly kind: "model" }): Promise<CheckpointId> {
    const { sha256 } = await this.#worker.ask(`describe ${model.id}`, () =>
      this.#worker.client.describeFusion(model.id),
    );
    const own = sha256 === null ? undefined : checkpointId.parse(sha256);
    if (own !== undefined && (await hasCheckpoint(this.#worker, own))) return own;
    return this.#copy(model.id, model);
  }

  async #copy(id: ModelId, model: RemoteThing): Promise<CheckpointId> {
    const { terminal, signal } = this.#context;
    terminal.note(`${id} is a model: it is entered as a checkpoint by way of this machine, once.`);
    const folder = await mkdtemp(join(tmpdir(), "edgefuse-model-"));
    try {
      const options = { force: false, signal, progress: this.#progress };
      const target = { output: join(folder, id.slice(0, 12)), name: id };
      const { path } = await pullThing(this.#worker, model, target, options);
      return await this.#push(path);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
