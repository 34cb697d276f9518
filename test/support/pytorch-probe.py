"""Evaluates straight paths between two models by PyTorch: JSON on stdin, JSON on stdout.

In: a list of {"architecture", "ends": [{name: {"shape", "values"}}, ...], "alphas", "shard": {"x", "shape", "y"}, "calibration": {"x",
"shape"} or null}, weights and samples as TensorFlow lays them out. Out: a list of [{"loss", "accuracy"}], one for each
alpha. All in float64. With calibration samples, running statistics are recomputed at each alpha: the samples pass once, as one batch, in
training mode, with momentum 1, and the variance is made a biased one.
"""

import json
import sys

import torch
from torch import nn


class ChannelsLastFlatten(nn.Module):
    """Flattens [n, c, h, w] in the order of TensorFlow, so that dense layers need no permutation."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x.flatten(1)


def kernel(layer, values):
    if values.dim() == 4:
        layer.weight.data = values.permute(3, 2, 0, 1).contiguous()
    else:
        layer.weight.data = values.t().contiguous()


def layers(architecture, weights):
    """The network with its weights, as PyTorch has it."""
    result = []

    def convolution(name, padding, norm):
        values = weights[name + "/kernel"]
        layer = nn.Conv2d(values.shape[2], values.shape[3], values.shape[0], padding=padding, bias=not norm)
        kernel(layer, values)
        if not norm:
            layer.bias.data = weights[name + "/bias"]
        result.append(layer)

    def dense(name):
        values = weights[name + "/kernel"]
        layer = nn.Linear(*values.shape)
        kernel(layer, values)
        layer.bias.data = weights[name + "/bias"]
        result.append(layer)

    def classifier(first):
        result.append(ChannelsLastFlatten())
        for index in range(len(architecture["hidden"])):
            dense(f"hidden_{first + index}")
            result.append(nn.ReLU())
        dense("output")

    kind = architecture["architecture"]
    if kind == "mlp":
        classifier(0)
    elif kind == "cnn":
        count = len(architecture["channels"])
        for index in range(count):
            convolution(f"conv_{index}", 0, False)
            result.append(nn.ReLU())
            if index < count - 1:
                result.append(nn.MaxPool2d(2))
        classifier(count)
    elif kind == "vgg":
        assert architecture["depth"] == 11 and architecture["norm"] == "batch"
        index = 0
        for group, size in enumerate([1, 1, 2, 2, 2]):
            for _ in range(size):
                convolution(f"conv_{index}", 1, True)
                norm = nn.BatchNorm2d(result[-1].out_channels, momentum=1)
                norm.weight.data = weights[f"norm_{index}/gamma"]
                norm.bias.data = weights[f"norm_{index}/beta"]
                norm.running_mean = weights[f"norm_{index}/moving_mean"]
                norm.running_var = weights[f"norm_{index}/moving_variance"]
                result += [norm, nn.ReLU()]
                index += 1
            if group < architecture["pools"]:
                result.append(nn.MaxPool2d(2))
        classifier(index)
    else:
        raise ValueError(kind)
    return result


def recompute(network, samples):
    counts = {}

    def count(layer, inputs, _):
        counts[layer] = inputs[0].numel() / inputs[0].shape[1]

    norms = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
    hooks = [layer.register_forward_hook(count) for layer in norms]
    network.train()
    network(samples)
    network.eval()
    for hook in hooks:
        hook.remove()
    for layer in norms:
        layer.running_var *= (counts[layer] - 1) / counts[layer]


def images(shard):
    values = torch.tensor(shard["x"], dtype=torch.float64).reshape(shard["shape"])
    return values.permute(0, 3, 1, 2).contiguous() if values.dim() == 4 else values


def answer(question):
    a, b = [
        {name: torch.tensor(end["values"]).reshape(end["shape"]) for name, end in weights.items()}
        for weights in question["ends"]
    ]
    x, y = images(question["shard"]), torch.tensor(question["shard"]["y"])
    result = []
    for alpha in question["alphas"]:
        weights = {name: (1 - alpha) * a[name] + alpha * b[name] for name in a}
        network = nn.Sequential(*layers(question["architecture"], weights)).double().eval()
        if question["calibration"] is not None:
            recompute(network, images(question["calibration"]))
        logits = network(x)
        loss = nn.functional.cross_entropy(logits, y).item()
        result.append({"loss": loss, "accuracy": (logits.argmax(1) == y).sum().item() / len(y)})
    return result


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    with torch.no_grad():
        json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)


main()
