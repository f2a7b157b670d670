"""One training step, or one prediction, of a built-in model in PyTorch, for `soma bench MODEL`.

usage: pytorch_models.py MODEL train|infer pytorch|pytorch-tuned BATCH THREADS SECONDS
pytorch is the library as installed, apart from the thread count; pytorch-tuned adds channels-last memory, the
multi-tensor optimizer, gradients set to none and an allocator that keeps its memory.
"""

import ctypes
import sys

import torch
import torch.nn.functional as F
from torch import nn

from pytorch_timing import finish, measure

CHARACTERS, CONTEXT = 65, 64


def momentum(parameters, tuned):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, foreach=tuned)


def adam(parameters, tuned):
    return torch.optim.Adam(parameters, lr=1e-3, foreach=tuned)


def adamw(parameters, tuned):
    return torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, foreach=tuned)


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10))


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
        nn.Linear(256, 10))


class Block(nn.Module):
    """A residual block; the skip is a 1x1 convolution where the shape changes."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)
        self.skip = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.skip(x))


def resnet20():
    blocks, channels = [], 16
    for filters in (16, 32, 64):
        for block in range(3):
            blocks.append(Block(channels, filters, 2 if filters > 16 and block == 0 else 1))
            channels = filters
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class CharRecurrent(nn.Module):
    """Embedding of 128, one recurrent layer of 256, logits of 65."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, 128)
        self.recurrent = kind(128, 256, batch_first=True)
        self.logits = nn.Linear(256, CHARACTERS)

    def forward(self, ids):
        return self.logits(self.recurrent(self.embedding(ids))[0])


class GptBlock(nn.Module):
    """Attention and a two-layer perceptron, each behind a layer norm and added back; no biases."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (z.view(n, t, self.heads, width // self.heads).transpose(1, 2)
                   for z in self.qkv(self.norm1(x)).split(width, 2))
        scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5
        hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
        y = torch.softmax(scores.masked_fill(hidden, float("-inf")), -1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(n, t, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class CharGpt(nn.Module):
    """Four blocks of width 128; the output is tied to the embedding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, 128)
        self.position = nn.Parameter(torch.zeros(CONTEXT, 128))
        self.blocks = nn.Sequential(*(GptBlock(128, 4) for _ in range(4)))
        self.norm = nn.LayerNorm(128)

    def forward(self, ids):
        return self.norm(self.blocks(self.embedding(ids) + self.position)) @ self.embedding.weight.T


def tanh_mlp():
    return nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


NUMBERS = {"tanh-mlp"}  # models that give numbers, not logits

# name: (module, optimizer, shape of an image or None for characters)
MODELS = {
    "lenet5": (lenet5, momentum, (1, 28, 28)),
    "mlp": (mlp, adam, (1, 28, 28)),
    "resnet20": (resnet20, momentum, (3, 32, 32)),
    "char-rnn": (lambda: CharRecurrent(nn.RNN), adam, None),
    "char-lstm": (lambda: CharRecurrent(nn.LSTM), adam, None),
    "char-gru": (lambda: CharRecurrent(nn.GRU), adam, None),
    "char-gpt": (CharGpt, adamw, None),
    "tanh-mlp": (tanh_mlp, adam, (16,)),
}


def main():
    model, mode, variant = sys.argv[1:4]
    batch, threads, seconds = int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
    if model not in MODELS:
        finish([])
        return
    tuned = variant == "pytorch-tuned"
    torch.set_num_threads(threads)
    if tuned:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    make, optimizer_of, image = MODELS[model]
    net = make()
    if image is None:
        samples = torch.randint(CHARACTERS, (batch, CONTEXT))
        labels = torch.randint(CHARACTERS, (batch, CONTEXT))
    else:
        samples = torch.rand(batch, *image)
        labels = torch.arange(batch) % 10
        if tuned and len(image) == 3:
            net = net.to(memory_format=torch.channels_last)
            samples = samples.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(net.parameters(), tuned)

    if model in NUMBERS and mode == "train":
        finish([])
        return

    def step():
        optimizer.zero_grad(set_to_none=tuned)
        logits = net(samples)
        F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)).backward()
        optimizer.step()

    def predict():
        with torch.no_grad():
            results = net(samples)
            if model not in NUMBERS:
                torch.softmax(results, -1)

    if mode == "infer":
        net.eval()
    finish([measure(step if mode == "train" else predict, seconds)])


if __name__ == "__main__":
    main()
