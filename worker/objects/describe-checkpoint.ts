import { readAlignment } from "../../shared/alignment/metadata.ts";
import type { CheckpointDescription, CheckpointSummary } from "../../shared/api/checkpoints.ts";
import { type CheckpointId, topologyId } from "../../shared/identity.ts";
import { type Architecture, MODEL_KEY, readArchitecture } from "../../shared/models/architecture.ts";
import { TOPOLOGY_KEY } from "../../shared/models/form-keys.ts";
import { familyOf, readTrainingFacts } from "../../shared/models/training-facts.ts";
import { Problem } from "../../shared/problem.ts";
import { elementCount, type SafetensorsHeader } from "../../shared/safetensors/index.ts";

/** What a checkpoint's header says, for the catalog. */
export function summarizeCheckpoint(
  { id, name }: { id: CheckpointId; name: string | null },
  header: SafetensorsHeader,
  createdAt: string,
): CheckpointSummary {
  const alignment = readAlignment(header.metadata) ?? null;
  return {
    id,
    name,
    bytes: header.fileLength,
    tensors: header.tensors.length,
    elements: header.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    dtypes: [...new Set(header.tensors.map(({ dtype }) => dtype))].sort(),
    architecture: knownArchitecture(header)?.architecture ?? null,
    topology: topologyId.safeParse(header.metadata[TOPOLOGY_KEY]).data ?? null,
    alignment,
    family: alignment === null ? null : familyOf(alignment),
    ...readTrainingFacts(header.metadata),
    createdAt,
  };
}

export function describeCheckpoint(summary: CheckpointSummary, header: SafetensorsHeader): CheckpointDescription {
  return {
    ...summary,
    architecture: knownArchitecture(header) ?? null,
    metrics: { ...summary.metrics },
    metadata: { ...header.metadata },
    header: header.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
  };
}

/** Checkpoints of other tools declare no architecture, and need none to be fused. */
function knownArchitecture({ metadata }: SafetensorsHeader): Architecture | undefined {
  if (metadata[MODEL_KEY] === undefined) return undefined;
  try {
    return readArchitecture(metadata);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
