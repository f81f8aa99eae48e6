#!/usr/bin/env python3
"""Checks PREFIX.onnx and PREFIX.int8.onnx with onnx.checker and runs both in onnxruntime.

usage: check_onnx.py PREFIX [--images N] [--tolerance T]      (pip install onnx onnxruntime numpy)

Prints, per generated image, the logits of both; exits 1 if a file is invalid, or if the mean difference exceeds T times
the mean size of a float logit. The pictures are unlike any X-ray, so this catches a wrong graph, not a poor calibration.
Research software, not a medical device.
"""

import argparse
import sys

import numpy
import onnx
import onnxruntime

from make_golden import lcg_image, session, to_int8


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("prefix")
    arguments.add_argument("--images", type=int, default=4)
    arguments.add_argument("--tolerance", type=float, default=0.25)
    options = arguments.parse_args()

    sessions = {}
    for suffix in ("onnx", "int8.onnx"):
        path = f"{options.prefix}.{suffix}"
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        opset = model.opset_import[0].version
        operators = sorted({node.op_type for node in model.graph.node})
        print(f"{path}: valid, opset {opset}, IR {model.ir_version}, {', '.join(operators)}")
        sessions[suffix] = session(model)

    _, channels, height, width = sessions["onnx"].get_inputs()[0].shape
    errors, sizes = [], []
    for seed in range(1, options.images + 1):
        image = lcg_image(seed, (height, width, channels))
        # Noise drives few networks; blocks of 32 pixels resemble a picture more.
        block = max(1, height // 8)
        coarse = image[::block, ::block].repeat(block, 0).repeat(block, 1)[:height, :width]
        planes = coarse.transpose(2, 0, 1)[None]
        (real,) = sessions["onnx"].run(["logits"], {"image": planes.astype(numpy.float32)})
        (int8,) = sessions["int8.onnx"].run(["logits"], {"image": to_int8(planes)})
        errors.append(numpy.abs(real - int8).mean())
        sizes.append(numpy.abs(real).mean())
        print(f"seed {seed}: float {real[0]}  int8 {int8[0]}  mean difference {errors[-1]:.4f}")
    share = numpy.mean(errors) / numpy.mean(sizes)
    if not share <= options.tolerance:
        print(f"the int8 logits differ by {share:.3f} of their size on average, over {options.tolerance}", file=sys.stderr)
        return 1
    print(f"onnxruntime {onnxruntime.__version__}: mean logit difference {numpy.mean(errors):.4f}, {share:.3f} of their size")
    return 0


if __name__ == "__main__":
    sys.exit(main())
