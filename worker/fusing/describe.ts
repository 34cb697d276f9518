import type { FusionDescription, FusionPlanDescription, FusionProgress } from "../../shared/api/fusions.ts";
import { needsStatistics, resolvePlan } from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { gateOfModel } from "../catalog/gates.ts";
import { countParts } from "../catalog/fusion-parts.ts";
import type { FusionRecord } from "../catalog/fusions.ts";
import type { ModelRecord } from "../catalog/models.ts";
import { describeGate } from "../gating/describe.ts";
import { partBytesOf, partCount } from "./part-layout.ts";
import type { PreparedFusion } from "./prepare.ts";
import type { ServedModel } from "./served-model.ts";

/** A fusion as the API shows it. */
export async function describeFused(catalog: D1Database, fused: ServedModel): Promise<FusionDescription> {
  const { id } = fused.kind === "stored" ? fused.record : fused.fusion;
  const found = await gateOfModel(catalog, id);
  const gate = found === undefined ? null : describeGate(found);
  return fused.kind === "stored" ? describeModel(fused.record, gate) : describePending(catalog, fused.fusion, gate);
}

function describeModel(
  { id, recipe, bytes, sha256, dataSha256, visibility, createdAt }: ModelRecord,
  gate: FusionDescription["gate"],
): FusionDescription {
  const parts = partCount(bytes, partBytesOf(bytes));
  return {
    id,
    state: "succeeded",
    recipe,
    bytes,
    sha256,
    progress: { bytesDone: bytes, bytes, partsDone: parts, parts },
    problem: null,
    visibility,
    gate,
    createdAt,
    links: linksOf(id, dataSha256 !== null),
  };
}

async function describePending(
  catalog: D1Database,
  fusion: FusionRecord,
  gate: FusionDescription["gate"],
): Promise<FusionDescription> {
  const { id, recipe, state, bytes, problem, visibility, createdAt, hasWeightsForm } = fusion;
  return {
    id,
    state,
    recipe,
    bytes,
    sha256: null,
    progress: await progressOf(catalog, fusion),
    problem,
    visibility,
    gate,
    createdAt,
    links: linksOf(id, hasWeightsForm),
  };
}

async function progressOf(
  catalog: D1Database,
  { id, uploadId, bytes, partBytes }: FusionRecord,
): Promise<FusionProgress> {
  const done = uploadId === null ? { parts: 0, bytes: 0 } : await countParts(catalog, id, uploadId);
  return { bytesDone: done.bytes, bytes, partsDone: done.parts, parts: partCount(bytes, partBytes) };
}

function linksOf(id: ModelId, hasWeightsForm: boolean): FusionDescription["links"] {
  const [model, fusion] = [`/models/${id}`, `/v1/fusions/${id}`];
  return {
    self: fusion,
    events: `${fusion}/events`,
    plan: `${fusion}/plan`,
    model: `${model}/model.safetensors`,
    manifest: `${model}/manifest.json`,
    topology: hasWeightsForm ? `${model}/model.json` : null,
  };
}

/** What a dry run shows: every tensor's place and coefficients, before anything is computed. */
export function describePlan(
  id: ModelId,
  { plan, files, inputBytes }: PreparedFusion,
  inlineBytes: number,
): FusionPlanDescription {
  const { layout, elements } = plan;
  const partBytes = partBytesOf(layout.fileLength);
  const places = new Map(layout.tensors.map((tensor) => [tensor.name, tensor]));
  const resolved = resolvePlan(plan);
  return {
    id,
    recipe: plan.recipe as FusionPlanDescription["recipe"],
    bytes: layout.fileLength,
    inputBytes,
    dataOffset: layout.dataOffset,
    elements,
    path: inputBytes > inlineBytes ? "workflow" : "inline",
    parts: { bytes: partBytes, count: partCount(layout.fileLength, partBytes) },
    needsStatistics: needsStatistics(plan),
    inputs: resolved.inputs.map((input) => ({
      checkpoint: input.id,
      role: input.role,
      bytes: files.get(input.id)?.bytes ?? 0,
    })),
    tensors: resolved.tensors.map(({ name, dtype, shape, treatment, parameters, inputs, coefficients }) => {
      const place = places.get(name);
      return {
        name,
        dtype,
        shape: [...shape],
        begin: layout.dataOffset + (place?.begin ?? 0),
        end: layout.dataOffset + (place?.end ?? 0),
        treatment,
        ...(parameters === undefined ? {} : { parameters: { ...parameters } }),
        ...(inputs === undefined ? {} : { inputs: inputs.map((input) => ({ ...input })) }),
        ...(coefficients === undefined ? {} : { coefficients: [...coefficients] }),
      };
    }),
  };
}
