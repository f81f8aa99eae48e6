#!/usr/bin/env python3
"""Two workers against one over an archive: Dask's, and two shares of `host predict`.

usage: scale_archive.py HOST [PAIRS] [IMAGES]      (in the environment of `cargo xtask test --only wheel`)

Runs of one and of two alternate; each worker has one thread. A line of JSON for each way: images a second, the ratio of each
pair, and what a machine that others use as well does not blur: images a second of processor time, and the part of the time
in which a worker had a core. Status 1 where a median ratio is below 1.8.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
from distributed import Client, LocalCluster

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "host/python/tests")]
os.environ.setdefault("CXR_ROOT", str(ROOT))

import dask_archive  # noqa: E402
from test_archive import png  # noqa: E402

WANTED = 1.8


def radiographs(folder, count):
    """Pictures as large as radiographs are."""
    random, paths = numpy.random.default_rng(1), []
    for n in range(count):
        paths.append(folder / f"{n:05}.png")
        blocks = random.integers(0, 256, (32, 32), numpy.uint8)
        paths[-1].write_bytes(png(numpy.kron(blocks, numpy.ones((48, 48), numpy.uint8))))
    return [str(path) for path in paths]


def dask(paths, workers):
    """Seconds, and processor seconds of the workers."""
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        # Everything is loaded before the clock starts.
        client.run(dask_archive.classify, paths[:1], None)
        before, started = client.run(time.process_time), time.perf_counter()
        assert sum(1 for _ in dask_archive.answers(client, paths, None, 8)) == len(paths)
        seconds = time.perf_counter() - started
        after = client.run(time.process_time)
    return seconds, sum(after[worker] - before[worker] for worker in before)


def shares(host, folder, shards):
    """Seconds, and processor seconds of the processes."""
    before, started = os.times(), time.perf_counter()
    command = [host, "predict", "--recursive", "--jobs", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    children = [
        subprocess.Popen([*command, "--shard", f"{k + 1}/{shards}", "--csv", folder / f"{k}.csv", folder / "archive"], **quiet)
        for k in range(shards)
    ]
    assert [child.wait() for child in children] == [0] * shards
    seconds, after = time.perf_counter() - started, os.times()
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def compare(name, images, pairs, run):
    runs = {1: [], 2: []}
    for pair in range(pairs):
        for workers in ((1, 2), (2, 1))[pair % 2]:
            runs[workers].append(run(workers))
    ratios = [one / two for (one, _), (two, _) in zip(runs[1], runs[2])]
    said = {"way": name, "images": images, "cores": os.cpu_count(), "ratio": round(statistics.median(ratios), 2)}
    said["ratios"] = [round(ratio, 2) for ratio in ratios]
    for workers, label in ((1, "one"), (2, "two")):
        said[label] = {
            "images_per_second": round(statistics.median(images / seconds for seconds, _ in runs[workers]), 1),
            "images_per_processor_second": round(statistics.median(images / used for _, used in runs[workers]), 1),
            "share_of_a_core": round(statistics.median(used / seconds / workers for seconds, used in runs[workers]), 2),
        }
    print(json.dumps(said), flush=True)
    return said["ratio"] >= WANTED


def main():
    host = pathlib.Path(sys.argv[1]).resolve()
    pairs, images = (int(word) for word in [*sys.argv[2:], *("5", "400")[len(sys.argv[2:]) :]])
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "archive").mkdir()
        paths = radiographs(folder / "archive", images)
        good = [
            compare("host predict --shard K/N", images, pairs, lambda shards: shares(host, folder, shards)),
            compare("dask_archive.py", images, pairs, lambda workers: dask(paths, workers)),
        ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
