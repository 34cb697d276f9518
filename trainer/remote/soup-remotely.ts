import { basename } from "node:path";
import type { SoupDescription } from "../../shared/api/index.ts";
import { createSoupRequest } from "../../shared/api/soups.ts";
import type { CommandContext } from "../command-line/command.ts";
import { ProgressBar } from "../command-line/progress-bar.ts";
import { Failure } from "../failure.ts";
import { ByteProgress } from "../fusing/byte-progress.ts";
import type { EvaluationValues } from "../probing/evaluation-values.ts";
import { soupText, traceText } from "../souping/soup-text.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { type RemoteWorker, workerOf } from "./connect.ts";
import { evaluationFacts } from "./evaluation-facts.ts";
import { findRemote } from "./find-remote.ts";
import { pullThing, readManifest } from "./pull-model.ts";
import { InputResolver, readInput } from "./resolve-inputs.ts";

export interface RemoteSoupOptions {
  readonly kind: "greedy" | "uniform" | "learned";
  /** Where the model is downloaded to, if it is. */
  readonly output: string | undefined;
  readonly manifest: string | undefined;
  readonly force: boolean;
  readonly isPrivate: boolean;
}

/**
 * Has a worker make a soup, waits until it has, and downloads the model where an output is named. Files of this machine
 * are uploaded first, unless the worker has them.
 * @throws Failure
 */
export async function soupRemotely(
  given: readonly string[],
  values: EvaluationValues,
  { kind, output, manifest, force, isPrivate }: RemoteSoupOptions,
  context: CommandContext,
): Promise<void> {
  const { terminal, signal } = context;
  const worker = workerOf(context);
  const bytes = new ByteProgress(terminal, () => performance.now());
  const resolver = new InputResolver(worker, context, bytes);
  const names = new Map<string, string>();
  for (const input of await Promise.all(given.map(readInput))) {
    const id = await resolver.resolve(input);
    if (!names.has(id)) names.set(id, input.kind === "local" ? basename(input.path) : input.text);
  }
  const { shards: _, batch: __, ...facts } = await evaluationFacts(worker, values, bytes);
  const request = createSoupRequest.safeParse({
    kind,
    checkpoints: [...names.keys()],
    ...facts,
    ...(isPrivate ? { visibility: "private" } : {}),
  });
  if (!request.success) {
    const [issue] = request.error.issues;
    throw new Failure(
      "usage",
      `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}. See edgefuse soup --help.`,
    );
  }
  const soup = await order(worker, request.data, context);
  const { id, model, recipe, accuracy, loss, trace } = soup;
  if (model === null || recipe === null) throw new Failure("internal", `Soup ${id} succeeded without a model.`);
  if (manifest !== undefined) await writeAtomically(manifest, await readManifest(worker, model));
  terminal.print(traceText(trace, (candidate) => names.get(candidate) ?? candidate));
  const what = soupText(kind, { accuracy, loss, members: recipe.inputs.length, candidates: names.size });
  const url = worker.client.modelUrl(model, "model.safetensors");
  const value = { event: "soup", soup: id, id: model, kind, accuracy, loss, recipe, trace, url };
  const named = { ...value, names: Object.fromEntries(names) };
  if (output === undefined) {
    terminal.result(named, `${model}  ${url}  ${what}`);
    return;
  }
  const thing = await findRemote(worker, { kind: "id", id: model });
  const pulled = await pullThing(
    worker,
    thing,
    { output, name: model.slice(0, 12) },
    { force, signal, progress: bytes },
  );
  terminal.note(`model ${model} is at ${url}`);
  terminal.result(
    { ...named, sha256: pulled.sha256, path: pulled.path, verified: pulled.verified },
    `${pulled.sha256 ?? model}  ${pulled.path}  ${what}`,
  );
}

/** @throws Failure `bad-input` why there is no soup */
async function order(
  worker: RemoteWorker,
  request: Parameters<RemoteWorker["client"]["soups"]["create"]>[0],
  { terminal, signal }: CommandContext,
): Promise<SoupDescription> {
  const { soups } = worker.client;
  const begun = await worker.ask("make a soup", () => soups.create(request));
  let ended = begun;
  if (begun.state === "running") {
    const progress = new ProgressBar(terminal, () => performance.now());
    progress.begin("evaluating");
    let done = 0;
    try {
      ended = await worker.ask(`make the soup ${begun.id}`, () =>
        soups.wait(begun.id, ({ progress: { evaluations } }) => {
          progress.advance(evaluations - done);
          done = evaluations;
        }),
      );
    } catch (error) {
      if (signal.aborted) terminal.note(`The worker goes on with ${begun.id}; the same command waits for it again.`);
      throw error;
    }
    progress.end();
  }
  if (ended.state === "succeeded") return ended;
  const { problem } = ended;
  const reason = problem === null ? "no reason given" : `${problem.detail} (${problem.code})`;
  throw new Failure("bad-input", `Soup ${ended.id} failed: ${reason}`);
}
