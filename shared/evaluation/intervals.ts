import type { ClassificationSums } from "./sums.ts";
import type { Coefficients } from "./grids.ts";

/** A difference of accuracies, as fractions, with its 95 % confidence interval. */
export interface AccuracyDifference {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
}

/** The 97.5 % point of the standard normal distribution. */
const Z95 = 1.959_963_984_540_054;

/**
 * Wilson's score interval of an accuracy (95 %; Wilson 1927), which stays within [0, 1] and is sound near its ends.
 * @returns fractions
 */
export function accuracyInterval({ correct, count }: { readonly correct: number; readonly count: number }): {
  readonly low: number;
  readonly high: number;
} {
  const share = correct / count;
  const z2 = Z95 * Z95;
  const middle = (share + z2 / (2 * count)) / (1 + z2 / count);
  const half = (Z95 / (1 + z2 / count)) * Math.sqrt((share * (1 - share)) / count + z2 / (4 * count * count));
  // At 0 and at `count` the formula gives the bound itself, but for rounding.
  return { low: correct === 0 ? 0 : middle - half, high: correct === count ? 1 : middle + half };
}

/**
 * The difference a - b of two accuracies on samples that need not be the same, by Newcombe's hybrid score interval
 * (Newcombe 1998, Statistics in Medicine 17:873, method 10): the two Wilson intervals combined. On the same samples it is
 * wider than need be; use {@link pairedDifference} where the joint counts are known.
 */
export function unpairedDifference(
  a: { readonly correct: number; readonly count: number },
  b: { readonly correct: number; readonly count: number },
): AccuracyDifference {
  const [shareA, shareB] = [a.correct / a.count, b.correct / b.count];
  const [boundsA, boundsB] = [accuracyInterval(a), accuracyInterval(b)];
  const difference = shareA - shareB;
  return {
    difference,
    low: difference - Math.hypot(shareA - boundsA.low, boundsB.high - shareB),
    high: difference + Math.hypot(boundsA.high - shareA, shareB - boundsB.low),
  };
}

/**
 * How far a point's accuracy lies below what its coefficients make of the members' accuracies: sum of c_k A(member k) -
 * A(point), positive where the point is worse. On a path that is the gap below the straight line, for a mean the gap
 * below the members' mean.
 *
 * All were evaluated on the same samples, so the interval is a paired one. With d_s = sum of c_k r_ks - r_s for sample s,
 * where r is 1 for right and 0 for wrong, the difference is the mean of d and its variance that of d over n. Both follow
 * from the joint counts alone. Agresti and Min's adjustment (Statistics in Medicine 24:729, 2005) adds two samples, half
 * of them discordant, before the normal quantile is taken, so that few samples do not feign certainty; the difference
 * itself is not adjusted. For a difference that was chosen as the largest of several, the interval takes no account of
 * the choice. Tokens of one sequence count as separate samples.
 * @param members sums of all members, in their order, with their joint counts
 * @throws RangeError where joint counts are missing
 */
export function pairedDifference(
  point: ClassificationSums,
  coefficients: Coefficients,
  members: readonly ClassificationSums[],
): AccuracyDifference {
  const { count } = point;
  const joint = (sums: ClassificationSums | undefined, member: number) => {
    const both = sums?.correctWith[member];
    if (both === undefined) throw new RangeError("the sums hold no joint counts with the members");
    return both;
  };
  let sum = -point.correct;
  let squares = point.correct;
  for (const [k, weight] of coefficients.entries()) {
    if (weight === 0) continue;
    const member = members[k];
    sum += weight * (member?.correct ?? Number.NaN);
    squares -= 2 * weight * joint(point, k);
    for (const [l, other] of coefficients.entries()) {
      if (other !== 0) squares += weight * other * joint(member, l);
    }
  }
  const difference = sum / count;
  // Sums of large counts that cancel may leave a little less than nothing.
  const adjusted = count + 2;
  const centre = sum / adjusted;
  const variance = Math.max(0, (Math.max(0, squares) + 1) / adjusted - centre * centre) / adjusted;
  const half = Z95 * Math.sqrt(variance);
  return {
    difference,
    low: Math.min(difference, Math.max(-1, centre - half)),
    high: Math.max(difference, Math.min(1, centre + half)),
  };
}
