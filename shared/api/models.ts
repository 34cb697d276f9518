import * as z from "zod";
import { aliasName } from "./aliases.ts";
import { fusionDescription, type FusionDescription } from "./fusions.ts";
import { type ModelManifest, modelManifest } from "./manifest.ts";
import { type ProbeDescription, probeDescription } from "./probes.ts";

/** What anyone who may read a model may know of it: the page about it, for machines. */
export const modelDescription = fusionDescription
  .extend({
    alias: aliasName.nullable().describe("By which it was asked for"),
    manifest: modelManifest.nullable().describe("What it was made of and what was found; null until it is stored"),
    probe: probeDescription
      .nullable()
      .describe(
        "What lies between the checkpoints it was made of: its gate's probe, else the newest; null without one",
      ),
    files: z.array(z.string()).describe("Names of its files, below this address"),
    links: fusionDescription.shape.links.extend({
      page: z.string().describe("This address, which browsers get as a page"),
      barrier: z.string().nullable().describe("The probe's picture"),
      badge: z.string().nullable().describe("For a README"),
    }),
  })
  .meta({ id: "Model" });

export type ModelDescription = Omit<FusionDescription, "links"> & {
  alias: z.infer<typeof aliasName> | null;
  manifest: ModelManifest | null;
  probe: ProbeDescription | null;
  files: string[];
  links: FusionDescription["links"] & { page: string; barrier: string | null; badge: string | null };
};
