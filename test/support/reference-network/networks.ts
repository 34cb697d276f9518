import type { Architecture } from "../../../shared/models/index.ts";
import {
  add,
  attend,
  batchMoments,
  batchNorm,
  convolve,
  dense,
  filled,
  gelu,
  halve,
  layerNorm,
  meanOverPositions,
  product,
  relu,
  reshaped,
  strideAndPad,
  type Values,
} from "./operations.ts";

/** Weights in float64, by their checkpoint names. */
export type ReferenceWeights = ReadonlyMap<string, Values>;

type Weight = (name: string) => Values;

/** Gets what a batch normalisation, by its name, found its input to be; in training only. */
export type MomentsObserver = (layer: string, moments: { readonly mean: Values; readonly variance: Values }) => void;

interface Mode {
  readonly training: boolean;
  readonly observe: MomentsObserver | undefined;
}

/** Plain 3 x 3 convolutions a group, as the table of the VGG paper has them, at width 64. */
const VGG: Readonly<Record<number, string>> = {
  11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
  13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
  16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
  19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
};

/**
 * The logits of an architecture in float64, by loops written from its description: nothing of tfjs, nothing of `shared`
 * but the options' names.
 * @param input [batch, …sample]
 * @param training normalise with the batch's statistics where the network does
 * @param observe hears of those statistics
 */
export function referenceLogits(
  architecture: Architecture,
  weights: ReferenceWeights,
  input: Values,
  training = false,
  observe?: MomentsObserver,
): Values {
  const mode: Mode = { training, observe };
  const weight: Weight = (name) => {
    const found = weights.get(name);
    if (found === undefined) throw new Error(`there is no weight ${name}`);
    return found;
  };
  switch (architecture.architecture) {
    case "mlp":
      return classify(weight, flatten(input), 0, architecture.hidden.length);
    case "cnn": {
      let map = input;
      const last = architecture.channels.length - 1;
      for (let index = 0; index <= last; index++) {
        const kernel = weight(`conv_${index}/kernel`);
        map = relu(add(convolve(map, kernel, 1, "valid"), weight(`conv_${index}/bias`)));
        if (index < last) map = halve(map);
      }
      return classify(weight, flatten(map), last + 1, architecture.hidden.length);
    }
    case "lenet": {
      let map = input;
      for (const index of [0, 1]) {
        map = halve(relu(add(convolve(map, weight(`conv_${index}/kernel`), 1, "same"), weight(`conv_${index}/bias`))));
      }
      return classify(weight, flatten(map), 2, architecture.hidden.length);
    }
    case "vgg": {
      let map = input;
      let index = 0;
      let pools = 0;
      for (const item of VGG[architecture.depth]?.split(" ") ?? []) {
        if (item === "M") {
          if (pools++ < architecture.pools) map = halve(map);
          continue;
        }
        map = convolve(map, weight(`conv_${index}/kernel`), 1, "same");
        if (architecture.norm === "none") map = add(map, weight(`conv_${index}/bias`));
        map = relu(normalize(weight, `norm_${index}`, architecture.norm, map, mode));
        index++;
      }
      return classify(weight, flatten(map), index, architecture.hidden.length);
    }
    case "resnet":
      return resnet(architecture, weight, input, mode);
    case "vit": {
      const patches = dense(
        cutPatches(input, architecture.patch),
        weight("patch_embedding/kernel"),
        weight("patch_embedding/bias"),
      );
      const tokens = architecture.pooling === "mean" ? patches : withFirst(patches, weight("class_token/embedding"));
      const stream = transform(architecture, false, weight, add(tokens, weight("positions/embedding")));
      const pooled = architecture.pooling === "mean" ? meanOverPositions(stream) : firstOf(stream);
      return dense(pooled, weight("output/kernel"), weight("output/bias"));
    }
    case "transformer": {
      const table = weight("tokens/embedding");
      const { width } = architecture;
      const tokens = filled(
        [...input.shape, width],
        (index) => table.data[(input.data[Math.floor(index / width)] ?? 0) * width + (index % width)] ?? Number.NaN,
      );
      const stream = transform(architecture, architecture.causal, weight, add(tokens, weight("positions/embedding")));
      const rows = architecture.pooling === "mean" ? meanOverPositions(stream) : stream;
      return dense(rows, weight("output/kernel"), weight("output/bias"));
    }
  }
}

const flatten = (input: Values) => reshaped(input, [input.shape[0] ?? 0, product(input.shape.slice(1))]);

function classify(weight: Weight, input: Values, first: number, hidden: number): Values {
  let signal = input;
  for (let index = first; index < first + hidden; index++) {
    signal = relu(dense(signal, weight(`hidden_${index}/kernel`), weight(`hidden_${index}/bias`)));
  }
  return dense(signal, weight("output/kernel"), weight("output/bias"));
}

function normalize(weight: Weight, name: string, norm: string, input: Values, mode: Mode): Values {
  if (norm === "none") return input;
  const [gamma, beta] = [weight(`${name}/gamma`), weight(`${name}/beta`)];
  if (norm === "layer") return layerNorm(input, gamma, beta);
  const running = { mean: weight(`${name}/moving_mean`), variance: weight(`${name}/moving_variance`) };
  if (!mode.training) return batchNorm(input, gamma, beta, running);
  const moments = batchMoments(input);
  mode.observe?.(name, moments);
  return batchNorm(input, gamma, beta, moments);
}

function resnet(
  { depth, norm, width, shortcut }: Extract<Architecture, { architecture: "resnet" }>,
  weight: Weight,
  input: Values,
  mode: Mode,
): Values {
  const normed = (name: string, map: Values) => normalize(weight, name, norm, map, mode);
  let stream = relu(normed("stem_norm", convolve(input, weight("stem/kernel"), 1, "same")));
  const perStage = (depth - 2) / 6;
  for (let block = 0; block < 3 * perStage; block++) {
    const name = `block_${block}`;
    const begins = block === perStage || block === 2 * perStage;
    const stride = begins ? 2 : 1;
    const first = relu(normed(`${name}/norm_1`, convolve(stream, weight(`${name}/conv_1/kernel`), stride, "same")));
    const branch = normed(`${name}/norm_2`, convolve(first, weight(`${name}/conv_2/kernel`), 1, "same"));
    let passed = stream;
    if (begins && shortcut === "pad") {
      passed = strideAndPad(stream, width * 2 ** (block / perStage));
    } else if (begins) {
      passed = normed(`${name}/shortcut_norm`, convolve(stream, weight(`${name}/shortcut/kernel`), 2, "same"));
    }
    stream = relu(add(branch, passed));
  }
  return dense(meanOverPositions(stream), weight("output/kernel"), weight("output/bias"));
}

function transform(
  { depth, heads }: { depth: number; heads: number },
  causal: boolean,
  weight: Weight,
  tokens: Values,
): Values {
  const norm = (name: string, input: Values) => layerNorm(input, weight(`${name}/gamma`), weight(`${name}/beta`));
  const linear = (name: string, input: Values) => dense(input, weight(`${name}/kernel`), weight(`${name}/bias`));
  let stream = tokens;
  for (let index = 0; index < depth; index++) {
    const block = `block_${index}`;
    const seen = norm(`${block}/attention_norm`, stream);
    const [query, key, value] = [
      linear(`${block}/attention/query`, seen),
      linear(`${block}/attention/key`, seen),
      linear(`${block}/attention/value`, seen),
    ];
    stream = add(stream, linear(`${block}/attention/output`, attend(query, key, value, heads, causal)));
    const hidden = gelu(linear(`${block}/mlp_up`, norm(`${block}/mlp_norm`, stream)));
    stream = add(stream, linear(`${block}/mlp_down`, hidden));
  }
  return norm("norm", stream);
}

/** [batch, h, w, c] to [batch, patches, patch² c], both in row-major order. */
function cutPatches(input: Values, patch: number): Values {
  const [batch = 0, height = 0, width = 0, channels = 0] = input.shape;
  const columns = width / patch;
  const patches = (height / patch) * columns;
  const size = patch * patch * channels;
  return filled([batch, patches, size], (index) => {
    const [sample, cut, place] = [Math.floor(index / size / patches), Math.floor(index / size) % patches, index % size];
    const y = Math.floor(cut / columns) * patch + Math.floor(place / channels / patch);
    const x = (cut % columns) * patch + (Math.floor(place / channels) % patch);
    return input.data[((sample * height + y) * width + x) * channels + (place % channels)] ?? Number.NaN;
  });
}

function withFirst(tokens: Values, first: Values): Values {
  const [batch = 0, count = 0, width = 0] = tokens.shape;
  return filled([batch, count + 1, width], (index) => {
    const [sample, token, entry] = [
      Math.floor(index / width / (count + 1)),
      Math.floor(index / width) % (count + 1),
      index % width,
    ];
    const value = token === 0 ? first.data[entry] : tokens.data[(sample * count + token - 1) * width + entry];
    return value ?? Number.NaN;
  });
}

function firstOf(tokens: Values): Values {
  const [batch = 0, count = 0, width = 0] = tokens.shape;
  return filled(
    [batch, width],
    (index) => tokens.data[Math.floor(index / width) * count * width + (index % width)] ?? Number.NaN,
  );
}
