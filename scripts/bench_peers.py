#!/usr/bin/env python3
"""Times core, tract and onnxruntime on the same model and machine, one thread each, in one run.

usage: bench_peers.py [--host target/release/host] [--model models/default.cxr] [--rounds N] [--json]
       bench_peers.py --networks DIR [--host ...] [--rounds N] [--json]

Each round times `host bench` and onnxruntime's float32 and int8 files (intra_op_num_threads=1), all with every
instruction of the processor and, where Linux can hide them from a process (hide_avx512.c), with AVX2 at most.
Ratios are taken round by round; printed is their median, so that a busy machine slows both sides alike. "least" is the calmest round: on a busy machine
medians of what runs longer than a scheduler's slice are too long.
With --networks every int8 .tflite of a folder is imported, and timed by rownet's example `time` and by LiteRT, whose int8
kernels are XNNPACK's (pip install ai-edge-litert): the shortest of 50 inferences or more in a second or more, alternating.
Research software, not a medical device.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

PASSES = 30


def worker(prefix: str) -> None:
    """Answers each line on stdin with the medians of float32 and int8 in milliseconds."""
    import numpy
    import onnxruntime

    def session(path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    real, int8 = session(prefix + ".onnx"), session(prefix + ".int8.onnx")
    shape = real.get_inputs()[0].shape
    gray = numpy.random.default_rng(1).integers(0, 256, (1, 1, *shape[2:]))
    pixels = numpy.repeat(gray, shape[1], axis=1)
    feeds = {"f32": (real, pixels.astype(numpy.float32)), "int8": (int8, (pixels - 128).astype(numpy.int8))}
    print(json.dumps(onnxruntime.__version__), flush=True)
    for _ in sys.stdin:
        times = {name: [] for name in feeds}
        for _ in range(PASSES):
            for name, (engine, pixels) in feeds.items():
                start = time.perf_counter()
                engine.run(["logits"], {"image": pixels})
                times[name].append(1e3 * (time.perf_counter() - start))
        print(json.dumps({name: statistics.median(values) for name, values in times.items()}), flush=True)


def litert(path: str) -> float:
    """Microseconds of the shortest inference by LiteRT, one thread."""
    import numpy
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(path, num_threads=1)
    engine.allocate_tensors()
    for one in engine.get_input_details():
        random = numpy.random.default_rng(1)
        is_int8 = one["dtype"] == numpy.int8
        engine.set_tensor(one["index"], (random.integers(-128, 128, one["shape"]) if is_int8 else random.random(one["shape"])).astype(one["dtype"]))
    times, start = [], time.perf_counter()
    while len(times) < 50 or time.perf_counter() - start < 1:
        before = time.perf_counter()
        engine.invoke()
        times.append(time.perf_counter() - before)
    return 1e6 * min(times)


def rownet(example: pathlib.Path, network: pathlib.Path) -> dict:
    """Microseconds of the shortest inference by each kernel of rownet, filters packed."""
    lines = subprocess.run([example, network], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if ", " in line and " us  prepared" in line}


def networks(options: argparse.Namespace, root: pathlib.Path) -> int:
    """Times every network of a folder; ratios are LiteRT's time over ours, round by round."""
    from importlib.metadata import version

    example = pathlib.Path(options.host).parent / "examples/time"
    if not example.is_file():
        sys.exit(f"{example} is not there: cargo build --release -p rownet --example time, beside {options.host}")
    answer = {"litert": version("ai-edge-litert"), "rounds": options.rounds, "networks": {}}
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(pathlib.Path(options.networks).glob("*int8.tflite")):
            name = str(pathlib.Path(folder) / file.stem)
            subprocess.run([options.host, "import", file, "--out", name], check=True, capture_output=True, cwd=root)
            rounds = []
            for _ in range(options.rounds):
                worker = subprocess.run([sys.executable, __file__, "--litert", file], capture_output=True, text=True)
                # LiteRT refuses files that TFLite Micro runs.
                time = float(worker.stdout.split()[-1]) if worker.returncode == 0 else float("nan")
                rounds.append({"litert": time, **rownet(example, pathlib.Path(name + ".cxr"))})
            kernels = [kernel for kernel in rounds[0] if kernel != "litert"]
            best = min(kernels, key=lambda kernel: statistics.median(one[kernel] for one in rounds))
            answer["networks"][file.stem] = {
                "us": {kernel: statistics.median(one[kernel] for one in rounds) for kernel in rounds[0]},
                "kernel": best,
                "ratio": statistics.median(one["litert"] / one[best] for one in rounds),
                "ratios": sorted(round(one["litert"] / one[best], 3) for one in rounds),
            }
    if options.json:
        print(json.dumps(answer))
        return 0
    print(f"one thread, medians of {options.rounds} rounds; LiteRT {answer['litert']}, XNNPACK int8")
    print(f"{'':<20} {'rownet, us':>11} {'LiteRT, us':>11} {'LiteRT / rownet':>16}  from, to")
    for name, one in answer["networks"].items():
        us, ratios = one["us"], one["ratios"]
        print(f"{name:<20} {us[one['kernel']]:>11.1f} {us['litert']:>11.1f} {one['ratio']:>16.2f}  {ratios[0]}, {ratios[-1]}; {one['kernel']}")
    return 0


class Peer:
    """onnxruntime in a process of its own."""

    def __init__(self, prefix: str, preload: str | None = None):
        environment = dict(os.environ, **({"LD_PRELOAD": preload} if preload else {}))
        command = [sys.executable, __file__, "--worker", prefix]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("onnxruntime did not start")
        self.version = json.loads(line)

    def measure(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def hidden(folder: str) -> str | None:
    """The library that hides what is beyond AVX2, or None where it does not work."""
    library = os.path.join(folder, "hide_avx512.so")
    source = pathlib.Path(__file__).with_name("hide_avx512.c")
    try:
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        subprocess.run(["true"], check=True, env=dict(os.environ, LD_PRELOAD=library))
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--host", default=str(root / "target/release/host"))
    arguments.add_argument("--model", default=str(root / "models/default.cxr"))
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--networks", metavar="DIR")
    arguments.add_argument("--worker", metavar="PREFIX")
    arguments.add_argument("--litert", metavar="FILE")
    options = arguments.parse_args()
    if options.litert:
        print(litert(options.litert))
        return 0
    if options.networks:
        return networks(options, root)
    if options.worker:
        worker(options.worker)
        return 0

    prefix = options.model.removesuffix(".cxr")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        peers = {"onnxruntime": Peer(prefix)}
        library = hidden(folder)
        if library:
            peers["onnxruntime AVX2"] = Peer(prefix, library)
        bench = [options.host, "bench", "--json", "--repetitions", str(PASSES), "--model", options.model]
        for _ in range(options.rounds):
            one = {f"{name} {kind}": ms for name, peer in peers.items() for kind, ms in peer.measure().items()}
            report = json.loads(subprocess.run(bench, check=True, capture_output=True, text=True).stdout)
            one |= {f"core {name}": ms for name, ms in report["kernels"].items()}
            one |= {f"tract {kind}": report[f"tract_{kind}_ms"] for kind in ("f32", "int8") if report[f"tract_{kind}_ms"]}
            if library:
                environment = dict(os.environ, LD_PRELOAD=library)
                avx2 = json.loads(subprocess.run(bench, check=True, capture_output=True, text=True, env=environment).stdout)
                one |= {f"tract AVX2 {kind}": avx2[f"tract_{kind}_ms"] for kind in ("f32", "int8") if avx2[f"tract_{kind}_ms"]}
            rounds.append(one)
        version = peers["onnxruntime"].version
        for peer in peers.values():
            peer.process.stdin.close()
            peer.process.wait()

    best = f"core {report['kernel']}"
    cores = [best] + [name for name in ("core avx2",) if name in rounds[0] and name != best]
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    least = {name: min(one[name] for one in rounds) for name in rounds[0]}
    ratios = {core: {name: statistics.median(one[name] / one[core] for one in rounds) for name in rounds[0]} for core in cores}
    if options.json:
        print(json.dumps({"onnxruntime": version, "macs": report["macs"], "rounds": len(rounds), "ms": medians, "least_ms": least, "ratios": ratios}))
        return 0
    print(f"{options.model}, one thread, medians of {len(rounds)} rounds; onnxruntime {version}")
    print(f"{'':<24} {'ms':>9} {'least':>9} {'GMAC/s':>8}" + "".join(f" {'x ' + core:>20}" for core in cores))
    for name, ms in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{name:<24} {ms:>9.3f} {least[name]:>9.3f} {report['macs'] / ms / 1e6:>8.1f}" + "".join(f" {ratios[core][name]:>20.2f}" for core in cores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
