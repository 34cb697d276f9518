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
  ["fuse", { summary: "fuse checkpoints on this machine", load: async () => (await import("./fuse.ts")).fuse }],
  [
    "push",
    { summary: "upload checkpoints to S3 and register them", load: async () => (await import("./push.ts")).push },
  ],
]);
