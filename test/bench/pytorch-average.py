"""Times PyTorch's weighted average of checkpoints in memory, on one core.

usage: pytorch-average.py f32|bf16 ELEMENTS WEIGHT...

Prints "ready", then answers each line on standard input, the name of a way, with the seconds that one run took, so that
the caller can take turns with what it compares:
  loop   average += tensor * weight: the loop of model soups, in the tensors' own precision
  wide   the same in float32, rounded to the tensors' precision at the end
  fused  average.add_(tensor, alpha=weight), in the tensors' own precision
"""

import sys
import time

import torch

torch.set_num_threads(1)
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[sys.argv[1]]
weights = [float(weight) for weight in sys.argv[3:]]
shares = [weight / sum(weights) for weight in weights]
tensors = [torch.empty(int(sys.argv[2]), dtype=dtype).uniform_(-0.05, 0.05) for _ in weights]


def loop():
    average = tensors[0] * shares[0]
    for tensor, share in zip(tensors[1:], shares[1:]):
        average += tensor * share
    return average


def wide():
    average = tensors[0].float() * shares[0]
    for tensor, share in zip(tensors[1:], shares[1:]):
        average += tensor.float() * share
    return average.to(dtype)


def fused():
    average = tensors[0] * shares[0]
    for tensor, share in zip(tensors[1:], shares[1:]):
        average.add_(tensor, alpha=share)
    return average


ways = {"loop": loop, "wide": wide, "fused": fused}
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    average = ways[line.strip()]()
    print(time.perf_counter() - start, flush=True)
    del average
