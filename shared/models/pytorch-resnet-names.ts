import type { TensorInfo } from "../safetensors/index.ts";
import { type PytorchSource, TensorFinder } from "./pytorch-tensors.ts";
import { residualBlocks, type Resnet } from "./resnet.ts";

const STEM = ["conv1", "conv", "stem", "stem.0", "stem.conv"];
const STEM_NORM = ["bn1", "norm1", "bn", "norm", "stem.1", "stem.bn", "stem.norm", "stem_norm"];
const SHORTCUT = ["shortcut.0", "downsample.0", "shortcut", "downsample", "shortcut.conv", "downsample.conv"];
const SHORTCUT_NORM = [
  "shortcut.1",
  "downsample.1",
  "shortcut.bn",
  "downsample.bn",
  "shortcut.norm",
  "downsample.norm",
];
const OUTPUT = ["fc", "linear", "classifier", "head", "output", "out"];

/** Our roles of a norm, by PyTorch's. */
const NORM_ROLES = [
  ["gamma", "weight"],
  ["beta", "bias"],
  ["moving_mean", "running_mean"],
  ["moving_variance", "running_var"],
] as const;

/**
 * The names of a residual network as torchvision and its many relatives for CIFAR write them: `conv1`, `bn1`, blocks
 * `layer1.0` with `conv1`, `bn1`, `conv2`, `bn2` and `downsample.0`, `downsample.1` (or `shortcut.…`), `fc` (or
 * `linear`).
 */
export function resnetNames(resnet: Resnet, tensors: readonly TensorInfo[]): Map<string, PytorchSource> {
  const finder = new TensorFinder(tensors);
  const names = new Map<string, PytorchSource>();
  const bind = (layer: string, candidates: readonly string[], roles: readonly (readonly [string, string])[]) => {
    const module = finder.module(candidates);
    if (module === undefined) return;
    for (const [ours, theirs] of roles) names.set(`${layer}/${ours}`, { tensor: `${module}.${theirs}` });
  };
  const kernel = [["kernel", "weight"]] as const;
  const normRoles = resnet.norm === "none" ? [] : resnet.norm === "layer" ? NORM_ROLES.slice(0, 2) : NORM_ROLES;
  bind("stem", STEM, kernel);
  bind("stem_norm", STEM_NORM, normRoles);
  const perStage = (resnet.depth - 2) / 6;
  for (const [index, { name, stage, stride }] of residualBlocks(resnet).entries()) {
    const folders = [
      `layer${stage + 1}.${index % perStage}`,
      `layers.${stage}.${index % perStage}`,
      `stages.${stage}.${index % perStage}`,
      `blocks.${index}`,
    ];
    const within = (modules: readonly string[]) =>
      folders.flatMap((folder) => modules.map((module) => `${folder}.${module}`));
    for (const part of [1, 2]) {
      bind(`${name}/conv_${part}`, within([`conv${part}`, `conv_${part}`]), kernel);
      bind(`${name}/norm_${part}`, within([`bn${part}`, `norm${part}`, `norm_${part}`]), normRoles);
    }
    if (stride === 1) continue;
    bind(`${name}/shortcut`, within(SHORTCUT), kernel);
    bind(`${name}/shortcut_norm`, within(SHORTCUT_NORM), normRoles);
  }
  bind("output", OUTPUT, [...kernel, ["bias", "bias"]]);
  return names;
}
