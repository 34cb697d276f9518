import type { CommandRegistry } from "../command-line/run-command.ts";

/** Every command of `edgefuse`, in the order of the help page. A new one is a file beside this and a line here. */
export const COMMANDS: CommandRegistry = new Map([
  [
    "train",
    { summary: "train a family of checkpoints that fuse", load: async () => (await import("./train.ts")).train },
  ],
  [
    "shard",
    { summary: "write validation shards from a dataset", load: async () => (await import("./shard.ts")).shard },
  ],
  [
    "experiment",
    {
      summary: "the paper's studies of barriers, with tables and pictures",
      load: async () => (await import("./experiment.ts")).experiment,
    },
  ],
  ["fuse", { summary: "fuse checkpoints, here or on a worker", load: async () => (await import("./fuse.ts")).fuse }],
  [
    "probe",
    {
      summary: "measure what lies between models, here or on a worker",
      load: async () => (await import("./probe.ts")).probe,
    },
  ],
  [
    "soup",
    {
      summary: "average the checkpoints that make the average better",
      load: async () => (await import("./soup.ts")).soup,
    },
  ],
  ["push", { summary: "upload checkpoints and register them", load: async () => (await import("./push.ts")).push }],
  [
    "pull",
    { summary: "download a model or checkpoint from a worker", load: async () => (await import("./pull.ts")).pull },
  ],
  [
    "alias",
    { summary: "name models, move names, roll them back", load: async () => (await import("./alias.ts")).alias },
  ],
  ["jobs", { summary: "submit, watch and cancel jobs", load: async () => (await import("./jobs.ts")).jobs }],
  ["agent", { summary: "do jobs that a worker gives out", load: async () => (await import("./agent.ts")).agent }],
  ["token", { summary: "make, list and revoke access tokens", load: async () => (await import("./token.ts")).token }],
]);
