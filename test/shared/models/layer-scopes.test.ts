import { beforeAll, describe, expect, it } from "vitest";
import {
  type Architecture,
  architectureSchema,
  buildModel,
  type LayerScope,
  maskScopeOf,
  weightSpecs,
} from "../../../shared/models/index.ts";
import { fitsPattern } from "../../../shared/recipe/tensor-number.ts";
import { useCpuBackend } from "../../support/cpu-backend.ts";
import { TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";

const SCOPES = ["first", "middle", "last"] as const;

/** Layers that a scope touches, such as `conv_0`. */
function layersIn(architecture: Architecture, scope: LayerScope): string[] {
  const model = buildModel(architecture);
  const { tensors } = maskScopeOf(architecture, scope);
  const names = weightSpecs(model)
    .map(({ name }) => name)
    .filter((name) => tensors.some((pattern) => fitsPattern(pattern, name)));
  // Every pattern is there for something.
  for (const pattern of tensors) {
    const touches = names.some((name) => fitsPattern(pattern, name));
    expect(touches, pattern).toBe(true);
  }
  model.dispose();
  return [...new Set(names.map((name) => name.slice(0, name.indexOf("/"))))];
}

describe("the first, middle and last layer", () => {
  beforeAll(useCpuBackend);

  it.each(TINY_ARCHITECTURES)("of %s are there and, in a network deep enough, do not overlap", (name, architecture) => {
    const layers = SCOPES.flatMap((scope) => layersIn(architecture, scope));
    expect(new Set(layers).size === layers.length).toBe(name !== "mlp without hidden layers");
  });

  it("are those of the authors' code", () => {
    const layers = (declared: unknown) => {
      const architecture = architectureSchema.parse(declared);
      return SCOPES.map((scope) => layersIn(architecture, scope).join(" "));
    };
    const image = { input: [32, 32, 3], classes: 10 };
    expect(layers({ architecture: "mlp", ...image, hidden: [200, 200] })).toEqual(["hidden_0", "hidden_1", "output"]);
    expect(layers({ architecture: "cnn", ...image })).toEqual(["conv_0", "conv_2", "output"]);
    expect(layers({ architecture: "resnet", ...image, depth: 20, norm: "none" })).toEqual([
      "stem",
      "block_3 block_4 block_5",
      "output",
    ]);
    expect(layers({ architecture: "vgg", ...image, depth: 11, norm: "batch", width: 1 / 64 })).toEqual([
      "conv_0 norm_0",
      "conv_4 norm_4",
      "output",
    ]);
  });
});
