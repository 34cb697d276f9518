import { type Architecture, architectureSchema } from "../../shared/models/index.ts";

export interface TrainingCase {
  readonly name: string;
  readonly architecture: Architecture;
  readonly batch: number;
  /** Its name in `pytorch-training.py`. */
  readonly pytorch: string;
  /** Rounds of one step each of plain, masked and PyTorch. */
  readonly rounds: number;
  /** Steps of stock tfjs-wasm, spread over the rounds; they are slow. */
  readonly stockSteps: number;
}

const [images, digits] = [
  [32, 32, 3],
  [28, 28, 1],
];
const vit = { architecture: "vit", input: images, patch: 4, width: 64, depth: 4, heads: 4, pooling: "mean" };

export const TRAINING_CASES: readonly TrainingCase[] = [
  {
    name: "MLP 784-1024-1024-10, batch 128",
    architecture: architectureSchema.parse({ architecture: "mlp", input: digits, hidden: [1024, 1024], classes: 10 }),
    batch: 128,
    pytorch: "mlp-wide",
    rounds: 40,
    stockSteps: 5,
  },
  {
    name: "MLP 784-6x128-10, batch 100",
    architecture: architectureSchema.parse({
      architecture: "mlp",
      input: digits,
      hidden: Array<number>(6).fill(128),
      classes: 10,
    }),
    batch: 100,
    pytorch: "mlp-deep",
    rounds: 200,
    stockSteps: 20,
  },
  {
    name: "CNN 32-64-64 on 32 x 32 x 3, batch 64",
    architecture: architectureSchema.parse({ architecture: "cnn", input: images, classes: 10 }),
    batch: 64,
    pytorch: "cnn",
    rounds: 40,
    stockSteps: 5,
  },
  {
    name: "ViT, 64 patches, width 64, depth 4, heads 4, batch 64",
    architecture: architectureSchema.parse({ ...vit, classes: 10 }),
    batch: 64,
    pytorch: "vit",
    rounds: 16,
    stockSteps: 3,
  },
];
