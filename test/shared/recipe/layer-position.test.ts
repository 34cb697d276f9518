import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layerIndexOf, layerPositions } from "../../../shared/recipe/layer-position.ts";

describe("layerIndexOf", () => {
  it.each<[string, number | undefined]>([
    ["model.layers.12.mlp.weight", 12],
    ["model.layers.0.weight", 0],
    ["h/3/attn/kernel", 3],
    ["blocks.2.experts.7.weight", 2],
    ["hidden_3/kernel", 3],
    ["block_4/dense_1/bias", 4],
    ["encoder_9.layers.2.weight", 2],
    ["007", 7],
    ["embed.weight", undefined],
    ["lm_head.weight", undefined],
    ["conv1.weight", undefined],
    ["layers.1a.weight", undefined],
    ["layers.-1.weight", undefined],
    ["layers.1234567890.weight", undefined],
    ["hidden_/kernel", undefined],
    ["norm_1_scale", undefined],
    ["", undefined],
  ])("%j is of layer %s", (name, expected) => expect(layerIndexOf(name)).toBe(expected));
});

describe("layerPositions", () => {
  const positionsOf = (...names: string[]) => Object.fromEntries(layerPositions(names));

  it("puts layer j of L at j / (L - 1), and what is outside of every layer at 0", () => {
    expect(positionsOf("embed", "layers.0.w", "layers.1.w", "layers.1.b", "layers.3.w", "layers.4.w", "head")).toEqual({
      embed: 0,
      "layers.0.w": 0,
      "layers.1.w": 0.25,
      "layers.1.b": 0.25,
      "layers.3.w": 0.75,
      "layers.4.w": 1,
      head: 0,
    });
  });

  it("puts a lone layer at 1", () => {
    expect(positionsOf("embed", "layers.0.w")).toEqual({ embed: 0, "layers.0.w": 1 });
    expect(positionsOf("hidden_5/kernel", "output/kernel")).toEqual({ "hidden_5/kernel": 1, "output/kernel": 0 });
  });

  it("puts everything at 0 where there are no layers", () => {
    expect(positionsOf("a", "b.c")).toEqual({ a: 0, "b.c": 0 });
    expect(positionsOf()).toEqual({});
  });

  it("does not depend on the order of the tensors, and stays within [0, 1]", () => {
    const names = fc.uniqueArray(fc.tuple(fc.constantFrom("l", "m_", "x."), fc.nat(40)).map(([a, b]) => `${a}${b}.w`));
    fc.assert(
      fc.property(names, (given) => {
        const forwards = layerPositions(given);
        expect(layerPositions(given.toReversed())).toEqual(new Map([...forwards].toReversed()));
        for (const position of forwards.values()) expect(position >= 0 && position <= 1).toBe(true);
      }),
    );
  });
});
