import type { AliasName } from "../../shared/api/aliases.ts";
import { type ModelManifest, modelManifest } from "../../shared/api/manifest.ts";
import type { ModelDescription } from "../../shared/api/models.ts";
import { type Architecture, readArchitecture } from "../../shared/models/architecture.ts";
import { Problem } from "../../shared/problem.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { isPublicModel } from "../auth/readable.ts";
import { describeFused } from "../fusing/describe.ts";
import type { ServedModel } from "../fusing/served-model.ts";
import { manifestKey } from "../objects/keys.ts";
import { modelFileNames, type ModelReader } from "../serving/model-files.ts";
import { headerOf } from "../serving/model-header.ts";
import { probeOfModel } from "./model-probe.ts";

/** Everything that the page about a model says. */
export interface ModelFacts {
  readonly description: ModelDescription;
  /** What the network is, where the file says so. */
  readonly architecture: Architecture | null;
  /** Of the file; null where there is none to be read. */
  readonly size: { readonly tensors: number; readonly parameters: number } | null;
}

/**
 * Reads what is to be told of a model, in whatever state it is.
 *
 * Of a public model everyone is told the same, so its page may lie in shared caches. Why its making failed is not among
 * it: that may name what is in the inputs.
 */
export async function factsOfModel(
  reader: ModelReader,
  served: ServedModel,
  alias: AliasName | null,
): Promise<ModelFacts> {
  const { BUCKET, CATALOG } = reader.environment;
  const described = await describeFused(CATALOG, served);
  const { id, recipe, gate, links } = described;
  const canBeRead = served.kind === "stored" || ["lazy", "queued", "running"].includes(served.fusion.state);
  const [manifest, probe, header] = await Promise.all([
    manifestOfModel(BUCKET, served),
    probeOfModel(reader.environment, recipe, gate?.probe),
    canBeRead ? readHeader(reader, served) : undefined,
  ]);
  const files = header === undefined ? [] : await modelFileNames(reader, served);
  const page = alias === null ? `/models/${id}` : `/models/@${alias}`;
  return {
    description: {
      ...described,
      problem: isPublicModel(served) ? null : described.problem,
      alias,
      manifest,
      probe: probe ?? null,
      files: [...files],
      links: {
        ...links,
        page,
        barrier: probe === undefined ? null : `/models/${id}/barrier.svg`,
        badge: probe === undefined ? null : `/models/${id}/badge.svg`,
      },
    },
    architecture: architectureOf(header),
    size:
      header === undefined
        ? null
        : {
            tensors: header.tensors.length,
            parameters: header.tensors.reduce((sum, { shape }) => sum + shape.reduce((all, one) => all * one, 1), 0),
          },
  };
}

/** @returns null of a model that is not stored, and where the bucket has lost it: the page tells what else is known */
export async function manifestOfModel(bucket: R2Bucket, served: ServedModel): Promise<ModelManifest | null> {
  if (served.kind !== "stored") return null;
  const object = await bucket.get(manifestKey(served.record.id));
  return object === null ? null : modelManifest.parse(await object.json());
}

/** @returns undefined where an input has changed or gone, so that nothing can be read of the model */
async function readHeader(reader: ModelReader, served: ServedModel): Promise<SafetensorsHeader | undefined> {
  try {
    return await headerOf(reader.environment, served);
  } catch (error) {
    if (error instanceof Problem && error.code !== "over-budget") return undefined;
    throw error;
  }
}

function architectureOf(header: SafetensorsHeader | undefined): Architecture | null {
  if (header === undefined) return null;
  try {
    return readArchitecture(header.metadata);
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}
