"""One training step of LeNet-5 (batch 64, SGD momentum 0.9) in PyTorch: prints median, min and max in ms.

usage: pytorch_lenet5.py pytorch|pytorch-tuned THREADS SECONDS
pytorch is the library as installed, apart from the thread count; pytorch-tuned adds channels-last memory, the fused
multi-tensor optimizer, gradients set to none and an allocator that keeps its memory.
"""

import ctypes
import sys
import time

import torch
from torch import nn


def main():
    variant, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    tuned = variant == "pytorch-tuned"
    torch.set_num_threads(threads)
    if tuned:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    net = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10))
    images = torch.rand(64, 1, 28, 28)
    labels = torch.arange(64) % 10
    if tuned:
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, foreach=tuned)
    loss_of = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=tuned)
        loss_of(net(images), labels).backward()
        optimizer.step()

    start = time.perf_counter()
    while time.perf_counter() - start < seconds / 4:
        step()
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 5:
        one = time.perf_counter()
        step()
        times.append((time.perf_counter() - one) * 1e3)
    times.sort()
    print(times[len(times) // 2], times[0], times[-1])


main()
