import type { MaskScope } from "../../shared/alignment/mask-plan.ts";
import type { Architecture } from "../../shared/models/architecture.ts";
import { maskScopeOf } from "../../shared/models/layer-scopes.ts";
import {
  choice,
  layerWidths,
  optional,
  repeated,
  text,
  type ValueOption,
  type Values,
} from "../command-line/options.ts";
import type { Dataset } from "../data/dataset.ts";
import { Failure } from "../failure.ts";
import {
  architectureFromJson,
  chooseArchitecture,
  MODEL_NAMES,
  parseSetting,
  type Setting,
} from "../training/choose-architecture.ts";

const setting: ValueOption<Setting> = {
  kind: "value",
  placeholder: "KEY=VALUE",
  help: "of the model, such as depth=20, norm=layer, channels=32,64,64",
  parse: parseSetting,
};

/** Options that say what is trained. Its input and classes are the dataset's. */
export const ARCHITECTURE_OPTIONS = {
  model: optional(choice(MODEL_NAMES, { help: "the architecture (default mlp); see docs/models.md" })),
  hidden: optional(layerWidths({ help: "hidden layers of an mlp, such as 128x6 or 256,128 (default 128x6)" })),
  set: repeated(setting),
  architecture: optional(
    text({ help: "instead of these: JSON, as a checkpoint's edgefuse.model has it", placeholder: "JSON" }),
  ),
};

/**
 * The architecture that the options say, fitted to a dataset.
 * @throws Failure `usage`
 */
export function architectureFromOptions(values: Values<typeof ARCHITECTURE_OPTIONS>, dataset: Dataset): Architecture {
  const { model = "mlp", hidden, set, architecture } = values;
  if (architecture !== undefined) {
    if (values.model !== undefined || hidden !== undefined || set.length > 0) {
      throw new Failure("usage", "--architecture says it all; leave out --model, --hidden and --set.");
    }
    return architectureFromJson(architecture, dataset);
  }
  if (hidden !== undefined && model !== "mlp") {
    throw new Failure("usage", `--hidden belongs to an mlp; for ${model} write --set hidden=…, if it has such layers.`);
  }
  return chooseArchitecture(model, set, dataset, hidden);
}

/**
 * `all`, `first`, `middle`, `last`, or patterns of tensor names, separated by commas: `hidden_*,output/kernel`.
 */
export function scopeFromOption(given: string, architecture: Architecture): MaskScope {
  switch (given) {
    case "all":
      return "all";
    case "first":
    case "middle":
    case "last":
      return maskScopeOf(architecture, given);
    default:
      return { tensors: given.split(",") };
  }
}

/** `--scope`. */
export const scopeOption: ValueOption<string> = {
  kind: "value",
  placeholder: "all|first|middle|last|GLOB,...",
  help: "what the mask covers: everything, one layer, or tensors by name",
  fallback: "all",
  parse(given) {
    if (given.split(",").some((part) => part === "")) {
      throw new Error("all, first, middle, last, or patterns such as hidden_*,output/kernel");
    }
    return given;
  },
};
