"""Writes test/trainer/training/optimizers/torch-golden.json with PyTorch; run once, from the repository's root.

python3 test/support/generate-optimizer-goldens.py

Two parameters of 11 and 5 entries take six steps with fixed gradients (exact in float32); the file has the weights after
steps 1, 3 and 6 of each optimizer, with and without clip_grad_norm_, and cross-entropies with label smoothing.
"""

import json
import math

import torch

SIZES = [11, 5]
STEPS = 6
KEPT = [1, 3, 6]
RATE = 0.05


def fixed(salt, size):
    return [round(math.sin(1.7 * salt + 0.9 * i) * 1024) / 1024 for i in range(size)]


START = [fixed(1 + p, size) for p, size in enumerate(SIZES)]
GRADIENTS = [[fixed(10 * (step + 1) + p, size) for p, size in enumerate(SIZES)] for step in range(STEPS)]

SPECS = [
    {"name": "sgd", "momentum": 0, "nesterov": False, "weightDecay": 0},
    {"name": "sgd", "momentum": 0, "nesterov": False, "weightDecay": 0.1},
    {"name": "sgd", "momentum": 0.9, "nesterov": False, "weightDecay": 0},
    {"name": "sgd", "momentum": 0.9, "nesterov": False, "weightDecay": 0.1},
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "weightDecay": 0.1},
    {"name": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0},
    {"name": "adam", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weightDecay": 0.1},
    {"name": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.1},
]


def optimizer_of(spec, parameters):
    if spec["name"] == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=RATE,
            momentum=spec["momentum"],
            nesterov=spec["nesterov"],
            weight_decay=spec["weightDecay"],
        )
    kind = torch.optim.Adam if spec["name"] == "adam" else torch.optim.AdamW
    return kind(
        parameters,
        lr=RATE,
        betas=(spec["beta1"], spec["beta2"]),
        eps=spec["epsilon"],
        weight_decay=spec["weightDecay"],
    )


def run(spec, clip):
    parameters = [torch.nn.Parameter(torch.tensor(values)) for values in START]
    optimizer = optimizer_of(spec, parameters)
    kept = []
    for step in range(STEPS):
        for parameter, gradient in zip(parameters, GRADIENTS[step]):
            parameter.grad = torch.tensor(gradient)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        if step + 1 in KEPT:
            kept.append([[float(f"{x:.9g}") for x in parameter.tolist()] for parameter in parameters])
    return {"spec": spec, "clipNorm": clip, "weights": kept}


def cross_entropy(smoothing):
    logits = torch.tensor([fixed(50 + row, 4) for row in range(5)], dtype=torch.float64) * 5
    logits.requires_grad_(True)
    labels = [0, 3, 1, 1, 2]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels), label_smoothing=smoothing)
    loss.backward()
    return {
        "smoothing": smoothing,
        "logits": logits.tolist(),
        "labels": labels,
        "loss": loss.item(),
        "gradient": [[float(f"{x:.9g}") for x in row] for row in logits.grad.tolist()],
    }


golden = {
    "torch": torch.__version__,
    "rate": RATE,
    "kept": KEPT,
    "start": START,
    "gradients": GRADIENTS,
    "runs": [run(spec, clip) for spec in SPECS for clip in (None, 0.5)],
    "crossEntropies": [cross_entropy(smoothing) for smoothing in (0, 0.1, 0.75)],
}
with open("test/trainer/training/optimizers/torch-golden.json", "w") as file:
    file.write(json.dumps(golden, separators=(",", ":")) + "\n")
