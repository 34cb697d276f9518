import { choice, optional, several, text, wholeNumber } from "../command-line/options.ts";
import { Failure } from "../failure.ts";
import type { EvaluationValues } from "../probing/evaluation-values.ts";

/** Options of commands that evaluate models: on what, and how. */
export const EVALUATION_OPTIONS = {
  shards: several(
    text({
      help: "validation shards: files, or folders of them; with --remote also ids of the worker's",
      placeholder: "FILE",
    }),
  ),
  dataset: optional(
    text({
      help: "instead: the validation split of a dataset such as glyphs; with --remote a dataset of the worker's, such as digits or digits@3",
      placeholder: "NAME",
    }),
  ),
  "data-dir": optional(
    text({ help: "folder with the dataset's files; without it they are downloaded and cached", placeholder: "DIR" }),
  ),
  statistics: choice(["interpolated", "recomputed"], {
    help: "running statistics of batch normalisation: mixed like weights, or recomputed on --calibration",
    fallback: "interpolated",
  }),
  calibration: optional(text({ help: "shard that statistics are recomputed on", placeholder: "FILE" })),
  as: optional(
    text({
      help: 'how weights are to be read where the files do not say: pytorch, or JSON such as {"layout":"pytorch","architecture":{…}}, or a file of it',
      placeholder: "FORM",
    }),
  ),
  topology: optional(text({ help: "model.json of the TF.js model that the weights belong to", placeholder: "FILE" })),
  batch: optional(wholeNumber(1, 4096, { help: "samples at a time; bounds memory, changes no result" })),
};

/**
 * Checks what can be checked before anything is read.
 * @throws Failure `usage`
 */
export function checkEvaluationOptions(values: EvaluationValues, command: string): void {
  const usage = (message: string) => new Failure("usage", `${message} See edgefuse ${command} --help.`);
  const { shards, dataset, statistics, calibration } = values;
  if ((shards.length === 0) === (dataset === undefined)) {
    throw usage(shards.length === 0 ? "--shards FILE... or --dataset NAME is needed." : "Give --shards or --dataset.");
  }
  if (values["data-dir"] !== undefined && dataset === undefined) throw usage("--data-dir goes with --dataset.");
  if (statistics === "recomputed" && calibration === undefined) {
    throw usage("--calibration FILE is needed: the shard that statistics are recomputed on.");
  }
  if (statistics === "interpolated" && calibration !== undefined) {
    throw usage("--calibration goes with --statistics recomputed.");
  }
}
