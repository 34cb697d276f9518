/** How the values of one weight are drawn. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  /** Uniform in ±bound. */
  | { readonly kind: "uniform"; readonly bound: number }
  /** Mean 0. */
  | { readonly kind: "normal"; readonly deviation: number };

/** A weight as the rules see it. */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The initializer of one weight of a model, given all of them. */
export type InitializerRule = (weight: NamedShape, all: readonly NamedShape[]) => Initializer;

/** Deviation of embeddings, as in BERT and the vision transformer. */
const EMBEDDING_DEVIATION = 0.02;

/**
 * Uniform in ±1/sqrt(fan-in), kernels and biases: PyTorch's default for linear layers and convolutions and the start of the
 * reference runs (He's rule with a = sqrt 5; He et al., arXiv:1502.01852). A bias shares its kernel's fan-in.
 */
export const pytorchDefault: InitializerRule = ({ name }, all) => {
  const kernelName = name.replace(/\/bias$/, "/kernel");
  const kernel = all.find((weight) => weight.name === kernelName);
  if (kernel === undefined) throw new Error(`no kernel beside ${name}`);
  return { kind: "uniform", bound: 1 / Math.sqrt(fanIn(kernel.shape)) };
};

/**
 * VGG: kernels of layers before a ReLU normal with deviation sqrt(2 / fan-in), their biases 0 (He et al.,
 * arXiv:1502.01852): with PyTorch's default the signal would fall to a sixth with every layer. The logits' layer as PyTorch.
 */
export const vggRule: InitializerRule = (weight, all) => {
  if (isOutput(weight)) return pytorchDefault(weight, all);
  return normRule(weight) ?? (isBias(weight) ? ZERO : he(weight));
};

/**
 * ResNet: as VGG. Shortcut convolutions have no ReLU behind them, so their deviation is sqrt(1 / fan-in). Without norm, the
 * last convolution of each of B branches is smaller by 1 / sqrt(B), so that B sums keep the signal's size (Hanin & Rolnick,
 * arXiv:1803.01719; Fixup, arXiv:1901.09321, sets it to 0, but then a frozen entry would be a pruned one).
 */
export const resnetRule: InitializerRule = (weight, all) => {
  if (isOutput(weight)) return pytorchDefault(weight, all);
  const norm = normRule(weight);
  if (norm !== undefined) return norm;
  if (weight.name.endsWith("/shortcut/kernel")) return normal(Math.sqrt(1 / fanIn(weight.shape)));
  const hasNorm = all.some(({ name }) => name.endsWith("/gamma"));
  const isLast = weight.name.endsWith("/conv_2/kernel");
  if (hasNorm || !isLast) return he(weight);
  const branches = all.filter(({ name }) => name.endsWith("/conv_2/kernel")).length;
  return normal(Math.sqrt(2 / fanIn(weight.shape) / branches));
};

/**
 * Transformers: embeddings (tokens, positions, class token) normal with deviation 0.02; the patch embedding as PyTorch's
 * convolution; all other kernels uniform in ±sqrt(6 / (fan-in + fan-out)) (Glorot & Bengio 2010, as the vision transformer's
 * reference code); their biases 0.
 */
export const transformerRule: InitializerRule = (weight, all) => {
  if (weight.name.endsWith("/embedding")) return normal(EMBEDDING_DEVIATION);
  if (weight.name.startsWith("patch_embedding/")) return pytorchDefault(weight, all);
  return normRule(weight) ?? (isBias(weight) ? ZERO : glorot(weight));
};

const ZERO: Initializer = { kind: "constant", value: 0 };
const ONE: Initializer = { kind: "constant", value: 1 };

/** Scale and running variance 1, shift and running mean 0; `undefined` for what is no norm's weight. */
function normRule({ name }: NamedShape): Initializer | undefined {
  switch (name.slice(name.lastIndexOf("/") + 1)) {
    case "gamma":
    case "moving_variance":
      return ONE;
    case "beta":
    case "moving_mean":
      return ZERO;
    default:
      return undefined;
  }
}

const isOutput = ({ name }: NamedShape) => name.startsWith("output/");
const isBias = ({ name }: NamedShape) => name.endsWith("/bias");

const normal = (deviation: number): Initializer => ({ kind: "normal", deviation });
const he = ({ shape }: NamedShape) => normal(Math.sqrt(2 / fanIn(shape)));

function glorot({ shape }: NamedShape): Initializer {
  return { kind: "uniform", bound: Math.sqrt(6 / (fanIn(shape) + (shape.at(-1) ?? 0))) };
}

/** Inputs that reach one unit: all dimensions of its kernel but the last. */
function fanIn(shape: readonly number[]): number {
  return shape.slice(0, -1).reduce((product, dimension) => product * dimension, 1);
}
