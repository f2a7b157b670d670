"""The PyTorch twin of a case of `soma bench --ops`: prints one line of JSON, its timing or why there is none.

usage: pytorch_ops.py THREADS SECONDS OPS
OPS is the case as JSON: a list of {"id", "inputs": [[...]], "outputs": [[...]], "attributes": {...}, "train"}.
The backward of an op is what autograd runs for it, on a graph that was made before. Images are tried channels-last and
channels-first; the faster counts.
"""

import sys

import torch
import torch.nn.functional as F

from pytorch_timing import finish, measure

TWINS = {}


def twin(*ids):
    def add(function):
        for name in ids:
            TWINS[name] = function
        return function
    return add


def leaf(shape):
    return (torch.rand(shape) * 2 - 1).requires_grad_()


def run_forward(op, function, *leaves):
    """The forward; without recording when it is for inference."""
    if op["train"]:
        return lambda: function(*leaves)

    def infer():
        with torch.no_grad():
            function(*leaves)
    return infer


def run_backward(function, leaves, wanted):
    result = function(*leaves)
    grad = torch.rand_like(result)
    return lambda: torch.autograd.grad(result, wanted, grad, retain_graph=True)


@twin("matmul/1.fwd")
def matmul(ops):
    op = ops[0]
    if op["attributes"]:
        return []
    a, b = (leaf(shape) for shape in op["inputs"][:2])
    if a.shape[0] == 1:
        a, b = leaf(a.shape[1:]), leaf(b.shape[1:])
    return [run_forward(op, torch.matmul, a, b)]


@twin("linear/1.fwd", "linear/1.bwd_data", "linear/1.bwd_weights")
def linear(ops):
    op = ops[0]
    direction = op["id"].split(".")[1]
    weights = direction == "bwd_weights"
    x = leaf(op["outputs"][0] if direction == "bwd_data" else op["inputs"][0])
    w = leaf(op["outputs"][0] if weights else op["inputs"][1])
    if direction == "fwd":
        return [run_forward(op, F.linear, x, w)]
    return [run_backward(F.linear, (x, w), w if weights else x)]


@twin("conv2d/1.fwd", "conv2d/1.bwd_data", "conv2d/1.bwd_weights")
def conv2d(ops):
    op, attributes = ops[0], ops[0]["attributes"]
    direction = op["id"].split(".")[1]
    weights = direction == "bwd_weights"
    image = op["outputs"][0] if direction == "bwd_data" else op["inputs"][0]
    weight = op["outputs"][0] if weights else op["inputs"][1]
    if attributes.get("pad_top", 0) != attributes.get("pad_bottom", 0):
        return []
    if attributes.get("pad_left", 0) != attributes.get("pad_right", 0):
        return []
    settings = {
        "stride": (attributes.get("stride_h", 1), attributes.get("stride_w", 1)),
        "padding": (attributes.get("pad_top", 0), attributes.get("pad_left", 0)),
        "dilation": (attributes.get("dilation_h", 1), attributes.get("dilation_w", 1)),
        "groups": attributes.get("groups", 1)}

    def convolve(x, w):
        return F.conv2d(x, w, **settings)

    runs = []
    for layout in (torch.channels_last, torch.contiguous_format):
        x, w = (leaf([s[0], s[3], s[1], s[2]]).detach().to(memory_format=layout).requires_grad_()
                for s in (image, weight))
        if direction == "fwd":
            runs.append(run_forward(op, convolve, x, w))
        else:
            runs.append(run_backward(convolve, (x, w), w if weights else x))
    return runs


@twin("max_pool2d/1.fwd", "max_pool2d/1.bwd", "avg_pool2d/1.fwd", "avg_pool2d/1.bwd")
def pool2d(ops):
    op, attributes = ops[0], ops[0]["attributes"]
    kernel = (attributes["kernel_h"], attributes["kernel_w"])
    stride = (attributes.get("stride_h", 1), attributes.get("stride_w", 1))
    padding = (attributes.get("pad_top", 0), attributes.get("pad_left", 0))
    backward = op["id"].endswith("bwd")
    image = op["outputs"][0] if backward else op["inputs"][0]
    pool = F.max_pool2d if op["id"].startswith("max") else F.avg_pool2d
    runs = []
    for layout in (torch.channels_last, torch.contiguous_format):
        x = leaf([image[0], image[3], image[1], image[2]]).detach().to(memory_format=layout).requires_grad_()

        def run(x):
            return pool(x, kernel, stride, padding)
        runs.append(run_backward(run, (x,), x) if backward else run_forward(op, run, x))
    return runs


POINTWISE = {
    "relu/1": F.relu, "leaky_relu/1": F.leaky_relu, "elu/1": F.elu, "selu/1": F.selu, "sigmoid/1": torch.sigmoid,
    "tanh/1": torch.tanh, "silu/1": F.silu, "gelu/1": F.gelu, "mish/1": F.mish, "softplus/1": F.softplus,
    "softsign/1": F.softsign, "hard_swish/1": F.hardswish, "exp/1": torch.exp, "log/1": torch.log, "abs/1": torch.abs,
    "sqrt/1": torch.sqrt, "square/1": torch.square}


def pointwise(ops):
    op = ops[0]
    family, direction = op["id"].split(".")
    x = leaf(op["inputs"][0])
    function = POINTWISE[family]
    if op["attributes"].get("approximate") == "tanh":
        def function(x):
            return F.gelu(x, approximate="tanh")
    elif op["attributes"]:
        return []
    return [run_forward(op, function, x) if direction == "fwd" else run_backward(function, (x,), x)]


@twin("add/1.fwd")
def add(ops):
    a, b = (leaf(shape) for shape in ops[0]["inputs"])
    return [run_forward(ops[0], torch.add, a, b)]


@twin("softmax/1.fwd", "softmax/1.bwd", "log_softmax/1.fwd", "log_softmax/1.bwd")
def softmax(ops):
    op = ops[0]
    x = leaf(op["inputs"][0])
    function = F.log_softmax if op["id"].startswith("log") else F.softmax

    def run(x):
        return function(x, dim=-1)
    return [run_forward(op, run, x) if op["id"].endswith("fwd") else run_backward(run, (x,), x)]


@twin("layer_norm/1.fwd", "layer_norm/1.bwd")
def layer_norm(ops):
    op = ops[0]
    x = leaf(op["inputs"][0])
    gamma, beta = leaf(x.shape[-1:]), leaf(x.shape[-1:])

    def run(x, gamma, beta):
        return F.layer_norm(x, x.shape[-1:], gamma, beta)
    leaves = (x, gamma, beta)
    return [run_forward(op, run, *leaves) if op["id"].endswith("fwd") else run_backward(run, leaves, leaves)]


@twin("batch_norm/1.fwd", "batch_norm/1.bwd")
def batch_norm(ops):
    op, shape = ops[0], ops[0]["inputs"][0]
    if not op["train"] or len(shape) != 4:
        return []
    gamma, beta = leaf(shape[-1:]), leaf(shape[-1:])
    mean, var = torch.zeros(shape[-1]), torch.ones(shape[-1])

    def run(x, gamma, beta):
        return F.batch_norm(x, mean, var, gamma, beta, training=True)
    runs = []
    for layout in (torch.channels_last, torch.contiguous_format):
        x = leaf([shape[0], shape[3], shape[1], shape[2]]).detach().to(memory_format=layout).requires_grad_()
        leaves = (x, gamma, beta)
        runs.append(run_forward(op, run, *leaves) if op["id"].endswith("fwd") else run_backward(run, leaves, leaves))
    return runs


@twin("lstm/1.fwd", "lstm/1.bwd", "gru/1.fwd", "gru/1.bwd", "rnn/1.fwd", "rnn/1.bwd")
def recurrent(ops):
    if len(ops) < 2:  # PyTorch has the product with the inputs in the layer
        return []
    family, direction = ops[0]["id"].split("/1.")
    linear = ops[1]
    rows, inputs = (linear["inputs"] if direction == "fwd" else linear["outputs"])[0]
    batch, steps, width = (ops[0]["inputs"] if direction == "fwd" else ops[0]["outputs"])[0]
    units = width // {"lstm": 4, "gru": 3, "rnn": 1}[family]
    assert rows == batch * steps
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[family](inputs, units)
    x = leaf([steps, batch, inputs])

    def run(x):
        return layer(x)[0]
    if direction == "fwd":
        return [run_forward(ops[0], run, x)]
    return [run_backward(run, (x,), (x, *layer.parameters()))]


@twin("attention/1.fwd", "attention/1.bwd")
def attention(ops):
    op, attributes = ops[0], ops[0]["attributes"]
    if attributes.get("key_mask"):
        return []
    heads, packed = attributes.get("heads", 1), bool(attributes.get("packed"))
    leaves = [leaf(shape) for shape in op["inputs"][:1 if packed else 3]]

    def run(*leaves):
        q, k, v = leaves[0].chunk(3, dim=-1) if packed else leaves
        q, k, v = (x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2) for x in (q, k, v))
        score = q @ k.transpose(-2, -1) * attributes.get("scale", q.shape[-1] ** -0.5)
        if attributes.get("causal"):
            hidden = torch.ones(score.shape[-2:], dtype=torch.bool).triu(1 + score.shape[-1] - score.shape[-2])
            score = score.masked_fill(hidden, float("-inf"))
        y = F.softmax(score, dim=-1) @ v
        return y.transpose(1, 2).flatten(2)
    if op["id"].endswith("fwd"):
        return [run_forward(op, run, *leaves)]
    return [run_backward(run, leaves, leaves)]


@twin("softmax_cross_entropy/1.fwd", "softmax_cross_entropy/1.bwd")
def cross_entropy(ops):
    op = ops[0]
    if op["attributes"]:
        return []
    x = leaf(op["inputs"][0])
    targets = torch.arange(x.shape[0]) % x.shape[1]

    def run(x):
        return F.cross_entropy(x, targets)
    return [run_forward(op, run, x) if op["id"].endswith("fwd") else run_backward(run, (x,), x)]


def update(make):
    def run(ops):
        weight = leaf(ops[0]["inputs"][0])
        weight.grad = torch.rand_like(weight)
        optimizer = make([weight], ops[0]["attributes"])
        return [optimizer.step]
    return run


TWINS["sgd/1.step"] = update(lambda p, a: torch.optim.SGD(
    p, lr=1e-3, momentum=a.get("momentum", 0), weight_decay=a.get("weight_decay", 0), nesterov=bool(a.get("nesterov"))))
TWINS["adam/1.step"] = update(lambda p, a: torch.optim.Adam(p, lr=1e-3))
for name in POINTWISE:
    TWINS[name + ".fwd"] = TWINS[name + ".bwd"] = pointwise


def main():
    import json
    threads, seconds, ops = int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(threads)
    runs = TWINS[ops[0]["id"]](ops) if ops[0]["id"] in TWINS else []
    finish([measure(run, seconds) for run in runs])


if __name__ == "__main__":
    main()
