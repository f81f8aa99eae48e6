"""examples/dask_archive.py on a cluster of two workers of this machine."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy
import pytest

import cxr

pytest.importorskip("distributed")

ROOT = pathlib.Path(os.environ["CXR_ROOT"])
EXAMPLE = ROOT / "examples/dask_archive.py"
IMAGES = int(os.environ.get("CXR_ARCHIVE_IMAGES", "240"))


def png(array):
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows, columns = array.shape
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in array), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    random = numpy.random.default_rng(1)
    for n in range(IMAGES):
        path = folder / f"{n % 7}" / f"{n:05}.png"
        path.parent.mkdir(exist_ok=True)
        blocks = random.integers(0, 256, (16, 16), numpy.uint8)
        path.write_bytes(png(numpy.kron(blocks, numpy.ones((32, 32), numpy.uint8))))
    (folder / "3/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "notes.txt").write_text("no image")
    return folder


def lines(path):
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for line in found:
        line.pop("milliseconds", None)
    return found


def run(archive, out, workers, during=None):
    command = [sys.executable, EXAMPLE, archive, "--out", out, "--workers", str(workers), "--batch", "8"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    if during:
        threading.Thread(target=during, args=(child,), daemon=True).start()
    _, errors = child.communicate(timeout=900)
    assert child.returncode == 1 and "1 failed" in errors, errors
    return lines(out)


@pytest.fixture(scope="module")
def alone(archive):
    # One process, no cluster.
    classifier, answers = cxr.Classifier(), []
    for path in sorted(str(path) for path in archive.rglob("*.png")):
        try:
            answers.append(classifier.predict(pathlib.Path(path).read_bytes(), name=path))
        except cxr.ImageError as error:
            answers.append({"image": path, "error": str(error)})
        answers[-1].pop("milliseconds", None)
    assert len(answers) == IMAGES + 1
    return answers


def workers_of(child):
    """Processes in which the classifier is loaded, below that one."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == child.pid and "_cxr" in (entry / "maps").read_text():
                found.append(int(entry.name))
        except (OSError, ProcessLookupError):
            continue
    return [pid for pid in found if pid != child.pid]


def test_two_workers_give_what_one_process_gives(archive, alone, tmp_path):
    assert run(archive, tmp_path / "answers.jsonl", 2) == alone


def test_a_killed_worker_loses_and_doubles_nothing(archive, alone, tmp_path):
    killed = []

    def kill(child):
        end = time.monotonic() + 300
        while not killed and time.monotonic() < end and child.poll() is None:
            half = tmp_path / "answers.jsonl.part"
            workers = workers_of(child)
            # With answers here, and more under way.
            if workers and half.exists() and half.stat().st_size > 0:
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
            time.sleep(0.02)

    assert run(archive, tmp_path / "answers.jsonl", 2, during=kill) == alone
    assert killed, "no worker was there to be killed"


@pytest.mark.skipif("CXR_SCALING" not in os.environ, reason="CXR_SCALING is not set: a machine with two idle cores is needed")
def test_two_workers_are_nearly_twice_as_fast(archive):
    from distributed import Client, LocalCluster

    sys.path.insert(0, str(EXAMPLE.parent))
    import dask_archive

    paths = sorted(str(path) for path in archive.rglob("0*.png"))
    rates = {}
    for _ in range(3):
        for workers in (1, 2):
            with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
                # Models are read before the clock starts.
                client.run(dask_archive.classify, paths[:1], None)
                started = time.perf_counter()
                assert sum(1 for _ in dask_archive.answers(client, paths, None, 8)) == len(paths)
                rates.setdefault(workers, []).append(len(paths) / (time.perf_counter() - started))
    one, two = (sorted(rates[n])[1] for n in (1, 2))
    print(json.dumps({"one": round(one, 1), "two": round(two, 1), "ratio": round(two / one, 2)}))
    assert two >= 1.8 * one, rates
