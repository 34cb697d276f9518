import type { RandomStream } from "../../shared/random/stream.ts";

/**
 * The logarithm of a gamma deviate of scale 1. Marsaglia and Tsang, "A simple method for generating gamma variables"
 * (ACM TOMS 26, 2000); below shape 1 by their boost, Gamma(a) = Gamma(a + 1) U^(1/a), in logarithms, since for small
 * shapes nearly every deviate is below the smallest double.
 * @param shape above 0
 */
export function logGamma(random: RandomStream, shape: number): number {
  if (shape < 1) return logGamma(random, shape + 1) + Math.log(random.uniform()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = random.normal();
    const v = (1 + c * normal) ** 3;
    if (v <= 0) continue;
    const bound = normal ** 2 / 2 + d - d * v + d * Math.log(v);
    if (Math.log(random.uniform()) < bound) return Math.log(d * v);
  }
}

/**
 * Shares drawn from a symmetric Dirichlet distribution; they add up to 1.
 * @param alpha concentration, above 0: large for equal shares, small for one that takes nearly all
 */
export function dirichletShares(random: RandomStream, parts: number, alpha: number): Float64Array {
  const logs = Float64Array.from({ length: parts }, () => logGamma(random, alpha));
  // The largest becomes 1, so the sum is at least that, whatever underflows.
  const largest = logs.reduce((most, value) => Math.max(most, value), -Infinity);
  const shares = logs.map((value) => Math.exp(value - largest));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}
