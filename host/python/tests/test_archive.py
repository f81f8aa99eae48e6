"""examples/dask_archive.py on a cluster of two workers of this machine; scripts/scale_archive.py measures their speed."""

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


def run(archive, out, during=None):
    command = [sys.executable, EXAMPLE, archive, "--out", out, "--workers", "2", "--batch", "8"]
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
    assert run(archive, tmp_path / "answers.jsonl") == alone


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

    assert run(archive, tmp_path / "answers.jsonl", during=kill) == alone
    assert killed, "no worker was there to be killed"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers that know nothing of the example; the scheduler's address."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    commands = [[*"dask_scheduler --host 127.0.0.1 --port 0 --no-dashboard --no-show --scheduler-file".split(), file]]
    commands += [[*"dask_worker --nthreads 1 --no-dashboard --scheduler-file".split(), file]] * 2
    children = []
    for command in commands:
        command = [sys.executable, "-m", f"distributed.cli.{command[0]}", *command[1:]]
        children.append(subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL))
    end = time.monotonic() + 120
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.1)
    yield json.loads(file.read_text())["address"]
    for child in reversed(children):
        child.terminate()
        child.wait(60)


def test_two_archives_share_a_cluster_that_is_there(archive, alone, cluster, tmp_path):
    # Both have as many images, under the same numbers.
    parts = [str(archive / name) for name in ("1", "2")]
    outs = [tmp_path / f"{n}.jsonl" for n in range(2)]
    commands = [[sys.executable, EXAMPLE, part, "--out", out, "--batch", "4", "--scheduler", cluster] for part, out in zip(parts, outs)]
    children = [subprocess.Popen(command) for command in commands]
    assert [child.wait(300) for child in children] == [0, 0]
    for part, out in zip(parts, outs):
        assert lines(out) == [answer for answer in alone if answer["image"].startswith(part + "/")]
