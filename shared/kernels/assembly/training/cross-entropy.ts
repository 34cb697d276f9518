/**
 * Mean cross-entropy of softmax(logits) against integer labels, and its gradient (softmax - target) / rows. The target
 * is the label's one-hot row, of which the share `smoothing` is spread evenly over all classes (Szegedy et al.,
 * arXiv:1512.00567; `label_smoothing` of torch.nn.CrossEntropyLoss).
 * Sums in float64 with the maximum taken out, so no logits overflow.
 * @param gradient [rows, classes], written; may be `logits` itself
 * @returns the loss; or -1 - i where the label of row i is not a class
 */
export function softmaxCrossEntropy(
  logits: usize,
  labels: usize,
  gradient: usize,
  rows: i32,
  classes: i32,
  smoothing: f64,
): f64 {
  let total: f64 = 0;
  const scale = 1 / <f64>rows;
  const spread = smoothing / <f64>classes;
  const others = scale * spread;
  const own = scale * (1 - smoothing + spread);
  for (let i = 0; i < rows; i++) {
    const label = load<i32>(labels + ((<usize>i) << 2));
    if (<u32>label >= <u32>classes) return -1 - <f64>i;
    let largest = load<f32>(logits);
    for (let j = 1; j < classes; j++) {
      const value = load<f32>(logits + ((<usize>j) << 2));
      if (value > largest) largest = value;
    }
    let chosen = <f64>load<f32>(logits + ((<usize>label) << 2)) - <f64>largest;
    if (smoothing != 0) {
      let all: f64 = 0;
      for (let j = 0; j < classes; j++) all += <f64>load<f32>(logits + ((<usize>j) << 2)) - <f64>largest;
      chosen = (1 - smoothing) * chosen + spread * all;
    }
    let sum: f64 = 0;
    for (let j = 0; j < classes; j++) {
      const power = expNonPositive(<f64>load<f32>(logits + ((<usize>j) << 2)) - <f64>largest);
      sum += power;
      store<f32>(gradient + ((<usize>j) << 2), <f32>power);
    }
    const factor = scale / sum;
    for (let j = 0; j < classes; j++) {
      const at = gradient + ((<usize>j) << 2);
      store<f32>(at, <f32>(<f64>load<f32>(at) * factor - (j == label ? own : others)));
    }
    total += naturalLogarithm(sum) - chosen;
    logits += (<usize>classes) << 2;
    gradient += (<usize>classes) << 2;
  }
  return total * scale;
}

/** e^x for x <= 0, to about 1e-15. The library's own uses a table, and a table would be static data in tfjs's heap. */
function expNonPositive(x: f64): f64 {
  if (!(x > -708)) return x == x ? 0 : x;
  const n = nearest(x * 1.4426950408889634);
  const r = x - n * 0.69314718036912381649 - n * 1.90821492927058770002e-10; // ln 2 in two parts
  let sum = 1 / 6227020800.0;
  sum = sum * r + 1 / 479001600.0;
  sum = sum * r + 1 / 39916800.0;
  sum = sum * r + 1 / 3628800.0;
  sum = sum * r + 1 / 362880.0;
  sum = sum * r + 1 / 40320.0;
  sum = sum * r + 1 / 5040.0;
  sum = sum * r + 1 / 720.0;
  sum = sum * r + 1 / 120.0;
  sum = sum * r + 1 / 24.0;
  sum = sum * r + 1 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1;
  sum = sum * r + 1;
  return sum * reinterpret<f64>((<i64>n + 1023) << 52);
}

/** ln x for normal x >= 1, by the series of atanh. NaN stays NaN. */
function naturalLogarithm(x: f64): f64 {
  if (x != x) return x;
  const bits = reinterpret<i64>(x);
  let exponent = <f64>((bits >> 52) - 1023);
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    exponent += 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let sum: f64 = 0;
  for (let n = 21; n > 0; n -= 2) sum = sum * square + 1 / <f64>n;
  return exponent * 0.6931471805599453 + 2 * s * sum;
}
