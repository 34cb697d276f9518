/** An MLP and its backward pass in float64, written as the sums of the textbook and sharing nothing with the trainer. */

export interface OracleLayer {
  /** [inputs][units] */
  readonly kernel: number[][];
  readonly bias: number[];
}

/** Mean cross-entropy and, per layer, its derivatives. ReLU after every layer but the last. */
export function lossAndGradients(
  layers: readonly OracleLayer[],
  samples: readonly (readonly number[])[],
  labels: readonly number[],
): { loss: number; gradients: OracleLayer[] } {
  const gradients = layers.map(({ kernel, bias }) => ({
    kernel: kernel.map((row) => row.map(() => 0)),
    bias: bias.map(() => 0),
  }));
  let loss = 0;
  for (const [sample, input] of samples.entries()) {
    const label = labels[sample] ?? -1;
    const activations: number[][] = [[...input]];
    for (const [index, { kernel, bias }] of layers.entries()) {
      const below = activations[index] ?? [];
      const sums = bias.map((value, unit) =>
        below.reduce((sum, signal, i) => sum + signal * (kernel[i]?.[unit] ?? Number.NaN), value),
      );
      activations.push(index === layers.length - 1 ? sums : sums.map((value) => Math.max(0, value)));
    }
    const logits = activations.at(-1) ?? [];
    const largest = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
    loss += (Math.log(total) + largest - (logits[label] ?? Number.NaN)) / samples.length;

    let delta = logits.map(
      (logit, unit) => (Math.exp(logit - largest) / total - (unit === label ? 1 : 0)) / samples.length,
    );
    for (let index = layers.length - 1; index >= 0; index--) {
      const below = activations[index] ?? [];
      const { kernel } = layers[index] ?? { kernel: [] };
      const gradient = gradients[index];
      below.forEach((signal, i) =>
        delta.forEach((value, unit) => {
          const row = gradient?.kernel[i];
          if (row !== undefined) row[unit] = (row[unit] ?? 0) + signal * value;
        }),
      );
      delta.forEach((value, unit) => {
        if (gradient !== undefined) gradient.bias[unit] = (gradient.bias[unit] ?? 0) + value;
      });
      delta = below.map((signal, i) =>
        signal > 0 ? delta.reduce((sum, value, unit) => sum + value * (kernel[i]?.[unit] ?? Number.NaN), 0) : 0,
      );
    }
  }
  return { loss, gradients };
}
