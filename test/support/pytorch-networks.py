"""Networks as PyTorch users write them, with random weights, random samples and the logits: one JSON on stdout.

Tensors are {"shape": [...], "dtype": "F32" | "I64", "data": base64}. Samples come as PyTorch has them: [n, c, h, w].
"""

import base64
import json
import sys

import torch
from torch import nn
import torch.nn.functional as F


def mlp():
    # In a Sequential, behind a Flatten of an image with channels.
    return nn.Sequential(nn.Flatten(), nn.Linear(24, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 4)), (2, 4, 3)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3)
        self.conv2 = nn.Conv2d(3, 5, 3)
        self.fc1 = nn.Linear(5 * 3 * 2, 6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        return self.fc(F.relu(self.fc1(torch.flatten(x, 1))))


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(4 * 3 * 2, 4)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Vgg(nn.Module):
    """VGG-11 with batch norm as torchvision writes it: the convolutions have a bias."""

    def __init__(self):
        super().__init__()
        layers, channels = [], 2
        for block, pool in [((1,), True), ((2,), True), ((4, 4), False), ((8, 8), False), ((8, 8), False)]:
            for filters in block:
                layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
            if pool:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(8 * 4, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Block(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Resnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.layer1 = nn.Sequential(Block(3, 3, 1))
        self.layer2 = nn.Sequential(Block(3, 6, 2))
        self.layer3 = nn.Sequential(Block(6, 12, 2))
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        shares = ((q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5).softmax(-1)
        return self.proj((shares @ v).transpose(1, 2).reshape(n, length, width))


class VitBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 12), "fc2": nn.Linear(12, width)})

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class Vit(nn.Module):
    """As timm names its parts."""

    def __init__(self):
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(2, 8, 2, 2)})
        self.cls_token = nn.Parameter(torch.randn(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.randn(1, 7, 8))
        self.blocks = nn.ModuleList([VitBlock(8, 2), VitBlock(8, 2)])
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


NETWORKS = {
    "mlp": lambda: mlp(),
    "cnn": lambda: (Cnn(), (2, 12, 11)),
    "lenet": lambda: (nn.ModuleDict({"module": Lenet()}), (1, 12, 8)),
    "vgg": lambda: (Vgg(), (2, 8, 8)),
    "resnet": lambda: (Resnet(), (2, 8, 6)),
    "vit": lambda: (Vit(), (2, 6, 4)),
}


def tensor(value):
    dtype = "I64" if value.dtype == torch.int64 else "F32"
    data = value.detach().contiguous().numpy().tobytes()
    return {"shape": list(value.shape), "dtype": dtype, "data": base64.b64encode(data).decode()}


def main():
    torch.set_num_threads(1)
    torch.manual_seed(7)
    result = {}
    for name, make in NETWORKS.items():
        network, shape = make()
        for key, value in network.state_dict().items():
            if key.endswith("running_mean"):
                value.copy_(torch.randn_like(value))
            elif key.endswith("running_var"):
                value.copy_(torch.rand_like(value) + 0.5)
            elif value.dim() == 1 and value.is_floating_point():
                value.copy_(torch.randn_like(value))
        network.eval()
        run = network["module"] if isinstance(network, nn.ModuleDict) else network
        x = torch.randn(3, *shape)
        with torch.no_grad():
            logits = run(x)
        weights = {key: tensor(value) for key, value in network.state_dict().items()}
        result[name] = {"weights": weights, "x": tensor(x), "logits": tensor(logits)}
    json.dump(result, sys.stdout)


main()
