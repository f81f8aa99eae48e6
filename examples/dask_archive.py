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
import functools
import json
import os
import pathlib
import sys

import dask
import fsspec
from distributed import Client, LocalCluster, as_completed

# Nobody's name ends on these.
NO_IMAGES = (".txt", ".csv", ".json", ".jsonl", ".xml", ".md", ".html", ".pdf", ".zip")


@functools.cache
def classifier(model):
    # Once a process.
    import cxr

    return cxr.Classifier(model)


def classify(paths, model):
    """Answers of these images, in their order."""
    import cxr

    answers = []
    for path in paths:
        try:
            with fsspec.open(path, "rb") as file:
                answers.append(classifier(model).predict(file.read(), name=path))
        except (cxr.ImageError, OSError) as error:
            answers.append({"image": path, "error": str(error)})
    return answers


def listed(folder):
    """The files of a folder or a bucket and of all below, sorted."""
    files, _, (root, *_) = fsspec.get_fs_token_paths(folder)
    prefix = folder.split("://")[0] + "://" if "://" in folder else ""
    found = sorted(prefix + path for path in files.find(root))
    return [path for path in found if not path.lower().endswith(NO_IMAGES) and "/." not in path]


def answers(client, paths, model, batch):
    """Answers in the order of the paths, as they come."""
    batches = [paths[at : at + batch] for at in range(0, len(paths), batch)]
    # Named by its number, so that a batch that is done again is the same work.
    futures = [client.submit(classify, part, model, key=f"batch-{n}", retries=3) for n, part in enumerate(batches)]
    early, shown = {}, 0
    for future in as_completed(futures):
        early[int(future.key.split("-")[1])] = future.result()
        while shown in early:
            yield from early.pop(shown)
            shown += 1


def main():
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
