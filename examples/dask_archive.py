#!/usr/bin/env python3
"""Classifies a folder or a bucket of X-rays with Dask: on a cluster of this machine, or on one that is there.

    pip install 'cxr-classifier[archive]'
    python dask_archive.py s3://bucket/archive --out answers.jsonl            (a bucket wants its driver: pip install s3fs)
    python dask_archive.py /archive --workers 8 --out answers.jsonl
    python dask_archive.py /archive --scheduler tcp://10.0.0.1:8786 --out answers.jsonl

A line of JSON an image, in the order of the paths: what `host predict --json` says, or `error`. Whatever happens to
workers, every image has one line: a worker that dies is replaced and its images are classified again, and an answer counts
when it is here. Exit codes: 0 all were answered, 1 some could not be read.
Research software, not a medical device: not for diagnosis, triage or treatment.
"""

import argparse
import itertools
import json
import os
import pathlib
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import cxr
import dask
import fsspec
from distributed import Client, Future, LocalCluster, as_completed

# Batches that the cluster is given at once.
AHEAD = 1000
# Nobody's name ends on these.
NO_IMAGES = (".txt", ".csv", ".json", ".jsonl", ".xml", ".md", ".html", ".pdf", ".zip")


def classify(paths: list[str], model: str | None) -> list[Mapping[str, Any]]:
    """Answers of these images, in their order."""
    classifier = cxr.Classifier(model)
    answers: list[Mapping[str, Any]] = []
    for path in paths:
        try:
            with fsspec.open(path, "rb") as file:
                answers.append(classifier.predict(file.read(), name=path))
        except (cxr.ImageError, OSError) as error:
            answers.append({"image": path, "error": str(error)})
    return answers


def listed(folder: str) -> list[str]:
    """The files of a folder or a bucket and of all below, sorted."""
    files, _, (root, *_) = fsspec.get_fs_token_paths(folder)
    prefix = folder.split("://")[0] + "://" if "://" in folder else ""
    found = sorted(prefix + path for path in files.find(root))
    return [path for path in found if not path.lower().endswith(NO_IMAGES) and "/." not in path]


def answers(client: Client, paths: list[str], model: str | None, batch: int) -> Iterator[Mapping[str, Any]]:
    """Answers in the order of the paths, as they come."""
    # Others may use the cluster: a name of this run's own, so that a batch is this one and no other.
    run = uuid.uuid4().hex
    starts = iter(range(0, len(paths), batch))

    def submitted(start: int) -> "Future[list[Mapping[str, Any]]]":
        return client.submit(classify, paths[start : start + batch], model, key=f"{run}-{start}", retries=3)

    early: dict[int, list[Mapping[str, Any]]] = {}
    shown = 0
    # What is answered is let go, and as much is handed out again: an archive may have more images than the cluster memory.
    running = as_completed([submitted(start) for start in itertools.islice(starts, AHEAD)])
    for future in running:
        early[int(future.key.split("-")[1])] = future.result()
        running.update(submitted(start) for start in itertools.islice(starts, 1))
        while shown in early:
            yield from early.pop(shown)
            shown += batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", help="a folder, or a bucket as s3://bucket/folder")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the file of answers, JSON lines")
    parser.add_argument("--model", help="a .cxr file that every worker has; the shipped model if absent")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of a cluster on this machine")
    parser.add_argument("--scheduler", help="a cluster that is there, instead")
    parser.add_argument("--batch", type=int, default=16, help="images that a worker is given at once")
    arguments = parser.parse_args()
    paths = listed(arguments.archive)
    if not paths:
        sys.exit(f"error: {arguments.archive}: no file there: check the path")
    # A batch that ends three workers is a fault, not bad luck.
    dask.config.set({"distributed.scheduler.allowed-failures": 3})
    if arguments.scheduler:
        cluster = arguments.scheduler
    else:
        cluster = LocalCluster(n_workers=arguments.workers, threads_per_worker=1, processes=True, dashboard_address=None)
    half, failed = arguments.out.with_name(arguments.out.name + ".part"), 0
    with Client(cluster) as client, open(half, "w", encoding="utf-8") as out:
        for answer in answers(client, paths, arguments.model, arguments.batch):
            failed += "error" in answer
            out.write(json.dumps(answer) + "\n")
    # Whole, or not there.
    half.replace(arguments.out)
    print(f"{arguments.out}: {len(paths)} images, {failed} failed", file=sys.stderr)
    if not arguments.scheduler:
        cluster.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
