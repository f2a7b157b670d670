"""One training step, or one prediction, of a built-in model in PyTorch, for `soma bench MODEL`.

usage: pytorch_models.py MODEL train|infer pytorch|pytorch-tuned BATCH THREADS SECONDS
pytorch is the library as installed, apart from the thread count; pytorch-tuned adds channels-last memory, the fused
multi-tensor optimizer, gradients set to none and an allocator that keeps its memory.
"""

import ctypes
import sys

import torch
from torch import nn

from pytorch_timing import finish, measure


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10)), (1, 28, 28), 10


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
        nn.Linear(256, 10)), (1, 28, 28), 10


MODELS = {"lenet5": lenet5, "mlp": mlp}


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
    net, sample, classes = MODELS[model]()
    images = torch.rand(batch, *sample)
    labels = torch.arange(batch) % classes
    if tuned:
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, foreach=tuned)
    loss_of = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=tuned)
        loss_of(net(images), labels).backward()
        optimizer.step()

    def predict():
        with torch.no_grad():
            torch.softmax(net(images), 1)

    finish([measure(step if mode == "train" else predict, seconds)])


if __name__ == "__main__":
    main()
