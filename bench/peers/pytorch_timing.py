"""Timing as bench/ops/timing.cpp does it, and the line of JSON that `soma bench` reads."""

import json
import time

import torch


def measure(run, seconds):
    """Sorted milliseconds of single calls."""
    fewest, patience = 5, 10
    start = time.perf_counter()
    run()
    while time.perf_counter() - start < seconds / 4:
        run()
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < fewest:
        if times and time.perf_counter() - start > patience * seconds:
            break
        one = time.perf_counter()
        run()
        times.append((time.perf_counter() - one) * 1e3)
    return sorted(times)


def finish(measured):
    """Prints the fastest of the measured ways, or that there is none."""
    if not measured:
        print(json.dumps({"unsupported": "no PyTorch twin"}))
        return
    times = min(measured, key=lambda t: t[len(t) // 2])
    print(json.dumps({
        "median_ms": times[len(times) // 2], "min_ms": times[0], "max_ms": times[-1],
        "p99_ms": times[(len(times) - 1) * 99 // 100],
        "implementation": "PyTorch " + torch.__version__, "class": "", "fingerprint": ""}))
