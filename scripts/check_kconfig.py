"""The library that Zephyr's Kconfig of the package chooses where these symbols are set.

    check_kconfig.py KCONFIG SYMBOL...
"""

import re
import sys
import tempfile

import kconfiglib


def main():
    path, symbols = sys.argv[1], sys.argv[2:]
    text = open(path, encoding="utf-8").read()
    # Zephyr's own symbols, which are in its tree.
    names = sorted(set(re.findall(r"\b(?:CPU|FP|RISCV|FPU|64BIT)[A-Z0-9_]*", text)))
    with tempfile.NamedTemporaryFile("w", suffix=".kconfig") as file:
        for name in names:
            file.write(f"config {name}\n\tbool\n" + ("\tdefault y\n" if name in symbols else ""))
        file.write(f'source "{path}"\n')
        file.flush()
        config = kconfiglib.Kconfig(file.name, warn_to_stderr=False)
    assert not config.warnings, config.warnings
    config.syms["CXR"].set_value("y")
    assert config.syms["CXR"].str_value == "y", "CONFIG_CXR cannot be set"
    print(config.syms["CXR_CORE"].str_value)


main()
