import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type EvaluateMixture,
  learnedBudget,
  searchSoup,
  type SoupCandidate,
  type SoupKind,
  soupIdOf,
  soupRecipe,
} from "../../../../shared/fusion/soup/index.ts";
import type { CheckpointId, ShardId } from "../../../../shared/identity.ts";
import { Problem } from "../../../../shared/problem.ts";
import { modelIdOf } from "../../../../shared/recipe/canonical-recipe.ts";

const idOf = (index: number) => index.toString(16).padStart(64, "0") as CheckpointId;

/** A checkpoint of two weights; `broken` ones cannot be evaluated, `odd` ones have other tensors. */
interface Ingredient {
  readonly x: number;
  readonly y: number;
  readonly kind: "sound" | "broken" | "odd";
}

const SAMPLES = 20;

/** Accuracy and loss of a point: the nearer to the origin, the better; accuracy in steps, as counts have them. */
function measureAt(x: number, y: number) {
  const loss = x * x + y * y;
  return { accuracy: Math.max(0, Math.round(SAMPLES * (1 - loss))) / SAMPLES, loss };
}

function kitchen(ingredients: readonly Ingredient[]) {
  const candidates: SoupCandidate[] = ingredients.map(({ kind }, index) => ({
    id: idOf(index),
    form: kind === "odd" ? "other" : "family",
  }));
  const asked: string[] = [];
  const evaluate: EvaluateMixture = async (shares) => {
    asked.push(JSON.stringify(shares));
    const sum = shares.reduce((total, { weight }) => total + weight, 0);
    if (Math.abs(sum - 1) > 1e-9 || shares.some(({ weight }) => !(weight > 0))) throw new Error("no shares");
    const members = shares.map(({ candidate, weight }) => {
      const ingredient = ingredients[Number.parseInt(candidate, 16)];
      if (ingredient === undefined) throw new Error("no such candidate");
      return { ...ingredient, weight };
    });
    if (members.some(({ kind }) => kind === "broken")) throw new Problem("non-finite-values", "It has a NaN.");
    const isMixed = members.length > 1 && members.some(({ kind }) => kind === "odd");
    if (isMixed) throw new Problem("incompatible-inputs", "No.");
    const at = (axis: "x" | "y") => members.reduce((total, member) => total + member.weight * member[axis], 0);
    return measureAt(at("x"), at("y"));
  };
  return { candidates, evaluate, asked };
}

const coordinate = fc.integer({ min: -90, max: 90 }).map((value) => value / 100);
const ingredient = (kind: fc.Arbitrary<Ingredient["kind"]>) => fc.record({ x: coordinate, y: coordinate, kind });
const sound = ingredient(fc.constant("sound" as const));
const any = ingredient(fc.constantFrom("sound", "sound", "sound", "broken", "odd"));
/** Sound ones are in the majority, so that theirs is the form that counts. */
const mixed = fc
  .tuple(fc.array(sound, { minLength: 4, maxLength: 7 }), fc.array(any, { maxLength: 3 }))
  .map(([first, others]) => [...first, ...others]);

const bestAlone = (ingredients: readonly Ingredient[]) =>
  Math.max(...ingredients.filter(({ kind }) => kind === "sound").map(({ x, y }) => measureAt(x, y).accuracy));

describe("a greedy soup", () => {
  it("is at least as accurate as its best ingredient, and strictly better with each further one", async () => {
    await fc.assert(
      fc.asyncProperty(mixed, async (ingredients) => {
        const { candidates, evaluate } = kitchen(ingredients);
        const soup = await searchSoup("greedy", candidates, evaluate);
        expect(soup.measure.accuracy).toBeGreaterThanOrEqual(bestAlone(ingredients));
        const accepted = soup.trace.filter(({ decision }) => decision === "accepted");
        for (const [index, { accuracy }] of accepted.entries()) {
          if (index > 0) expect(accuracy).toBeGreaterThan(accepted[index - 1]?.accuracy ?? Number.NaN);
        }
        expect(soup.shares.map(({ candidate }) => candidate)).toEqual(
          accepted.map(({ candidate }) => candidate).toSorted(),
        );
      }),
    );
  });

  it("leaves out what cannot be evaluated or averaged, and says so of each candidate once", async () => {
    await fc.assert(
      fc.asyncProperty(mixed, async (ingredients) => {
        const { candidates, evaluate } = kitchen(ingredients);
        const { trace } = await searchSoup("greedy", candidates, evaluate);
        expect(trace.map(({ candidate }) => candidate).toSorted()).toEqual(candidates.map(({ id }) => id));
        for (const [index, { kind }] of ingredients.entries()) {
          const line = trace.find(({ candidate }) => candidate === idOf(index));
          if (kind !== "sound") expect(line?.decision).toBe("rejected");
          if (kind === "broken") expect(line).toMatchObject({ accuracy: null, loss: null, alone: null });
          if (kind === "broken") expect(line?.why).toContain("It has a NaN");
        }
      }),
    );
  });

  it("tries candidates by accuracy, then loss, then id", async () => {
    const at = (x: number) => ({ x, y: 0, kind: "sound" as const });
    const { candidates, evaluate } = kitchen([at(0.4), at(0.41), at(0.1), at(0.41)]);
    const { trace } = await searchSoup("greedy", candidates, evaluate);
    expect(trace.map(({ candidate }) => candidate)).toEqual([2, 0, 1, 3].map(idOf));
  });

  it("takes no candidate that changes nothing", async () => {
    const same = { x: 0.3, y: 0.1, kind: "sound" as const };
    const { candidates, evaluate } = kitchen([same, same, same]);
    const { shares, trace } = await searchSoup("greedy", candidates, evaluate);
    expect(shares).toEqual([{ candidate: idOf(0), weight: 1 }]);
    expect(trace.map(({ decision }) => decision)).toEqual(["accepted", "rejected", "rejected"]);
  });
});

describe("a learned soup", () => {
  it("is never less accurate than the greedy one, and keeps to its budget", async () => {
    await fc.assert(
      fc.asyncProperty(mixed, async (ingredients) => {
        const greedy = kitchen(ingredients);
        const before = await searchSoup("greedy", greedy.candidates, greedy.evaluate);
        const { candidates, evaluate, asked } = kitchen(ingredients);
        const soup = await searchSoup("learned", candidates, evaluate);
        expect(soup.measure.accuracy).toBeGreaterThanOrEqual(before.measure.accuracy ?? 1);
        expect(asked.length).toBeLessThanOrEqual(greedy.asked.length + learnedBudget(candidates.length));
        expect(soup.shares.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
        expect(new Set(asked).size).toBe(asked.length);
      }),
    );
  });

  it("finds weights that no plain mean has", async () => {
    const { candidates, evaluate } = kitchen([
      { x: 0.3, y: 0, kind: "sound" },
      { x: -0.8, y: 0, kind: "sound" },
    ]);
    const greedy = await searchSoup("greedy", candidates, evaluate);
    const learned = await searchSoup("learned", candidates, evaluate);
    expect(learned.measure.loss).toBeLessThan(0.2 * greedy.measure.loss);
    const weights = new Set(learned.shares.map(({ weight }) => weight));
    expect(weights.size).toBe(2);
  });
});

describe("every soup", () => {
  const kinds: fc.Arbitrary<SoupKind> = fc.constantFrom("uniform", "greedy", "learned");

  it("does not depend on the order of its candidates, and asks the same questions again", async () => {
    const shuffled = mixed.chain((ingredients) =>
      fc.tuple(
        fc.constant(ingredients),
        fc.shuffledSubarray([...ingredients.keys()], { minLength: ingredients.length }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(shuffled, kinds, async ([ingredients, order], kind) => {
        const [first, second] = [kitchen(ingredients), kitchen(ingredients)];
        const one = await searchSoup(kind, first.candidates, first.evaluate);
        const other = await searchSoup(
          kind,
          order.flatMap((index) => second.candidates[index] ?? []),
          second.evaluate,
        );
        expect(other).toEqual(one);
        expect(second.asked).toEqual(first.asked);
      }),
    );
  });

  it("goes on where it was killed: answers that were kept are not found again", async () => {
    await fc.assert(
      fc.asyncProperty(mixed, kinds, fc.nat(30), async (ingredients, kind, survived) => {
        const { candidates, evaluate, asked } = kitchen(ingredients);
        const whole = await searchSoup(kind, candidates, evaluate);
        const questions = asked.length;
        const kept = new Map<string, Awaited<ReturnType<EvaluateMixture>> | Problem>();
        let left = survived;
        const journaled: EvaluateMixture = async (shares) => {
          const key = JSON.stringify(shares);
          const known = kept.get(key);
          if (known instanceof Problem) throw known;
          if (known !== undefined) return known;
          if (left-- === 0) throw new Error("killed");
          try {
            const measure = await evaluate(shares);
            kept.set(key, measure);
            return measure;
          } catch (error) {
            if (error instanceof Problem) kept.set(key, error);
            throw error;
          }
        };
        const killed = await searchSoup(kind, candidates, journaled).catch((error: Error) => error.message);
        if (survived < questions) expect(killed).toBe("killed");
        asked.length = 0;
        left = Number.POSITIVE_INFINITY;
        expect(await searchSoup(kind, candidates, journaled)).toEqual(whole);
        expect(asked.length).toBe(Math.max(0, questions - survived));
      }),
    );
  });

  it("ends with what is no matter of a mixture, and where there is nothing to mix", async () => {
    const { candidates } = kitchen([
      { x: 0, y: 0, kind: "sound" },
      { x: 0, y: 0, kind: "sound" },
    ]);
    const failing = (problem: Problem) => searchSoup("greedy", candidates, () => Promise.reject(problem));
    await expect(failing(new Problem("over-budget", "busy"))).rejects.toMatchObject({ code: "over-budget" });
    const large = new Problem("too-large-for-isolate", "large");
    await expect(failing(large)).rejects.toMatchObject({ code: "too-large-for-isolate" });
    const unfit = new Problem("non-finite-values", "NaN");
    await expect(failing(unfit)).rejects.toMatchObject({ code: "no-soup", members: { trace: { length: 2 } } });
  });

  it("takes a measure that is not a number for one that cannot be measured", async () => {
    const { candidates, evaluate } = kitchen([
      { x: 0.1, y: 0, kind: "sound" },
      { x: 0.2, y: 0, kind: "sound" },
    ]);
    const poisoned: EvaluateMixture = (shares) =>
      shares[0]?.candidate === idOf(0) && shares.length === 1
        ? Promise.resolve({ accuracy: 1, loss: Number.NaN })
        : evaluate(shares);
    const { shares } = await searchSoup("greedy", candidates, poisoned);
    expect(shares.map(({ candidate }) => candidate)).toEqual([idOf(1)]);
  });

  it("decides by loss where there is no accuracy", async () => {
    const losses = new Map([
      [idOf(0), 3],
      [idOf(1), 1],
      [idOf(2), 2],
    ]);
    const evaluate: EvaluateMixture = async (shares) => ({
      accuracy: null,
      loss: shares.reduce((sum, { candidate }) => sum + (losses.get(candidate) ?? 0), 0) / shares.length ** 2,
    });
    const candidates = [...losses.keys()].map((id) => ({ id, form: "family" }));
    const { trace, measure } = await searchSoup("greedy", candidates, evaluate);
    expect(trace.map(({ candidate, decision }) => [candidate, decision])).toEqual([
      [idOf(1), "accepted"],
      [idOf(2), "accepted"],
      [idOf(0), "accepted"],
    ]);
    expect(measure).toEqual({ accuracy: null, loss: 6 / 9 });
  });
});

describe("a soup's recipe", () => {
  const question = { kind: "greedy" as const, candidates: [idOf(1), idOf(2)], shards: [idOf(3) as string as ShardId] };

  it("is linear, names its soup, and has equal shares as weights of 1", () => {
    const id = soupIdOf({ ...question, statistics: "interpolated" });
    const even = soupRecipe(id, {
      shares: [
        { candidate: idOf(1), weight: 1 / 2 },
        { candidate: idOf(2), weight: 1 / 2 },
      ],
    });
    expect(even).toMatchObject({ method: "linear", selection: { soup: id } });
    expect(even.inputs.map(({ weight }) => weight)).toEqual([1, 1]);
    const { selection: _selection, ...plain } = even;
    expect(modelIdOf(plain)).not.toBe(modelIdOf(even));
  });

  it("has a name for the question, whatever the order of the candidates", () => {
    const id = soupIdOf({ ...question, statistics: "interpolated" });
    expect(soupIdOf({ ...question, candidates: [idOf(2), idOf(1)], statistics: "interpolated" })).toBe(id);
    expect(soupIdOf({ ...question, kind: "uniform", statistics: "interpolated" })).not.toBe(id);
    expect(soupIdOf({ ...question, statistics: "recomputed", calibration: question.shards[0] })).not.toBe(id);
  });
});
