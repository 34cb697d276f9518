import { type FusionDescription, type GateForm, isUnderWay } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import type { Recipe, RecipeDraft } from "../../shared/recipe/recipe.ts";
import type { CommandContext } from "../command-line/command.ts";
import { Failure } from "../failure.ts";
import { ByteProgress, byteSize } from "../fusing/byte-progress.ts";
import { reportVerdict } from "../probing/gate-verdict.ts";
import { planText } from "../fusing/plan-text.ts";
import { type RecipeFiles, recipeFromOptions, type RecipeOptions } from "../fusing/recipe-options.ts";
import { writeAtomically } from "../storage/atomic-file.ts";
import { type RemoteWorker, workerOf } from "./connect.ts";
import { findRemote } from "./find-remote.ts";
import { pullThing, readManifest } from "./pull-model.ts";
import { showRefusal } from "./refusal.ts";
import { type GivenInput, InputResolver, readInput } from "./resolve-inputs.ts";

/** Milliseconds between two looks at an alias that is about to move, and how many there are. */
const LOOK_MS = 500;
const MOST_LOOKS = 20;

export interface RemoteFusionOptions {
  readonly options: RecipeOptions;
  /** Where the model is downloaded to, if it is. */
  readonly output: string | undefined;
  readonly manifest: string | undefined;
  readonly force: boolean;
  /** Only show what would be done. */
  readonly plan: boolean;
  /** Leave the computing to whoever reads the model. */
  readonly lazy: boolean;
  readonly isPrivate: boolean;
  /** What the model must hold to be published. */
  readonly gate: GateForm | undefined;
  /** Name that points at the model once it is there and has passed its gates. */
  readonly alias: string | undefined;
}

/** Inputs of a fusion in their places. */
interface GivenFiles {
  readonly inputs: readonly GivenInput[];
  readonly base: GivenInput | undefined;
  readonly statistics: readonly GivenInput[];
}

/**
 * Has a worker fuse checkpoints, waits until it has, and downloads the model where an output is named. Files of this
 * machine are uploaded first, unless the worker has them. With a gate it waits for the verdict, and shows it.
 * @throws Failure; `gate-refused` where the model was made, but not published
 */
export async function fuseRemotely(
  given: RecipeFiles,
  request: RemoteFusionOptions,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context;
  const worker = workerOf(context);
  const files = await readInputs(given);
  // With stand-in ids first: what is wrong with the options shows before anything is sent.
  recipeFromOptions(request.options, standIns(files));
  const progress = new ByteProgress(terminal, () => performance.now());
  const resolver = new InputResolver(worker, context, progress);
  const recipe = recipeFromOptions(request.options, await resolveAll(files, resolver));
  if (request.plan) return showPlan(worker, recipe, context);

  const fusion = await order(worker, recipe, request, context, progress);
  const { id } = fusion;
  const urls = absolute(fusion, worker);
  if (request.manifest !== undefined) await writeAtomically(request.manifest, await readManifest(worker, id));
  const { state, bytes, sha256, visibility, gate } = fusion;
  if (gate !== null && gate.state !== "pending") {
    reportVerdict({ ...gate, state: gate.state, gate: gate.id }, terminal);
  }
  if (request.alias !== undefined) terminal.note(await whatAliasDoes(worker, request.alias, id));
  const what = `${recipe.method} of ${recipe.inputs.length}`;
  const value = { event: "fused", id, state, sha256, bytes, visibility, recipe: fusion.recipe, urls };
  if (request.output === undefined) {
    terminal.result(value, `${id}  ${urls.model}  ${byteSize(bytes)}, ${what}${state === "lazy" ? ", lazy" : ""}`);
    return;
  }
  const thing = await findRemote(worker, { kind: "id", id });
  const options = { force: request.force, signal: context.signal, progress };
  const pulled = await pullThing(worker, thing, { output: request.output, name: id.slice(0, 12) }, options);
  terminal.note(`model ${id} is at ${urls.model}`);
  terminal.result(
    { ...value, sha256: sha256 ?? pulled.sha256, path: pulled.path, verified: pulled.verified },
    `${pulled.sha256 ?? id}  ${pulled.path}  ${byteSize(bytes)}, ${what}${pulled.verified ? ", verified" : ""}`,
  );
}

async function readInputs({ inputs, base, statistics }: RecipeFiles): Promise<GivenFiles> {
  return {
    inputs: await Promise.all(inputs.map(readInput)),
    base: base === undefined ? undefined : await readInput(base),
    statistics: await Promise.all(statistics.map(readInput)),
  };
}

/** Ids that count up, all different. */
function standIns({ inputs, base, statistics }: GivenFiles): RecipeFiles {
  const id = (index: number) => index.toString(16).padStart(64, "0");
  return {
    inputs: inputs.map((_, index) => id(index)),
    base: base && id(inputs.length),
    statistics: statistics.map((_, index) => id(inputs.length + 1 + index)),
  };
}

/** One after the other: each upload has the whole line, and its own progress. */
async function resolveAll({ inputs, base, statistics }: GivenFiles, resolver: InputResolver): Promise<RecipeFiles> {
  const resolved: RecipeFiles & { readonly inputs: string[]; readonly statistics: string[] } = {
    inputs: [],
    base: base && (await resolver.resolve(base)),
    statistics: [],
  };
  for (const input of inputs) resolved.inputs.push(await resolver.resolve(input));
  for (const input of statistics) resolved.statistics.push(await resolver.resolve(input));
  return resolved;
}

/** Orders the fusion and waits for its end. @throws Failure where it fails or is cancelled */
async function order(
  worker: RemoteWorker,
  recipe: Recipe,
  { lazy, isPrivate, gate, alias }: RemoteFusionOptions,
  { terminal, signal }: CommandContext,
  progress: ByteProgress,
): Promise<FusionDescription> {
  const { client } = worker;
  const begun = await showRefusal(terminal, () =>
    worker.ask("fuse", () =>
      client.createFusion({
        recipe: draftOf(recipe),
        materialize: lazy ? "lazy" : "eager",
        ...(isPrivate ? { visibility: "private" } : {}),
        ...(gate === undefined ? {} : { gate }),
        ...(alias === undefined ? {} : { alias }),
      }),
    ),
  );
  if (!isUnderWay(begun)) return succeeded(begun);
  progress.begin(gate === undefined ? "fusing" : "fusing and measuring", begun.progress.bytes);
  let done = 0;
  try {
    const ended = await worker.ask(`fuse ${begun.id}`, () =>
      client.waitForFusion(begun.id, ({ progress: { bytesDone } }) => {
        progress.advance(bytesDone - done);
        done = bytesDone;
      }),
    );
    progress.end();
    return succeeded(ended);
  } catch (error) {
    if (signal.aborted) terminal.note(`The worker goes on with ${begun.id}; the same command waits for it again.`);
    throw error;
  }
}

/** Where the alias points now; a gate's verdict comes first, then the move. */
async function whatAliasDoes(worker: RemoteWorker, alias: string, model: ModelId): Promise<string> {
  for (let look = 1; ; look++) {
    const found = await worker.ask(`show the alias ${alias}`, () => worker.client.aliases.find(alias));
    if (found?.model === model) return `${alias} points at it (v${found.version}).`;
    if (look === MOST_LOOKS) return `${alias} does not point at it: it was moved by someone else meanwhile.`;
    await worker.wait(LOOK_MS);
  }
}

function succeeded(fusion: FusionDescription): FusionDescription {
  const { id, state, problem } = fusion;
  if (state === "failed") {
    throw new Failure(
      "bad-input",
      `Fusion ${id} failed: ${problem === null ? "no reason given" : `${problem.detail} (${problem.code})`}`,
    );
  }
  if (state === "cancelled") throw new Failure("refused", `Fusion ${id} was cancelled.`);
  return fusion;
}

/** A recipe as a request may have it. */
function draftOf(recipe: Recipe): RecipeDraft {
  return { ...recipe, inputs: recipe.inputs.map((input) => ({ ...input })) };
}

/** Addresses that work as they stand. */
function absolute({ links }: FusionDescription, { url }: RemoteWorker) {
  const base = url.replace(/\/$/, "");
  const of = (path: string) => (URL.canParse(path) ? path : base + path);
  return {
    model: of(links.model),
    manifest: of(links.manifest),
    topology: links.topology === null ? null : of(links.topology),
    fusion: of(links.self),
  };
}

async function showPlan(worker: RemoteWorker, recipe: Recipe, { terminal }: CommandContext): Promise<void> {
  const plan = await worker.ask("plan the fusion", () => worker.client.planFusion(draftOf(recipe)));
  const inputs = plan.inputs.map(({ checkpoint, role }) => ({ role, id: checkpoint, path: undefined }));
  const text = planText(plan.id, { method: recipe.method, inputs, tensors: plan.tensors, bytes: plan.bytes });
  terminal.result({ event: "plan", ...plan }, text);
}
