#!/usr/bin/env python3
"""What quantisation-aware training could add: fine-tunes an exported float network with and without simulated int8, in PyTorch.

usage: qat.py --model models/default.onnx [--data ../shared/data] [--steps 97] [--rate 2e-5]   (pip install torch numpy pillow onnx)

Weights: int8, a scale a channel, nearest; activations: 8 bits from 0 to their largest value over 256 training images. Gradients go
straight through the rounding (Jacob et al., CVPR 2018). Prints validation figures alone. The real export rounds weights together
(docs/quantization.md) and is better than the nearest rounding that this starts from. Research software, not a medical device.
"""

import argparse
import pathlib

import ablations
import numpy
import onnx
import PIL.Image
import torch
import torch.nn.functional as F


class Straight(torch.autograd.Function):
    """Rounds and clamps; the gradient passes inside the range."""

    @staticmethod
    def forward(ctx, x, scale, low, high):
        q = x / scale
        ctx.save_for_backward((q >= low) & (q <= high))
        return q.round().clamp(low, high) * scale

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None, None, None


def load(path):
    """Weights, biases and strides of the convolutions on one gray channel, and the dense layer over the channels' means."""
    graph = onnx.load(path).graph
    values = {i.name: torch.tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
    layers = []
    for node in graph.node:
        if node.op_type == "Conv":
            layers.append((values[node.input[1]], values[node.input[2]], next(a.ints[0] for a in node.attribute if a.name == "strides")))
        elif node.op_type == "Gemm":
            dense, bias = values[node.input[1]], values[node.input[2]]
    layers[0] = (layers[0][0].sum(1, keepdim=True), *layers[0][1:])
    channels = len(layers[-1][1])
    # The export divides the mean's weights among the cells.
    return layers, (dense.view(len(bias), channels, -1).sum(2), bias)


def forward(layers, dense, x, top=None, seen=None):
    """Logits; in simulated int8 if `top` has the largest activations, which `seen` collects."""
    for i, (weight, bias, stride) in enumerate(layers):
        if top:
            weight = Straight.apply(weight, weight.detach().abs().amax((1, 2, 3), keepdim=True) / 127, -127, 127)
        x = F.relu(F.conv2d(x, weight, bias, stride, 1))
        if seen is not None:
            seen[i] = max(seen.get(i, 0.0), x.max().item())
        if top:
            x = Straight.apply(x, top[i] / 255, 0, 255)
    weight, bias = dense
    if top:
        weight = Straight.apply(weight, weight.detach().abs().amax(1, keepdim=True) / 127, -127, 127)
    return F.linear(x.mean((2, 3)), weight, bias)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=pathlib.Path, default="../shared/data", help="the folder with coronahack/ and external/")
    arguments.add_argument("--model", type=pathlib.Path, required=True, help="a float ONNX file of `host export`")
    arguments.add_argument("--steps", type=int, default=97, help="of 96 images")
    arguments.add_argument("--rate", type=float, default=2e-5)
    options = arguments.parse_args()
    listed = ablations.manifest(options.data)
    split, cls, src = (numpy.array([row[k] for row in listed]) for k in (3, 2, 1))
    inside, val = numpy.flatnonzero(split == "train"), numpy.flatnonzero(split == "val")
    side = ablations.SIDE

    def pixels(indices):
        shrink = lambda path: PIL.Image.open(path).convert("L").resize((side, side), PIL.Image.Resampling.BILINEAR)
        return torch.from_numpy(numpy.stack([numpy.asarray(shrink(listed[i][0])) for i in indices]))

    real = lambda images: (images.view(-1, 1, side, side).float() - 128) / 64
    layers, dense = load(options.model)
    seen = {}
    with torch.no_grad():
        for part in numpy.split(inside[:: max(1, len(inside) // 256)][:256], 4):
            forward(layers, dense, real(pixels(part)), seen=seen)
    validation = pixels(val)

    @torch.no_grad()
    def judge(layers, dense, top):
        return torch.cat([forward(layers, dense, real(part), top) for part in validation.split(64)])

    reference, truth = judge(layers, dense, None), torch.tensor(cls[val])

    def show(name, logits, own):
        loss, right = F.cross_entropy(logits, truth).item(), (logits.argmax(1) == truth).float().mean().item()
        away, same = (logits - own).abs().mean().item(), (logits.argmax(1) == own.argmax(1)).sum().item()
        print(f"{name:24} accuracy {100 * right:.2f} %, loss {loss:.4f}; from its float self: {away:.4f} a logit, {same} of {len(val)} alike", flush=True)

    show("float", reference, reference)
    show("int8, nearest", judge(layers, dense, seen), reference)
    chance = ablations.weights("B", cls[inside], src[inside])
    for name, top in (("float, trained on", None), ("simulated int8, trained on", seen)):
        torch.manual_seed(1)
        numpy.random.seed(1)
        tuned = [(w.clone().requires_grad_(), b.clone().requires_grad_(), stride) for w, b, stride in layers]
        last = tuple(v.clone().requires_grad_() for v in dense)
        parameters = [v for layer in tuned for v in layer[:2]] + list(last)
        optimizer = torch.optim.Adam(parameters, options.rate)
        for _ in range(options.steps):
            drawn = inside[numpy.random.choice(len(inside), ablations.BATCH, p=chance)]
            with torch.no_grad():
                f = (ablations.augment(pixels(drawn), side, ablations.AUGMENT) - 128) / 64
            loss = F.cross_entropy(forward(tuned, last, f, top), torch.tensor(cls[drawn]), label_smoothing=ablations.SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        own = judge(tuned, last, None)
        show(name, own, own)
        show(name + ", as int8", judge(tuned, last, seen), own)


if __name__ == "__main__":
    main()
