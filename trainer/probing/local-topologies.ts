import { readFile } from "node:fs/promises";
import type { DescribedTopology } from "../../shared/evaluation/topology/topology.ts";
import { describeLocalTopology, type LocalTopologies } from "./bind-models.ts";
import { naming } from "./local-models.ts";

/**
 * The topology of a line's `--topology`; needs a tfjs backend.
 * @throws Failure naming the file
 */
export async function localTopology(path: string): Promise<DescribedTopology> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw naming(path, error);
  });
  return describeLocalTopology(path, bytes);
}

/** Topologies by their ids. */
export function topologiesOf(described: readonly DescribedTopology[]): LocalTopologies {
  return new Map(described.map((topology) => [topology.id, topology]));
}
