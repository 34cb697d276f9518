import { type FusionInput, planFusion, readFusionInput } from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import type { Recipe } from "../../shared/recipe/schema.ts";
import { requireCheckpoint } from "../catalog/checkpoints.ts";
import { findModel, insertModel, type ModelRecord, requireModel } from "../catalog/models.ts";
import { engineOf } from "../engine/engine.ts";
import { KeyedTurns } from "../engine/turns.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { sha256Hex } from "../objects/digest.ts";
import { checkpointKey, manifestKey, modelKey } from "../objects/keys.ts";
import { putOnce } from "../objects/put-once.ts";
import { ObjectSource } from "../objects/source.ts";
import { manifestOf } from "./manifest.ts";
import { storeFusion } from "./store-fusion.ts";

export interface Materialized {
  readonly record: ModelRecord;
  readonly isNew: boolean;
}

/**
 * The same model asked for twice at once is made once: R2 takes one write a second for a key. Across isolates it may be
 * made twice, which gives the same bytes; the first manifest and the first row stay.
 */
const making = new KeyedTurns<ModelId>(30_000);

/**
 * Makes a model unless it exists.
 * @param recipe from `parseRecipe`
 * @param id of the recipe
 * @throws Problem `checkpoint-not-found`, `incompatible-inputs`, `non-finite-values` and all else that planning and
 *   fusing throw; `over-budget`. Nothing is stored then.
 */
export async function materializeModel(
  environment: Environment,
  id: ModelId,
  recipe: Recipe,
  now: () => Date,
): Promise<Materialized> {
  const known = await findModel(environment.CATALOG, id);
  if (known !== undefined) return { record: known, isNew: false };
  return making.run(id, async () => {
    const finished = await findModel(environment.CATALOG, id);
    return finished === undefined ? make(environment, id, recipe, now) : { record: finished, isNew: false };
  });
}

async function make(environment: Environment, id: ModelId, recipe: Recipe, now: () => Date): Promise<Materialized> {
  const { BUCKET, CATALOG } = environment;
  const started = now();
  const inputs = await readInputs(environment, recipe);
  const plan = planFusion(recipe, inputs);
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  const { report, sha256, dataSha256 } = await storeFusion(BUCKET, modelKey(id), plan, engine);
  try {
    const createdAt = now();
    const inputBytes = plan.inputs.map((input) => inputs.find((one) => one.id === input.id)?.header.fileLength ?? 0);
    const milliseconds = createdAt.getTime() - started.getTime();
    const manifest = await storeManifest(
      BUCKET,
      manifestKey(id),
      JSON.stringify(manifestOf({ id, plan, inputBytes, report, sha256, createdAt, milliseconds })),
    );
    const record: ModelRecord = {
      id,
      recipe,
      bytes: plan.layout.fileLength,
      sha256,
      dataOffset: plan.layout.dataOffset,
      dataSha256,
      manifestSha256: await sha256Hex(manifest),
      manifestBytes: manifest.length,
      createdAt: createdAt.toISOString(),
    };
    const isNew = await insertModel(CATALOG, record);
    return { record: isNew ? record : await requireModel(CATALOG, id), isNew };
  } catch (error) {
    // An object without a row would never be served; one with a row, by whomever, must stay.
    if ((await findModel(CATALOG, id)) === undefined) await BUCKET.delete([modelKey(id), manifestKey(id)]);
    throw error;
  }
}

/** Reads the headers of a recipe's inputs, each checkpoint once. */
async function readInputs({ BUCKET, CATALOG }: Environment, recipe: Recipe): Promise<FusionInput[]> {
  const inputs: FusionInput[] = [];
  for (const id of new Set(recipe.inputs.map(({ checkpoint }) => checkpoint))) {
    const { bytes } = await requireCheckpoint(CATALOG, id);
    inputs.push(await readFusionInput(id, new ObjectSource(BUCKET, checkpointKey(id)), bytes));
  }
  return inputs;
}

/** Stores a manifest, unless another isolate was first: then that one's is the model's. */
async function storeManifest(bucket: R2Bucket, key: string, text: string): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  if (await putOnce(bucket, key, bytes, "application/json")) return bytes;
  const first = await bucket.get(key);
  if (first === null) throw new Error(`${key} was there a moment ago`);
  return new Uint8Array(await first.arrayBuffer());
}
