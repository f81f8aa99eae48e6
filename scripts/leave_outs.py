#!/usr/bin/env python3
"""Figures of leave-out runs, by the rule of docs/experiments/30-rule-for-leave-outs.md.

usage: scripts/leave_outs.py RUNS [--json FILE]

Reads RUNS/RECIPE-LETTER/predictions.csv of scripts/leave_outs.sh. Prints a table for each run and one for each recipe as Markdown. Rows of
role external_test do not count.
"""

import argparse
import collections
import csv
import json
import math
import pathlib
import random

NORMAL, PNEUMONIA, COVID, OTHER = "Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19", "other-finding"
CLASSES = [NORMAL, PNEUMONIA, COVID]
ALLOWED, ALLOWED_OTHER, LEAST, LIMIT = 0.03, 0.1, 20, 3.0


def offset(margins, allowed=ALLOWED):
    """The operating point of host/study/src/export/operating.rs."""
    margins = sorted(margins)
    count = int(allowed * len(margins))
    if count >= len(margins):
        return 0.0
    beyond = margins[count]
    within = margins[count - 1] if count else beyond - 0.1
    return max(-LIMIT, min(LIMIT, (within + beyond) / 2))


def margin(row):
    """The offset at which an image would be called COVID-19."""
    return max(row["logits"][:2]) - row["logits"][2]


def operating_points(val):
    healthy = [margin(r) for r in val if r["label"] == NORMAL and r["source"] != "coronahack"]
    groups = collections.defaultdict(list)
    for row in val:
        if row["label"] == OTHER or (row["label"] == NORMAL and row["source"] != "coronahack"):
            groups[row["hospital"], row["label"]].append(margin(row))
    allowed = {NORMAL: ALLOWED, OTHER: ALLOWED_OTHER}
    lowest = min((offset(g, allowed[label]) for (_, label), g in groups.items() if len(g) >= LEAST), default=offset(healthy))
    return {"pooled": offset(healthy), "worst": lowest}


def wilson(hits, n, z=1.959963984540054):
    if n == 0:
        return [0.0, 1.0]
    p = hits / n
    centre, half, scale = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)), 1 + z * z / n
    return [max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)]


def rate(rows, hit, resamples=1000):
    """Hits, n, people and the wider of Wilson's interval and that by resampling people."""
    people = collections.defaultdict(lambda: [0, 0])
    for row in rows:
        people[row["patient"]][0] += hit(row)
        people[row["patient"]][1] += 1
    counts = list(people.values())
    hits, n = sum(c[0] for c in counts), sum(c[1] for c in counts)
    interval = wilson(hits, n)
    if 0 < len(counts) < n:
        draw, shares = random.Random(1), []
        for _ in range(resamples):
            some = draw.choices(counts, k=len(counts))
            shares.append(sum(c[0] for c in some) / sum(c[1] for c in some))
        shares.sort()
        by_people = [shares[int(0.025 * (resamples - 1))], shares[int(0.975 * (resamples - 1) + 0.5)]]
        if by_people[1] - by_people[0] > interval[1] - interval[0]:
            interval = by_people
    return {"hits": hits, "n": n, "patients": len(counts), "value": hits / n if n else None, "interval_95": interval}


def auc(positives, negatives):
    if not positives or not negatives:
        return None
    both = sorted([(s, 1) for s in positives] + [(s, 0) for s in negatives])
    ranks, i = 0.0, 0
    while i < len(both):
        j = i
        while j < len(both) and both[j][0] == both[i][0]:
            j += 1
        ranks += (i + j + 1) / 2 * sum(p for _, p in both[i:j])
        i = j
    m, n = len(positives), len(negatives)
    return (ranks - m * (m + 1) / 2) / (m * n)


def read(path):
    for row in csv.DictReader(open(path)):
        row["logits"] = [float(row[f"logit({name})"]) for name in CLASSES]
        yield row


def measure(path):
    rows = list(read(path))
    val = [r for r in rows if r["split"] == "val"]
    unseen = [r for r in rows if r["split"] == "unseen" and r["external_test"] == "no"]
    top = lambda row: max(range(3), key=lambda k: row["logits"][k])
    points = operating_points(val)
    found = {"offsets": points, "rates": {}, "val": {}}
    scores = lambda rows: [-margin(r) for r in rows]
    of = lambda label: [r for r in unseen if r["label"] == label]
    found["auc"] = auc(scores(of(COVID)), scores(of(NORMAL)))
    found["auc_other"] = auc(scores(of(COVID)), scores(of(OTHER)))
    for name, shift in points.items():
        covid = lambda row: margin(row) < shift
        answer = lambda row: 2 if covid(row) else top({"logits": row["logits"][:2] + [-math.inf]})
        groups = collections.defaultdict(list)
        for row in unseen:
            groups[f"{row['hospital']}, {row['label']}"].append(row)
        found["rates"][name] = {key: rate(group, covid) for key, group in sorted(groups.items()) if len(group) >= 10}
        own = lambda keep: [r for r in val if r["label"] != OTHER and keep(r)]
        right = lambda row: CLASSES[answer(row)] == row["label"]
        found["val"][name] = {
            "CoronaHack": rate(own(lambda r: r["source"] == "coronahack"), right, 0 or 200),
            "other": rate(own(lambda r: r["source"] != "coronahack"), right, 200),
            "COVID-19 found": rate([r for r in val if r["label"] == COVID], covid, 200),
        }
    return found


SPECIFICITIES = [("B", "nih+rsna, Normal/NA"), ("A", "pk_mendeley, Normal/NA"), ("A", "pk_mendeley, other-finding")]
SENSITIVITIES = [("A", "radiography_db, " + COVID), ("B", "covid_cxnet, " + COVID), ("C", "ieee8023+darkcovidnet, " + COVID)]


def score(runs, point):
    """J and its parts, as far as the runs are there."""
    value = lambda letter, key: runs.get(letter, {}).get("rates", {}).get(point, {}).get(key, {}).get("value")
    called = [value(*cell) for cell in SPECIFICITIES]
    hits = [value(*cell) for cell in SENSITIVITIES]
    known = [c for c in called + hits if c is not None]
    whole = len(known) == 6
    j = (sum(1 - c for c in called) / 3 + sum(hits) / 3) / 2 if whole else None
    return called, hits, j


def percent(value):
    return "" if value is None else f"{100 * value:.1f}"


def told(r):
    low, high = (100 * bound for bound in r["interval_95"])
    people = f", {r['patients']} people" if r["patients"] < r["n"] else ""
    return f"{100 * r['value']:.1f} % ({low:.1f} to {high:.1f}; {r['hits']} of {r['n']}{people})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("runs", type=pathlib.Path)
    arguments.add_argument("--json", type=pathlib.Path, help="write all figures there")
    given = arguments.parse_args()
    all_runs = collections.defaultdict(dict)
    for path in sorted(given.runs.glob("*/predictions.csv")):
        recipe, letter = path.parent.name.rsplit("-", 1)
        all_runs[recipe + letter[1:]][letter[0]] = measure(path)
    print("| recipe, run | images | called COVID-19, pooled point | worst point |\n|---|---|---|---|")
    for recipe, runs in all_runs.items():
        for letter, found in runs.items():
            for key, r in found["rates"]["pooled"].items():
                print(f"| {recipe} {letter} | {key} | {told(r)} | {told(found['rates']['worst'][key])} |")
    head = ["nih, rsna", "pk healthy", "pk TB", "radiography_db", "covid_cxnet", "ieee8023", "AUC A", "AUC B", "val CoronaHack", "J"]
    print("\n| recipe | point | " + " | ".join(head) + " |\n|---|---|" + "--:|" * len(head))
    for recipe, runs in all_runs.items():
        for point in ("pooled", "worst"):
            called, hits, j = score(runs, point)
            own = [f["val"][point]["CoronaHack"]["value"] for f in runs.values()]
            areas = ["" if runs.get(l, {}).get("auc") is None else f"{runs[l]['auc']:.3f}" for l in "AB"]
            cells = [percent(c) for c in called + hits] + areas + [percent(sum(own) / len(own)), "" if j is None else f"{j:.3f}"]
            print(f"| {recipe} | {point} | " + " | ".join(cells) + " |")
    if given.json:
        given.json.write_text(json.dumps(all_runs, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
