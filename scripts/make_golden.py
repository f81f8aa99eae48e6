#!/usr/bin/env python3
"""Writes a golden fixture: what onnxruntime computes for PREFIX.int8.onnx on a generated image.

usage: make_golden.py PREFIX OUT.json [--seed N]              (pip install onnx onnxruntime numpy)

The image: the upper byte of each state of x = x * 1664525 + 1013904223 (mod 2^32) after the seed, height * width *
channels bytes, row by row, channels interleaved. Each layer's CRC-32 (zlib's) is over its int8 values in NHWC order.
Graph optimisation is off (ORT_DISABLE_ALL), so that the graph runs as written; the script also runs it with all
optimisations and records whether the bytes are the same.
"""

import argparse
import hashlib
import json
import pathlib
import zlib

import numpy
import onnx
import onnxruntime


def lcg_image(seed: int, shape: tuple[int, int, int]) -> numpy.ndarray:
    """Height x width x channels random bytes."""
    state, out = seed & 0xFFFFFFFF, bytearray()
    for _ in range(shape[0] * shape[1] * shape[2]):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return numpy.frombuffer(bytes(out), numpy.uint8).reshape(shape)


def to_int8(pixels: numpy.ndarray) -> numpy.ndarray:
    """q = pixel - 128."""
    return (pixels.astype(numpy.int16) - 128).astype(numpy.int8)


def session(model: onnx.ModelProto, optimised: bool = False) -> onnxruntime.InferenceSession:
    """A CPU session, the graph run as written unless `optimised`."""
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def observable(model: onnx.ModelProto) -> list[str]:
    """Makes every layer's int8 value a graph output; returns their names in order."""
    known = {value.name: value for value in model.graph.value_info}
    names = [n.output[0] for n in model.graph.node if n.op_type in ("QLinearConv", "MaxPool")]
    model.graph.output.extend(known[name] for name in names)
    return names


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("prefix")
    arguments.add_argument("out")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()

    model = onnx.load(f"{options.prefix}.int8.onnx")
    names = observable(model)
    _, channels, height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    image = lcg_image(options.seed, (height, width, channels))
    feed = {"image": to_int8(image).transpose(2, 0, 1)[None]}
    logits, *layers = session(model).run(["logits", *names], feed)
    again = session(model, optimised=True).run(["logits", *names], feed)
    same = all(numpy.array_equal(a, b) for a, b in zip([logits, *layers], again))

    cxr = pathlib.Path(f"{options.prefix}.cxr")
    fixture = {
        "model": cxr.as_posix(),
        "model_sha256": hashlib.sha256(cxr.read_bytes()).hexdigest(),
        "input": {"kind": "lcg", "seed": options.seed, "shape": [height, width, channels]},
        "layers": [
            {"name": name, "crc32": zlib.crc32(numpy.ascontiguousarray(layer.transpose(0, 2, 3, 1)).tobytes())}
            for name, layer in zip(names, layers)
        ],
        "logits_bits": logits[0].astype(numpy.float32).view(numpy.uint32).tolist(),
        "source": f"onnxruntime {onnxruntime.__version__}, ORT_DISABLE_ALL",
        "same_bytes_with_all_optimisations": same,
    }
    pathlib.Path(options.out).write_text(json.dumps(fixture, indent=2) + "\n")
    print(f"wrote {options.out}: {len(names)} layers, logits {logits[0]}, all optimisations give the same bytes: {same}")


if __name__ == "__main__":
    main()
