import { defineCommand } from "../command-line/command.ts";
import { flag, optional, text } from "../command-line/options.ts";
import { Failure } from "../failure.ts";
import { ByteProgress, byteSize } from "../fusing/byte-progress.ts";
import { workerOf } from "../remote/connect.ts";
import { findRemote } from "../remote/find-remote.ts";
import { type Pulled, pullThing, readManifest } from "../remote/pull-model.ts";
import { baseNameOf, parseReference } from "../remote/reference.ts";
import { writeAtomically } from "../storage/atomic-file.ts";

export const pull = defineCommand({
  name: "pull",
  summary: "download a model or checkpoint from a worker",
  description:
    "Downloads a fused model, by its alias or id, or a checkpoint by its id, and verifies its SHA-256. A download that\n" +
    "breaks off goes on where it stopped, also when the command is run again. A model that comes in shards becomes a\n" +
    "folder with an index. An output called model.json is the TF.js form, with its weights beside it.\n" +
    "The worker is EDGEFUSE_URL; public models need no token, all else needs EDGEFUSE_TOKEN.",
  operands: {
    placeholder: "WHAT",
    help: "an alias (digits, team/digits, digits@v3) or the id of a model or checkpoint",
    least: 1,
  },
  options: {
    output: optional(
      text({
        help: "file or folder to write (default: named for WHAT, in this folder); model.json for the TF.js form",
        placeholder: "PATH",
        short: "o",
      }),
    ),
    manifest: optional(text({ help: "also write what the model was made of, as JSON", placeholder: "FILE" })),
    force: flag("replace the output if it exists"),
  },
  examples: [
    { what: "what an alias points at", line: "edgefuse pull team/digits -o digits.safetensors" },
    { what: "what it pointed at before", line: "edgefuse pull team/digits@v3" },
    { what: "for TF.js", line: "edgefuse pull digits -o web/model.json" },
  ],
  async run(values, operands, context) {
    const [operand = "", ...more] = operands;
    if (more.length > 0) throw new Failure("usage", `One at a time: ${more.join(" ")} is too much.`);
    const reference = parseReference(operand);
    const worker = workerOf(context, { needsToken: false });
    const { terminal, signal } = context;
    const thing = await findRemote(worker, reference);
    if (values.manifest !== undefined && thing.kind === "checkpoint") {
      throw new Failure("usage", `--manifest: ${operand} is a checkpoint, and only fused models have one.`);
    }
    const progress = new ByteProgress(terminal, () => performance.now());
    const target = { output: values.output, name: baseNameOf(reference) };
    const pulled = await pullThing(worker, thing, target, { force: values.force, signal, progress });
    if (values.manifest !== undefined && thing.kind === "model") {
      await writeAtomically(values.manifest, await readManifest(worker, thing.id));
    }
    if (!pulled.verified) {
      terminal.note("The worker does not know the digest yet, so the bytes were not compared with it.");
    }
    const { path, files, sha256, verified } = pulled;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const kept = files.reduce((sum, file) => sum + file.kept, 0);
    const value = { event: "pulled", kind: thing.kind, id: thing.id, path, sha256, bytes, kept, verified, files };
    terminal.result(value, `${sha256 ?? thing.id}  ${path}  ${byteSize(bytes)}${remark(pulled, bytes, kept)}`);
  },
});

function remark({ files, verified }: Pulled, bytes: number, kept: number): string {
  return [
    ...(files.length > 1 ? [`${files.length} files`] : []),
    ...(kept === bytes ? ["there already"] : kept > 0 ? [`${byteSize(kept)} of it from before`] : []),
    verified ? "verified" : "not verified",
  ]
    .map((word) => `, ${word}`)
    .join("");
}
