import { RandomStream } from "../../shared/random/stream.ts";
import { Failure } from "../failure.ts";
import { dirichletShares } from "./gamma.ts";

/** A draw that leaves a part without samples is repeated this often before it is given up. */
const ATTEMPTS = 1_000;

/** Numbers of samples, ascending. */
export type Part = Uint32Array<ArrayBuffer>;

/**
 * Parts that see the classes in different shares: for each class a Dirichlet(alpha) vector over the parts, by which its
 * shuffled samples are cut (Hsu, Qi and Brown, arXiv:1909.06335, in the form of the paper's authors' code). The parts
 * differ in size, hold every sample once, and none is empty: a draw that leaves one is repeated.
 * @param labels one class a sample
 * @param alpha concentration, above 0; 0.5 in the paper's settings
 * @param seed 64 bits
 * @throws Failure `usage` where no draw fills every part; `bad-input` for a label outside the classes
 */
export function dirichletPartition(
  labels: ArrayLike<number>,
  classes: number,
  parts: number,
  alpha: number,
  seed: bigint,
): Part[] {
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new Failure("usage", `Dirichlet(${alpha}): alpha is above 0.`);
  requireEnough(labels.length, parts);
  const byClass = samplesByClass(labels, classes);
  return drawUntilFilled(`Dirichlet(${alpha})`, "a larger alpha", parts, (attempt) => {
    const random = new RandomStream(seed, `partition/dirichlet/${attempt}`);
    const drawn = makeLists(parts);
    for (const samples of byClass) {
      if (samples.length === 0) continue;
      const shuffled = random.shuffle([...samples]);
      const shares = dirichletShares(random, parts, alpha);
      let [sum, begin] = [0, 0];
      for (let part = 0; part < parts; part++) {
        sum += shares[part] ?? 0;
        // The last part takes the rest, so that rounding loses no sample.
        const end = part === parts - 1 ? shuffled.length : Math.min(shuffled.length, Math.round(sum * shuffled.length));
        append(drawn[part], shuffled, begin, end);
        begin = end;
      }
    }
    return drawn;
  });
}

/**
 * Parts that see a few classes each (McMahan et al., arXiv:1602.05629, by classes instead of by shards). Every part
 * gets exactly `labelsPerPart` of the classes that occur; every class goes to as many parts as any other, give or take
 * one, which share its samples evenly. Classes that no part gets (fewer than `classes / labelsPerPart` parts) are left
 * out; else every sample is held once.
 * @throws Failure `usage` where a part cannot have that many classes, or would stay empty; `bad-input` as
 * {@link dirichletPartition}
 */
export function labelPartition(
  labels: ArrayLike<number>,
  classes: number,
  parts: number,
  labelsPerPart: number,
  seed: bigint,
): Part[] {
  requireEnough(labels.length, parts);
  const byClass = samplesByClass(labels, classes);
  const occurring = byClass.flatMap((samples, label) => (samples.length > 0 ? [label] : []));
  if (!Number.isInteger(labelsPerPart) || labelsPerPart < 1 || labelsPerPart > occurring.length) {
    throw new Failure(
      "usage",
      `labels:${labelsPerPart} is not possible: the samples have ${occurring.length} classes, so it takes 1 to ${occurring.length}.`,
    );
  }
  return drawUntilFilled(`labels:${labelsPerPart}`, "more labels a part", parts, (attempt) => {
    const random = new RandomStream(seed, `partition/labels/${attempt}`);
    const holders = dealClasses(occurring, parts, labelsPerPart, random);
    const drawn = makeLists(parts);
    for (const label of occurring) {
      const shuffled = random.shuffle([...(byClass[label] ?? [])]);
      // In random order, so that it is not always the first part which gets the odd sample.
      const takers = random.shuffle(holders.get(label) ?? []);
      takers.forEach((part, index) => {
        append(
          drawn[part],
          shuffled,
          Math.floor((index * shuffled.length) / takers.length),
          Math.floor(((index + 1) * shuffled.length) / takers.length),
        );
      });
    }
    return drawn;
  });
}

/**
 * Equal parts of shuffled samples, whatever the classes; sizes differ by one at most, and every sample is held once.
 * @throws Failure `usage` for more parts than samples
 */
export function iidPartition(count: number, parts: number, seed: bigint): Part[] {
  requireEnough(count, parts);
  const shuffled = new RandomStream(seed, "partition/iid").shuffle(Uint32Array.from({ length: count }, (_, i) => i));
  return Array.from({ length: parts }, (_, part) =>
    shuffled.slice(Math.floor((part * count) / parts), Math.floor(((part + 1) * count) / parts)).sort(),
  );
}

/** Which parts hold each class: each part in turn takes those least taken so far, ties broken at random. */
function dealClasses(
  classes: readonly number[],
  parts: number,
  each: number,
  random: RandomStream,
): Map<number, number[]> {
  const holders = new Map<number, number[]>(classes.map((label) => [label, []]));
  for (let part = 0; part < parts; part++) {
    const taken = (label: number) => holders.get(label)?.length ?? 0;
    const byNeed = random.shuffle([...classes]).sort((a, b) => taken(a) - taken(b));
    for (const label of byNeed.slice(0, each)) holders.get(label)?.push(part);
  }
  return holders;
}

function drawUntilFilled(name: string, remedy: string, parts: number, draw: (attempt: number) => number[][]): Part[] {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const drawn = draw(attempt);
    if (drawn.every((samples) => samples.length > 0)) return drawn.map((samples) => Uint32Array.from(samples).sort());
  }
  throw new Failure(
    "usage",
    `${name} left one of ${parts} parts without samples in each of ${ATTEMPTS} draws; take fewer parts or ${remedy}.`,
  );
}

function samplesByClass(labels: ArrayLike<number>, classes: number): number[][] {
  const byClass = makeLists(classes);
  for (let sample = 0; sample < labels.length; sample++) {
    const list = byClass[labels[sample] ?? -1];
    if (list === undefined) {
      throw new Failure("bad-input", `Label ${sample} is ${labels[sample]}; the classes are 0 to ${classes - 1}.`);
    }
    list.push(sample);
  }
  return byClass;
}

function requireEnough(count: number, parts: number): void {
  if (Number.isInteger(parts) && parts >= 1 && parts <= count) return;
  throw new Failure("usage", `${count} samples cannot be divided into ${parts} parts; take 1 to ${count}.`);
}

const makeLists = (length: number): number[][] => Array.from({ length }, () => []);

function append(list: number[] | undefined, items: readonly number[], begin: number, end: number): void {
  for (let index = begin; index < end; index++) list?.push(items[index] ?? 0);
}
