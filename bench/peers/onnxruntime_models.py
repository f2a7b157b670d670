"""One prediction of a built-in model in ONNX Runtime, for `soma bench MODEL`: the module of pytorch_models.py, as
PyTorch exports it.

usage: onnxruntime_models.py MODEL train|infer BATCH THREADS SECONDS
"""

import json
import os
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")  # the exporter warns about what it always did

import onnxruntime
import torch

from pytorch_models import CHARACTERS, CONTEXT, MODELS, NUMBERS
from pytorch_timing import measure


def unsupported(reason):
    print(json.dumps({"unsupported": reason}))


def example(batch, image):
    if image is None:
        return torch.randint(CHARACTERS, (batch, CONTEXT))
    return torch.rand(batch, *image)


def session_for(net, samples, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(net, samples, path, input_names=["input"], output_names=["output"], opset_version=14)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Probabilities(torch.nn.Module):
    """A classifier that ends in its probabilities."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, samples):
        return torch.softmax(self.net(samples), -1)


def main():
    model, mode = sys.argv[1:3]
    batch, threads, seconds = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    if mode == "train":
        return unsupported("ONNX Runtime only predicts")
    if model not in MODELS:
        return unsupported("no PyTorch twin to export")
    make, _, image = MODELS[model]
    net = make()
    if model not in NUMBERS:
        net = Probabilities(net)
    net.eval()
    samples = example(batch, image)
    session = session_for(net, samples, threads)
    inputs = {"input": samples.numpy()}
    times = measure(lambda: session.run(None, inputs), seconds)
    print(json.dumps({
        "median_ms": times[len(times) // 2], "min_ms": times[0], "max_ms": times[-1],
        "p99_ms": times[(len(times) - 1) * 99 // 100],
        "implementation": "ONNX Runtime " + onnxruntime.__version__, "class": "", "fingerprint": ""}))


if __name__ == "__main__":
    main()
