#!/usr/bin/env python3
"""Makes .onnx networks of random weights for the tests of the importer, in float and as onnxruntime's quantize_static writes them.

usage: make_onnx.py FOLDER [NAME...]      (pip install onnx onnxruntime numpy)

Writes NAME_float.onnx, and for formats and types NAME_qdq_u8s8.onnx, NAME_qdq_s8s8.onnx, NAME_qop_u8s8.onnx, NAME_qop_s8s8.onnx.
Research software, not a medical device.
"""

import os
import sys
import tempfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class Net:
    """A graph that grows; every method gives the name of the value that it makes."""

    def __init__(self, seed: int, shape: list, opset: int = 13):
        self.random, self.opset = numpy.random.default_rng(seed), opset
        self.nodes, self.constants, self.shape, self.channels = [], [], shape, {"x": shape[1]}

    def add(self, kind: str, inputs: list, channels: int, **attributes) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"n_{name}", **attributes))
        self.channels[name] = channels
        return name

    def constant(self, array: numpy.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def floats(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant((self.random.standard_normal(shape) * scale).astype(numpy.float32))

    def conv(self, x: str, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, pads=None, normalize: bool = False) -> str:
        inputs = self.channels[x] // groups
        weights = self.floats(out, inputs, kernel, kernel, scale=(2.0 / (inputs * kernel * kernel)) ** 0.5)
        bias = [] if normalize else [self.floats(out, scale=0.1)]
        pads = [kernel // 2] * 4 if pads is None else pads
        y = self.add("Conv", [x, weights, *bias], out, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=groups)
        if normalize:
            positive = lambda: self.constant((0.5 + self.random.random(out)).astype(numpy.float32))
            y = self.add("BatchNormalization", [y, positive(), self.floats(out, scale=0.2), self.floats(out, scale=0.2), positive()], out)
        return y

    def relu(self, x: str) -> str:
        return self.add("Relu", [x], self.channels[x])

    def relu6(self, x: str) -> str:
        bounds = [self.constant(numpy.float32(bound)) for bound in (0, 6)]
        return self.add("Clip", [x, *bounds], self.channels[x])

    def sum(self, a: str, b: str) -> str:
        return self.add("Add", [a, b], self.channels[a])

    def dense(self, x: str, inputs: int, out: int) -> str:
        x = self.add("Flatten", [x], inputs, axis=1)
        weights, bias = self.floats(out, inputs, scale=inputs**-0.5), self.floats(out, scale=0.1)
        return self.add("Gemm", [x, weights, bias], out, transB=1)

    def model(self, output: str) -> onnx.ModelProto:
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "made", [info("x", TensorProto.FLOAT, self.shape)], [info(output, TensorProto.FLOAT, None)], self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model)
        return model


def resnet8(normalize: bool) -> onnx.ModelProto:
    net = Net(1, [1, 3, 32, 32])
    x = net.relu(net.conv("x", 16, 3, normalize=normalize))
    for out, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.relu(net.conv(x, out, 3, stride, normalize=normalize))
        y = net.conv(y, out, 3, normalize=normalize)
        x = x if stride == 1 else net.conv(x, out, 1, stride, pads=[0] * 4)
        x = net.relu(net.sum(x, y))
    x = net.add("GlobalAveragePool", [x], 64)
    return net.model(net.dense(x, 64, 10))


def mobilenet_v2(normalize: bool, side: int = 96, width: float = 0.35) -> onnx.ModelProto:
    net = Net(2, [1, 3, side, side], opset=17)
    rounded = lambda c: max(8, int(c * width + 4) // 8 * 8)
    x = net.relu6(net.conv("x", rounded(32), 3, 2, normalize=normalize))
    for expand, out, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            inputs, outputs, step = net.channels[x], rounded(out), stride if i == 0 else 1
            y = net.relu6(net.conv(x, inputs * expand, normalize=normalize)) if expand > 1 else x
            y = net.relu6(net.conv(y, inputs * expand, 3, step, groups=inputs * expand, normalize=normalize))
            y = net.conv(y, outputs, normalize=normalize)
            x = net.sum(x, y) if step == 1 and inputs == outputs else y
    x = net.relu6(net.conv(x, 256, normalize=normalize))
    x = net.add("GlobalAveragePool", [x], 256)
    return net.model(net.dense(x, 256, 100))


def excite(normalize: bool) -> onnx.ModelProto:
    """Squeeze and excite, hard swish written out, concatenation, resizing, sigmoid, leaky ReLU, explicit pads."""
    net = Net(3, [1, 3, 24, 20])
    x = net.conv("x", 16, 3, 2, pads=[0, 0, 1, 1], normalize=normalize)
    gate = net.add("HardSigmoid", [x], 16, alpha=1 / 6, beta=0.5)
    x = net.add("Mul", [x, gate], 16)
    s = net.add("GlobalAveragePool", [x], 16)
    s = net.add("Sigmoid", [net.conv(net.relu(net.conv(s, 8)), 16)], 16)
    x = net.add("Mul", [x, s], 16)
    y = net.add("LeakyRelu", [net.conv(x, 16, 3, 2, groups=16, normalize=normalize)], 16, alpha=0.1)
    sizes = net.constant(numpy.array([1, 1, 2, 2], numpy.float32))
    y = net.add("Resize", [y, "", sizes], 16, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    x = net.add("Concat", [x, y], 32, axis=1)
    x = net.add("MaxPool", [net.relu(net.conv(x, 24, 3))], 24, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = net.add("AveragePool", [net.conv(x, 12)], 12, kernel_shape=[2, 2], strides=[2, 2])
    # Rows and columns are flattened with the channels in front.
    return net.model(net.dense(x, 12 * 3 * 2, 7))


def vectors(normalize: bool) -> onnx.ModelProto:
    """Matrix products on a vector, with a softmax at the end."""
    net = Net(4, [1, 40])
    x = "x"
    for inputs, out in ((40, 32), (32, 8), (8, 32)):
        x = net.relu(net.add("Gemm", [x, net.floats(inputs, out, scale=inputs**-0.5), net.floats(out, scale=0.1)], out))
    x = net.add("MatMul", [x, net.floats(32, 12, scale=0.2)], 12)
    return net.model(net.add("Softmax", [x], 12, axis=1))


NETWORKS = {"resnet8": resnet8, "mobilenet_v2": mobilenet_v2, "excite": excite, "vectors": vectors}


class Pictures(CalibrationDataReader):
    """Noise over smooth pictures, as the network's input."""

    def __init__(self, shape: list, count: int, seed: int):
        self.left = iter([{"x": picture} for picture in pictures(shape, count, seed)])

    def get_next(self):
        return next(self.left, None)


def pictures(shape: list, count: int, seed: int) -> list:
    random, made = numpy.random.default_rng(seed), []
    for _ in range(count):
        x = random.standard_normal(shape).astype(numpy.float32) * random.random()
        if len(shape) == 4:
            for axis in (2, 3):
                x = x + numpy.roll(x, 1, axis) + numpy.roll(x, 2, axis)
        made.append(numpy.clip(x, -3, 3).astype(numpy.float32))
    return made


def main() -> int:
    folder, names = sys.argv[1], sys.argv[2:] or list(NETWORKS)
    os.makedirs(folder, exist_ok=True)
    types = {"u8s8": (QuantType.QUInt8, QuantType.QInt8), "s8s8": (QuantType.QInt8, QuantType.QInt8)}
    for name in names:
        onnx.save(NETWORKS[name](True), os.path.join(folder, f"{name}_float.onnx"))
        with tempfile.TemporaryDirectory() as scratch:
            folded = os.path.join(scratch, "folded.onnx")
            model = NETWORKS[name](False)
            onnx.save(model, folded)
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            for form in (QuantFormat.QDQ, QuantFormat.QOperator):
                for kind, (activations, weights) in types.items():
                    path = os.path.join(folder, f"{name}_{'qdq' if form == QuantFormat.QDQ else 'qop'}_{kind}.onnx")
                    extra = {"ActivationSymmetric": False, "WeightSymmetric": True}
                    quantize_static(folded, path, Pictures(shape, 8, 5), quant_format=form, per_channel=True, activation_type=activations,
                                    weight_type=weights, extra_options=extra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
