"""Chooses the library of the board's core for PlatformIO. Made by `cargo xtask packages`. Research software, not a medical device."""

import os
import sys

Import("env")  # noqa: F821

# Core, and words of the compiler's command line that must all be there.
CORES = @PYTHON@
FLAGS = [str(flag) for name in ("CCFLAGS", "ASFLAGS", "LINKFLAGS") for flag in env.get(name, [])]  # noqa: F821


def given(word):
    """`-march` may have extensions behind an underscore."""
    return any(flag == word or flag.startswith(word + "_") for flag in FLAGS)


FOUND = [name for name, words in CORES if all(map(given, words))]
if not FOUND:
    sys.stderr.write("cxr: no library for this board's compiler flags; there are %s\n" % ", ".join(name for name, _ in CORES))
    env.Exit(1)  # noqa: F821
# PlatformIO runs a script in the folder that it lies in.
ROOT = os.path.dirname(os.getcwd())
env.Append(LIBPATH=[os.path.join(ROOT, "lib", FOUND[0])], LIBS=["cxr"])  # noqa: F821
