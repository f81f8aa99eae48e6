#!/usr/bin/env python3
"""Lists the public items of cxr-core whose documentation has no example; exit code 1 if there are any.

usage: doc_examples.py [FILE...]      (needs a nightly toolchain, whose rustdoc writes JSON; FILEs limit the list)

Fields, variants, modules and trait implementations need none: their owner has one.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = {"function", "struct", "enum", "trait", "constant", "type_alias", "macro"}


def main() -> int:
    command = ["cargo", "+nightly", "rustdoc", "--quiet", "--package", "cxr-core", "--lib", "--"]
    subprocess.run(command + ["-Zunstable-options", "--output-format", "json"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    index = json.loads((target / "doc/cxr_core.json").read_text())["index"]
    of_traits = set()
    for item in index.values():
        implementation = item["inner"].get("impl")
        if implementation and implementation["trait"]:
            of_traits.update(str(i) for i in implementation["items"])
        trait = item["inner"].get("trait")
        if trait:
            of_traits.update(str(i) for i in trait["items"])
    total, missing = 0, []
    for number, item in index.items():
        kind = next(iter(item["inner"]))
        span = item["span"] and item["span"]["filename"]
        public = item["visibility"] in ("public", "default")
        if kind not in KINDS or item["crate_id"] != 0 or not public or number in of_traits or not span:
            continue
        if sys.argv[1:] and not any(span.endswith(name) for name in sys.argv[1:]):
            continue
        total += 1
        if "```" not in (item["docs"] or ""):
            missing.append(f"{span}:{item['span']['begin'][0]}: {kind} {item['name']}")
    print("\n".join(sorted(missing)))
    print(f"{total - len(missing)} of {total} public items have an example", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
