"""Times PyTorch's training step on one core: forward, cross-entropy, backward, SGD with momentum.

usage: pytorch-training.py mlp-wide|mlp-deep|cnn|vit BATCH

Prints "ready" and which BLAS multiplies (with the reference BLAS that Debian installs by default, products take twenty times
as long as with OpenBLAS), then answers each line on standard input with the seconds that one step took. The networks are those of
shared/models: the same layers and sizes.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)


class Block(nn.Module):
    """A pre-norm transformer block with GELU."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_up = nn.Linear(width, 4 * width)
        self.mlp_down = nn.Linear(4 * width, width)

    def forward(self, stream):
        batch, length, width = stream.shape
        tokens = self.attention_norm(stream)

        def split(projection):
            return projection(tokens).view(batch, length, self.heads, width // self.heads).transpose(1, 2)

        scores = split(self.query) @ split(self.key).transpose(-1, -2) / (width // self.heads) ** 0.5
        mixed = (scores.softmax(-1) @ split(self.value)).transpose(1, 2).reshape(batch, length, width)
        stream = stream + self.output(mixed)
        return stream + self.mlp_down(functional.gelu(self.mlp_up(self.mlp_norm(stream))))


class Vit(nn.Module):
    def __init__(self, width=64, depth=4, heads=4, patch=4, side=32, classes=10):
        super().__init__()
        self.patch_embedding = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.zeros(1, (side // patch) ** 2, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)

    def forward(self, images):
        tokens = self.patch_embedding(images).flatten(2).transpose(1, 2) + self.positions
        return self.output(self.norm(self.blocks(tokens)).mean(1))


def mlp(*sizes):
    layers = [nn.Flatten()]
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn():
    return nn.Sequential(
        *[nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()],
        *[nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10)],
    )


networks = {
    "mlp-wide": (lambda: mlp(784, 1024, 1024, 10), (1, 28, 28)),
    "mlp-deep": (lambda: mlp(784, *[128] * 6, 10), (1, 28, 28)),
    "cnn": (cnn, (3, 32, 32)),
    "vit": (Vit, (3, 32, 32)),
}
make, shape = networks[sys.argv[1]]
batch = int(sys.argv[2])
torch.manual_seed(1)
model = make()
inputs = torch.rand(batch, *shape)
labels = torch.arange(batch) % 10
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)



def blas():
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        libraries = maps.read()
    for mark, name in (("openblas", "OpenBLAS"), ("mkl_rt", "MKL"), ("blis", "BLIS"), ("libblas", "the reference BLAS")):
        if mark in libraries:
            return name
    return "its own BLAS"


print(f"ready {torch.__version__} with {blas()}", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = functional.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    print(time.perf_counter() - start, flush=True)
