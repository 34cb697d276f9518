import type { SoupSelection } from "../../shared/api/soup-trace.ts";
import {
  learnedBudget,
  searchSoup,
  soupCandidate,
  soupIdOf,
  type SoupKind,
  type SoupOutcome,
  soupRecipe,
} from "../../shared/fusion/soup/index.ts";
import { type FusionEngine, planFusion } from "../../shared/fusion/index.ts";
import type { ModelManifest } from "../../shared/api/manifest.ts";
import { checkpointId } from "../../shared/identity.ts";
import type { CommandContext } from "../command-line/command.ts";
import { ProgressBar } from "../command-line/progress-bar.ts";
import { LocalFiles } from "../fusing/local-files.ts";
import { writeFusion } from "../fusing/write-fusion.ts";
import type { LocalModel } from "../probing/local-models.ts";
import { CandidateMixtures, type HeldOut } from "./mixtures.ts";

/** A soup to be made on this machine. */
export interface LocalSoup {
  readonly kind: SoupKind;
  /** Candidates, each once. */
  readonly models: readonly LocalModel[];
  readonly heldOut: HeldOut;
  readonly statistics: "interpolated" | "recomputed";
}

/** What a search on this machine came to. */
export interface ChosenSoup extends Pick<SoupOutcome, "shares" | "measure"> {
  readonly selection: SoupSelection;
}

/**
 * Chooses what goes into a soup, on the current tfjs backend, as a worker would, down to the soup's id.
 * @throws Problem `no-soup` with the trace; the signal's reason
 */
export async function chooseSoup(
  { kind, models, heldOut, statistics }: LocalSoup,
  { terminal, signal }: Pick<CommandContext, "terminal" | "signal">,
): Promise<ChosenSoup> {
  const { shards, calibration, form } = heldOut;
  const progress = new ProgressBar(terminal, () => performance.now());
  const mixtures = await CandidateMixtures.of(models, heldOut);
  try {
    progress.begin(`${kind} soup`, shards.length * mostTrials(kind, models.length));
    const outcome = await searchSoup(
      kind,
      models.map(({ id, header }) => soupCandidate(id, header)),
      (shares) => mixtures.measure(shares, () => progress.advance(1), signal),
    );
    progress.end();
    const soup = soupIdOf({
      kind,
      candidates: models.map(({ id }) => id),
      shards: shards.map(({ id }) => id),
      statistics,
      calibration: calibration?.id,
      as: form,
    });
    const { shares, measure, trace } = outcome;
    const { accuracy, loss } = measure;
    return { shares, measure, selection: { soup, kind, accuracy, loss, trace: [...trace] } };
  } finally {
    mixtures.dispose();
  }
}

/** Evaluations that a search takes at most. */
function mostTrials(kind: SoupKind, candidates: number): number {
  const greedy = 2 * candidates - 1;
  switch (kind) {
    case "uniform":
      return candidates + 1;
    case "greedy":
      return greedy;
    case "learned":
      return greedy + learnedBudget(candidates);
    default:
      return kind satisfies never;
  }
}

/**
 * Fuses what was chosen into one file, whose manifest has the trace.
 * @throws Failure; Problem as planning and fusing do
 */
export async function writeSoup(
  { shares, selection }: ChosenSoup,
  models: readonly LocalModel[],
  target: { readonly path: string; readonly force: boolean; readonly manifest: string | undefined },
  engine: FusionEngine,
  context: Pick<CommandContext, "terminal" | "signal">,
): Promise<ModelManifest> {
  const pathOf = new Map(models.map(({ id, path }) => [id, path]));
  const paths = shares.flatMap(({ candidate }) => pathOf.get(candidate) ?? []);
  const recipe = soupRecipe(selection.soup, { shares });
  const files = await LocalFiles.open({ inputs: paths, base: undefined, statistics: [] });
  try {
    // The shares are in the order of ids, and so are the stand-ins of the files that are opened in it.
    const ids = files.ids.inputs;
    const standIn = {
      ...recipe,
      inputs: recipe.inputs.map((input, index) => ({ ...input, checkpoint: checkpointId.parse(ids[index]) })),
    };
    const { layout } = planFusion(standIn, files.inputs);
    const job = { files, recipeOf: () => recipe, layout };
    const { manifest } = await writeFusion(job, { ...target, selection }, Promise.resolve(engine), context);
    return manifest;
  } catch (error) {
    throw files.explain(error);
  } finally {
    await files.close();
  }
}
