import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import { knownDimension, singleShape, singleTensor } from "./single-input.ts";

type LayerWeight = tfl.layers.Layer["weights"][number];
type Arguments = ConstructorParameters<typeof tfl.layers.Layer>[0] & {
  readonly heads: number;
  readonly causal: boolean;
};

/** Far enough below any score that its exponential is exactly 0. */
const FORBIDDEN = -1e9;

const PROJECTIONS = ["query", "key", "value", "output"] as const;
type Projection = (typeof PROJECTIONS)[number];

/**
 * Multi-head self-attention (Vaswani et al., arXiv:1706.03762): [batch, n, width] to the same. Head h has the columns
 * [h d, (h + 1) d) of query, key and value, and those rows of output, with d = width / heads. `causal`: a position sees
 * itself and those before it.
 */
export class SelfAttention extends tfl.layers.Layer {
  static readonly className = "EdgefuseSelfAttention";
  readonly #heads: number;
  readonly #causal: boolean;
  readonly #weights = new Map<Projection, { kernel: LayerWeight; bias: LayerWeight }>();

  constructor(options: Arguments) {
    super(options);
    this.#heads = options.heads;
    this.#causal = options.causal;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const width = knownDimension(singleShape(inputShape), -1);
    for (const projection of PROJECTIONS) {
      const weight = (role: string, shape: number[]) =>
        this.addWeight(`${projection}/${role}`, shape, "float32", tfl.initializers.zeros());
      this.#weights.set(projection, { kernel: weight("kernel", [width, width]), bias: weight("bias", [width]) });
    }
    this.built = true;
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const tokens = singleTensor(inputs);
      const [batch = 0, length = 0, width = 0] = tokens.shape;
      const size = width / this.#heads;
      const rows = tf.reshape(tokens, [batch * length, width]);
      const split = (projection: Projection) => {
        const perHead = tf.reshape(this.#project(projection, rows), [batch, length, this.#heads, size]);
        return tf.reshape(tf.transpose(perHead, [0, 2, 1, 3]), [batch * this.#heads, length, size]);
      };
      // Scaling the queries is less work than scaling the scores.
      const query = tf.mul(split("query"), 1 / Math.sqrt(size));
      const scores = tf.matMul(query, split("key"), false, true);
      const shares = tf.softmax(this.#causal ? tf.add(scores, pastOnly(length)) : scores);
      const mixed = tf.reshape(tf.matMul(shares, split("value")), [batch, this.#heads, length, size]);
      const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * length, width]);
      return tf.reshape(this.#project("output", joined), [batch, length, width]);
    });
  }

  /** [rows, width] to the same. */
  #project(projection: Projection, rows: tf.Tensor): tf.Tensor {
    const weights = this.#weights.get(projection);
    if (weights === undefined) throw new Error(`${this.name} is not built`);
    return tf.add(tf.matMul(rows, weights.kernel.read()), weights.bias.read());
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), heads: this.#heads, causal: this.#causal };
  }
}
tf.serialization.registerClass(SelfAttention);

/** 0 where the key is no later than the query, else far below: [query, key]. */
function pastOnly(length: number): tf.Tensor {
  const values = new Float32Array(length * length);
  for (let query = 0; query < length; query++) values.fill(FORBIDDEN, query * length + query + 1, (query + 1) * length);
  return tf.tensor2d(values, [length, length]);
}
