#!/usr/bin/env python3
"""Runs a .tflite network in TFLite Micro's reference kernels: the referee of rownet's tflite arithmetic.

usage: tflite_referee.py NET.tflite X.npy PREFIX [--values]      (pip install tflite-micro numpy)

X is [n, h, w, c] or [n, values] of the network's input type. Writes PREFIX.0.npy, PREFIX.1.npy, ... of shape [n, ...], one an
output, and with --values also PREFIX.values.json, [{"index", "name", "file"}...], and a file for each value between the operators.
Research software, not a medical device.
"""

import argparse
import json
import os
import sys

import numpy
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("network")
    arguments.add_argument("inputs")
    arguments.add_argument("prefix")
    arguments.add_argument("--values", action="store_true")
    arguments.add_argument("--arena", type=int, default=64 << 20)
    options = arguments.parse_args()

    with open(options.network, "rb") as file:
        network = file.read()
    graph = schema.Model.GetRootAs(network, 0)
    subgraph = graph.Subgraphs(0)
    configuration = runtime.InterpreterConfig.kPreserveAllTensors if options.values else runtime.InterpreterConfig.kAllocationRecording
    # TFLite Micro's quantised kernels are the reference ones in this package.
    interpreter = runtime.Interpreter.from_bytes(network, arena_size=options.arena, intrepreter_config=configuration)
    inputs = numpy.load(options.inputs)
    shape = interpreter.get_input_details(0)["shape"]
    made = [subgraph.Operators(i).Outputs(j) for i in range(subgraph.OperatorsLength()) for j in range(subgraph.Operators(i).OutputsLength())]
    outputs = [[] for _ in range(subgraph.OutputsLength())]
    values = {index: [] for index in made} if options.values else {}
    for sample in inputs:
        interpreter.set_input(numpy.ascontiguousarray(sample.reshape(shape)), 0)
        interpreter.invoke()
        for number, rows in enumerate(outputs):
            rows.append(interpreter.get_output(number)[0].copy())
        for index, rows in values.items():
            rows.append(numpy.array(interpreter.GetTensor(index, 0)["tensor_data"]))
    for number, rows in enumerate(outputs):
        numpy.save(f"{options.prefix}.{number}.npy", numpy.stack(rows))
    if options.values:
        listing = []
        for index, rows in values.items():
            path = f"{options.prefix}.value{index}.npy"
            numpy.save(path, numpy.stack(rows))
            listing.append({"index": index, "name": subgraph.Tensors(index).Name().decode(), "file": os.path.basename(path)})
        with open(f"{options.prefix}.values.json", "w") as file:
            json.dump(listing, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
