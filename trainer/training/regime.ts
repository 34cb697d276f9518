/** The rule that turns gradients into updates. Names and defaults are PyTorch's (torch.optim). */
export type OptimizerSpec =
  | {
      readonly name: "sgd";
      /** In [0, 1). 0 = plain SGD. */
      readonly momentum: number;
      /** Looks ahead along the momentum, as torch.optim.SGD with `nesterov=True`; needs momentum. */
      readonly nesterov: boolean;
      /** L2 penalty, added to the gradient before momentum. */
      readonly weightDecay: number;
    }
  | {
      /** `adam` adds the decay to the gradient (L2); `adamw` shrinks the weights beside the update (decoupled). */
      readonly name: "adam" | "adamw";
      /** In [0, 1). */
      readonly beta1: number;
      /** In [0, 1). */
      readonly beta2: number;
      readonly epsilon: number;
      readonly weightDecay: number;
    };

/** How the learning rate moves over a run. Every schedule may begin with a linear warm-up. */
export type ScheduleSpec = {
  /** Steps over which the rate rises linearly from 0; 0 = none. */
  readonly warmupSteps: number;
} & (
  | { readonly name: "constant" }
  /** Multiplied by `factor` after every `everyEpochs` epochs. */
  | { readonly name: "step"; readonly everyEpochs: number; readonly factor: number }
  /** Half a cosine from the full rate to `floor` times it. */
  | { readonly name: "cosine"; readonly floor: number }
);

/** How one model is optimised. The last partial batch of an epoch is dropped. */
export interface Regime {
  /** The full learning rate; the schedule scales it. */
  readonly learningRate: number;
  readonly optimizer: OptimizerSpec;
  readonly schedule: ScheduleSpec;
  /** Samples a step. */
  readonly batch: number;
  readonly epochs: number;
  /** Share of the target spread evenly over all classes, in [0, 1). */
  readonly labelSmoothing: number;
  /** Largest L2 norm of all gradients together; longer ones are scaled down to it. Undefined: no clipping. */
  readonly clipNorm?: number | undefined;
}

/** SGD with momentum, constant rate: the optimizer and schedule of the reference runs. */
export function sgd(momentum: number): Pick<Regime, "optimizer" | "schedule" | "labelSmoothing"> {
  return {
    optimizer: { name: "sgd", momentum, nesterov: false, weightDecay: 0 },
    schedule: { name: "constant", warmupSteps: 0 },
    labelSmoothing: 0,
  };
}
