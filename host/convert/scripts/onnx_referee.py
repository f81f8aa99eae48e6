#!/usr/bin/env python3
"""Runs a .onnx network in onnxruntime, graph optimisation off: the referee of rownet's onnx arithmetic.

usage: onnx_referee.py NET.onnx X.npy PREFIX --taps TAPS.json      (pip install onnxruntime onnx numpy)

TAPS.json: {"input": [axes], "outputs": [{"name", "axes"}]}; axis k of an array here is axis axes[k] of the file. Writes for output
k PREFIX.k.npy and PREFIX.k.plain.npy, [n, ...]. The second comes from the file as it is. The first comes from its integer form:
onnxruntime sums convolutions and matrix products between DequantizeLinear and QuantizeLinear in float32, in an order that differs
from machine to machine; written as QLinearConv, QGemm, QLinearMatMul and QLinearGlobalAveragePool the same products are summed in
int32, and averages as QLinearConv with weights of 1. Contributed operators on two values become DequantizeLinear, the operator, QuantizeLinear, which is defined to the last bit.
Research software, not a medical device.
"""

import argparse
import json
import sys

import numpy
import onnx
import onnxruntime
from onnx import helper, numpy_helper

MICROSOFT = "com.microsoft"
PASS = ("Relu", "Clip", "Identity", "Dropout")


class Form:
    """The integer form of a network."""

    def __init__(self, model: onnx.ModelProto, channels: dict):
        self.model, self.graph, self.channels = model, model.graph, channels
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
        self.makers = {name: node for node in self.graph.node for name in node.output}
        self.outputs = {output.name for output in self.graph.output}
        self.readers = {}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.made = 0

    def name(self) -> str:
        self.made += 1
        return f"referee_{self.made}"

    def value(self, name: str) -> numpy.ndarray:
        return numpy_helper.to_array(self.constants[name])

    def constant(self, array: numpy.ndarray) -> str:
        name = self.name()
        self.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def bytes_of(self, name: str):
        """Bytes, scale and zero point of what DequantizeLinear makes; none for other floats."""
        node = self.makers.get(name)
        if node is None or node.op_type != "DequantizeLinear":
            return None
        zero = node.input[2] if len(node.input) > 2 else self.constant(numpy.uint8(0))
        return node.input[0], node.input[1], zero

    def target(self, name: str):
        """Clamps behind a value and the QuantizeLinear that follows them; none where there is no single one."""
        clamps = []
        while True:
            readers = self.readers.get(name, [])
            if name in self.outputs or len(readers) != 1:
                return None
            if readers[0].op_type == "QuantizeLinear":
                return clamps, readers[0]
            if readers[0].op_type not in PASS:
                return None
            clamps.append(readers[0])
            name = readers[0].output[0]

    def integer(self, node: onnx.NodeProto, gone: list):
        """The nodes that a float operator between bytes becomes; none where it stays."""
        if node.domain == MICROSOFT and node.op_type in ("QLinearAdd", "QLinearMul"):
            kind = node.op_type.removeprefix("QLinear")
            a, b, y = self.name(), self.name(), self.name()
            return [
                helper.make_node("DequantizeLinear", node.input[0:3], [a]),
                helper.make_node("DequantizeLinear", node.input[3:6], [b]),
                helper.make_node(kind, [a, b], [y]),
                helper.make_node("QuantizeLinear", [y, *node.input[6:8]], node.output),
            ]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "QLinearAveragePool" and not any(attributes.get("pads", [])):
            return [self.average(node.input[0:3], node.input[3:5], node.output[0], self.channels[node.input[0]], attributes)]
        if node.op_type not in ("Conv", "Gemm", "MatMul", "GlobalAveragePool", "AveragePool") or any(attributes.get("pads", [])) and node.op_type == "AveragePool":
            return None
        found, read = self.target(node.output[0]), self.bytes_of(node.input[0])
        if found is None or read is None:
            return None
        clamps, quantize = found
        raw = self.name() if clamps else quantize.output[0]
        scale = [quantize.input[1], quantize.input[2] if len(quantize.input) > 2 else self.constant(numpy.uint8(0))]
        if node.op_type == "AveragePool":
            nodes = [self.average(read, scale, raw, self.channels[node.input[0]], attributes)]
        elif node.op_type == "GlobalAveragePool":
            nodes = [helper.make_node("QLinearGlobalAveragePool", [*read, *scale], [raw], domain=MICROSOFT, channels_last=0)]
        else:
            weights = self.bytes_of(node.input[1])
            if weights is None:
                return None
            bias = []
            if len(node.input) > 2 and node.input[2]:
                taken = self.bytes_of(node.input[2])
                if taken is None:
                    return None
                bias = [taken[0]]
            if node.op_type == "Conv":
                nodes = [helper.make_node("QLinearConv", [*read, *weights, *scale, *bias], [raw], **attributes)]
            elif node.op_type == "MatMul":
                nodes = [helper.make_node("QLinearMatMul", [*read, *weights, *scale], [raw])]
            else:
                attributes.pop("beta", None)
                nodes = [helper.make_node("QGemm", [*read, *weights, *(bias or [""]), *scale], [raw], domain=MICROSOFT, **attributes)]
        if clamps:
            at = self.name()
            nodes.append(helper.make_node("DequantizeLinear", [raw, *scale], [at]))
            for clamp in clamps:
                after = self.name()
                nodes.append(helper.make_node(clamp.op_type, [at, *clamp.input[1:]], [after]))
                nodes[-1].attribute.extend(clamp.attribute)
                at = after
            nodes.append(helper.make_node("QuantizeLinear", [at, *scale], quantize.output))
        gone.extend([*clamps, quantize])
        return nodes

    def average(self, read, scale, output: str, channels: int, attributes: dict) -> onnx.NodeProto:
        kernel = attributes["kernel_shape"]
        weights = self.constant(numpy.ones([channels, 1, *kernel], numpy.int8))
        of_weights = [self.constant(numpy.float32(1) / numpy.float32(numpy.prod(kernel))), self.constant(numpy.int8(0))]
        kept = {name: attributes[name] for name in ("kernel_shape", "strides") if name in attributes}
        return helper.make_node("QLinearConv", [*read, weights, *of_weights, *scale], [output], group=channels, **kept)

    def rewrite(self) -> onnx.ModelProto:
        nodes, gone = [], []
        for node in list(self.graph.node):
            nodes.append((node, self.integer(node, gone)))
        dropped = {id(node) for node in gone}
        kept = [replaced or [node] for node, replaced in nodes if id(node) not in dropped]
        flat = [one for group in kept for one in group]
        ordered = order(flat, {i.name for i in self.graph.input} | {t.name for t in self.graph.initializer} | {""})
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
        del self.graph.node[:]
        self.graph.node.extend(copies)
        if not any(opset.domain == MICROSOFT for opset in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return self.model


def order(nodes: list, known: set) -> list:
    """Topological order: clamps may have constants from behind their convolution."""
    ordered, waiting = [], list(nodes)
    while waiting:
        ready = [node for node in waiting if all(name in known for name in node.input)]
        if not ready:
            raise SystemExit("the integer form has a cycle")
        ordered.extend(ready)
        known = known.union(*(node.output for node in ready))
        done = {id(node) for node in ready}
        waiting = [node for node in waiting if id(node) not in done]
    return ordered


def channels(model: onnx.ModelProto, taps: dict, inputs: numpy.ndarray) -> dict:
    """Channels of what averages read."""
    names = sorted({node.input[0] for node in model.graph.node if node.op_type.endswith("AveragePool")})
    ask = {"input": taps["input"], "outputs": [{"name": name, "axes": [0, 1, 2, 3]} for name in names]}
    return {name: array.shape[1] for name, array in zip(names, run(model, ask, inputs[:1]))} if names else {}


def exact(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights of bytes as unsigned ones, 128 higher, where activations are unsigned: the same integers.

    Without VNNI, onnxruntime adds products of unsigned by signed bytes in pairs of 16 bits, which saturate: what it gives
    would depend on the processor.
    """
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    made = {}

    def shifted(name: str) -> str:
        if name not in made:
            values = numpy_helper.to_array(known[name])
            if values.dtype != numpy.int8:
                return name
            made[name] = f"{name}__unsigned"
            higher = (values.astype(numpy.int16) + 128).astype(numpy.uint8)
            model.graph.initializer.append(numpy_helper.from_array(higher, made[name]))
        return made[name]

    for node in model.graph.node:
        if node.op_type in ("QLinearConv", "QLinearMatMul", "QGemm") and all(node.input[i] in known for i in (2, 3, 5)):
            if known[node.input[2]].data_type == onnx.TensorProto.UINT8:
                for i in (3, 5):
                    node.input[i] = shifted(node.input[i])
    return model


def run(model: onnx.ModelProto, taps: dict, inputs: numpy.ndarray) -> list:
    del model.graph.output[:]
    names = [tap["name"] for tap in taps["outputs"]]
    for name in dict.fromkeys(names):
        info = onnx.ValueInfoProto()
        info.name = name
        model.graph.output.append(info)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    back = numpy.argsort(taps["input"])
    made = [[] for _ in names]
    for sample in inputs:
        sample = sample[None] if sample.ndim + 1 == len(back) else sample.reshape([1, *sample.shape[-(len(back) - 1):]])
        arrays = session.run(names, {given.name: numpy.ascontiguousarray(sample.transpose(back))})
        for rows, array, tap in zip(made, arrays, taps["outputs"]):
            rows.append(array.transpose(tap["axes"])[0] if array.ndim > 1 else array)
    return [numpy.stack(rows) for rows in made]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("network")
    arguments.add_argument("inputs")
    arguments.add_argument("prefix")
    arguments.add_argument("--taps", required=True)
    options = arguments.parse_args()
    with open(options.taps) as file:
        taps = json.load(file)
    inputs = numpy.load(options.inputs)
    known = channels(onnx.load(options.network), taps, inputs)
    for suffix, model in (("", exact(Form(onnx.load(options.network), known).rewrite())), (".plain", onnx.load(options.network))):
        for number, array in enumerate(run(model, taps, inputs)):
            numpy.save(f"{options.prefix}.{number}{suffix}.npy", array)
    return 0


if __name__ == "__main__":
    sys.exit(main())
