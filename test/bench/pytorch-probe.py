"""Times PyTorch's forward pass on one core: the convolutional network of `probe-case.ts` without gradients.

usage: pytorch-probe.py BATCH IMAGES

Prints "ready" and which BLAS multiplies, then answers each line on standard input with the seconds that passing all images
forward took, batch by batch, with their cross-entropy and how many were right.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
torch.manual_seed(1)
model = nn.Sequential(
    *[nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)],
    *[nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)],
    *[nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()],
    *[nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10)],
).eval()
batch, images = int(sys.argv[1]), int(sys.argv[2])
inputs = torch.rand(images, 3, 32, 32)
labels = torch.arange(images) % 10


def blas():
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        libraries = maps.read()
    for mark, name in (("openblas", "OpenBLAS"), ("mkl_rt", "MKL"), ("blis", "BLIS"), ("libblas", "the reference BLAS")):
        if mark in libraries:
            return name
    return "its own BLAS"


def evaluate():
    loss, right = 0.0, 0
    with torch.no_grad():
        for begin in range(0, images, batch):
            logits = model(inputs[begin : begin + batch])
            loss += functional.cross_entropy(logits, labels[begin : begin + batch], reduction="sum").item()
            right += (logits.argmax(1) == labels[begin : begin + batch]).sum().item()
    return loss, right


print(f"ready {torch.__version__} with {blas()}", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    evaluate()
    print(time.perf_counter() - start, flush=True)
