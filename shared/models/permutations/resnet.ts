import { residualBlocks, type Resnet } from "../resnet.ts";
import {
  addDense,
  addNorm,
  type AxisPermutation,
  type PermutationSpec,
  type SpecDraft,
  units,
} from "./specification.ts";

/**
 * The stream of every stage, which all its blocks write to: group `stage_s`; and the channels between the two convolutions
 * of each block: group `block_b/conv_1`.
 *
 * With shortcuts that pad, a stage's stream begins with the channels of the stage before, in their order: its axis is
 * `stage_0` and behind it the channels that each stage added, the groups `stage_1` and `stage_2`.
 */
export function resnetPermutations(resnet: Resnet): PermutationSpec {
  const { norm, width, shortcut } = resnet;
  const spec: SpecDraft = { groups: {}, weights: {} };
  const streams = shortcut === "pad" ? addPaddedStages(spec, width) : addFreeStages(spec, width);
  const [first] = streams;
  spec.weights["stem/kernel"] = [null, null, null, first];
  addNorm(spec, "stem_norm", norm, first);
  let stream: AxisPermutation = first;
  for (const { name, stage, stride, filters } of residualBlocks(resnet)) {
    const between = `${name}/conv_1`;
    const own = streams[stage] ?? first;
    spec.groups[between] = filters;
    spec.weights[`${name}/conv_1/kernel`] = [null, null, stream, units(between)];
    addNorm(spec, `${name}/norm_1`, norm, units(between));
    spec.weights[`${name}/conv_2/kernel`] = [null, null, units(between), own];
    addNorm(spec, `${name}/norm_2`, norm, own);
    if (stride === 2 && shortcut !== "pad") {
      spec.weights[`${name}/shortcut/kernel`] = [null, null, stream, own];
      addNorm(spec, `${name}/shortcut_norm`, norm, own);
    }
    stream = own;
  }
  addDense(spec, "output", stream, null);
  return spec;
}

type Streams = readonly [AxisPermutation, AxisPermutation, AxisPermutation];

function addFreeStages({ groups }: SpecDraft, width: number): Streams {
  Object.assign(groups, { stage_0: width, stage_1: 2 * width, stage_2: 4 * width });
  return [units("stage_0"), units("stage_1"), units("stage_2")];
}

function addPaddedStages({ groups }: SpecDraft, width: number): Streams {
  Object.assign(groups, { stage_0: width, stage_1: width, stage_2: 2 * width });
  return [units("stage_0"), units("stage_0", "stage_1"), units("stage_0", "stage_1", "stage_2")];
}
