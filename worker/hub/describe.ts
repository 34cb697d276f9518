import { isPublicModel } from "../auth/readable.ts";
import { modelFileNames, type ModelReader } from "../serving/model-files.ts";
import { headerOf } from "../serving/model-header.ts";
import type { Revision } from "./repository.ts";

/** A revision as `/api/models/…` describes it, as far as clients read it. */
export async function describeRevision(reader: ModelReader, revision: Revision) {
  const { repository, commit, served, modifiedAt } = revision;
  const { createdAt, recipe } = served.kind === "stored" ? served.record : served.fusion;
  const { tensors } = await headerOf(reader.environment, served);
  const parameters: Record<string, number> = {};
  for (const { dtype, shape } of tensors) {
    parameters[dtype] = (parameters[dtype] ?? 0) + shape.reduce((product, size) => product * size, 1);
  }
  const total = Object.values(parameters).reduce((sum, count) => sum + count, 0);
  return {
    _id: commit,
    id: repository,
    modelId: repository,
    sha: commit,
    private: !isPublicModel(served),
    gated: false,
    disabled: false,
    downloads: 0,
    likes: 0,
    createdAt,
    lastModified: modifiedAt,
    tags: ["safetensors", "edgefuse", recipe.method],
    safetensors: { parameters, total },
    siblings: (await modelFileNames(reader, served)).map((rfilename) => ({ rfilename })),
  };
}
