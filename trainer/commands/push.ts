import { defineCommand } from "../command-line/command.ts";
import { choice, flag } from "../command-line/options.ts";
import { openPusher, pushedText, pushTarget } from "../storage/push-checkpoint.ts";

export const push = defineCommand({
  name: "push",
  summary: "upload checkpoints and register them",
  description:
    "Uploads checkpoints to a worker, skipping those that it has. With settings of S3 they go to the bucket as\n" +
    "checkpoints/<sha256>.safetensors and are registered; without, they go through the worker's API, large ones in parts,\n" +
    "and an upload that broke off goes on where it stopped. Settings come from the environment, never from arguments:\n" +
    "EDGEFUSE_URL, EDGEFUSE_TOKEN; for S3 also EDGEFUSE_S3_ENDPOINT, EDGEFUSE_S3_BUCKET, AWS_ACCESS_KEY_ID,\n" +
    "AWS_SECRET_ACCESS_KEY.",
  operands: {
    placeholder: "FILE...",
    help: "safetensors files; through the API also folders or indexes of sharded ones and TF.js model.json",
    least: 1,
  },
  options: {
    via: choice(["auto", "s3", "api"], {
      help: "which way; auto takes S3 where its settings are in the environment",
      fallback: "auto",
    }),
    "upload-only": flag("to the bucket only: do not register (EDGEFUSE_URL and EDGEFUSE_TOKEN are not needed then)"),
  },
  examples: [
    { what: "everything a training run wrote", line: "edgefuse push checkpoints/*.safetensors" },
    { what: "through the worker, whatever is set", line: "edgefuse push --via api checkpoints/a.safetensors" },
    { what: "to the bucket only", line: "edgefuse push --upload-only checkpoints/a.safetensors --json" },
  ],
  async run(values, paths, context) {
    const { terminal, environment, signal } = context;
    const target = pushTarget(environment, { uploadOnly: values["upload-only"], via: values.via });
    const pusher = openPusher(target, context);
    terminal.note(`pushing to ${pusher.where}`);
    try {
      for (const path of paths) {
        signal.throwIfAborted();
        const pushed = await pusher.push(path);
        terminal.result({ event: "pushed", ...pushed }, pushedText(pushed));
      }
    } finally {
      pusher.close();
    }
  },
});
