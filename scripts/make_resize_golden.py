#!/usr/bin/env python3
"""Writes core/tests/resize_golden: what Pillow makes of generated images with the filter of cxr_core::image.

usage: make_resize_golden.py                                   (pip install pillow==13.0.0 numpy==2.4.6)

Pillow resizes float images (mode F, BILINEAR: the triangle filter, widened when reducing) with coefficients in double
precision, so the values are exact to about 1e-5 of a gray level. Luma and window are computed here in double precision.
cases.txt: kind, input size, output size, window (low, high, inverted), first output row, step between output rows.
pillow.bin: those rows of all cases, u16 little-endian, 256 for a gray level.
"""

import pathlib

import numpy
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "core/tests/resize_golden"
WHOLE_8, WHOLE_16 = (0, 255, 0), (0, 65535, 0)
CASES = [
    # kind, input width and height, output width and height, window
    ("gray16", 8192, 8192, 256, 256, WHOLE_16),
    ("gray16", 3000, 3000, 256, 256, (1000, 50000, 1)),
    ("gray8", 3056, 2544, 256, 256, WHOLE_8),
    ("rgb8", 1857, 1317, 256, 256, WHOLE_8),
    ("rgb16", 1024, 1500, 256, 256, WHOLE_16),
    ("gray8", 1, 1, 256, 256, WHOLE_8),
    ("gray8", 1, 8192, 256, 256, WHOLE_8),
    ("gray8", 8192, 1, 256, 256, WHOLE_8),
    ("gray8", 2, 3, 256, 256, (20, 200, 0)),
    ("gray8", 255, 257, 256, 256, WHOLE_8),
    ("gray8", 256, 256, 256, 256, (0, 255, 1)),
    ("gray16", 257, 255, 256, 256, (30000, 31000, 0)),
    ("rgba8", 64, 48, 256, 256, WHOLE_8),
    ("rgba16", 513, 511, 256, 256, (0, 65535, 1)),
    ("gray8", 400, 300, 224, 224, WHOLE_8),
    ("rgb8", 99, 101, 100, 100, WHOLE_8),
    ("gray16", 640, 480, 32, 32, (5000, 60000, 0)),
    ("gray8", 31, 200, 32, 33, WHOLE_8),
    # Reductions that need weights cut to fit 32 bits.
    ("gray16", 8192, 8192, 7, 7, WHOLE_16),
    ("gray8", 8192, 64, 100, 3, WHOLE_8),
    ("gray8", 64, 8192, 7, 2, WHOLE_8),
    ("gray16", 8191, 300, 3, 32, WHOLE_16),
    ("gray8", 300, 8191, 2, 100, WHOLE_8),
    ("gray16", 8192, 8191, 1, 1, WHOLE_16),
    ("rgb8", 5000, 4000, 32, 32, WHOLE_8),
    ("gray8", 7, 5, 1, 1, WHOLE_8),
]


def noise(a: numpy.ndarray, b: numpy.ndarray, c: int) -> numpy.ndarray:
    """16 bits of a hash of three numbers."""
    mixed = (a * numpy.uint32(73856093)) ^ (b * numpy.uint32(19349663)) ^ numpy.uint32(c * 83492791 & 0xFFFFFFFF)
    mixed = mixed * numpy.uint32(2654435761)
    return (mixed ^ (mixed >> numpy.uint32(15))) & numpy.uint32(0xFFFF)


def stored(width: int, height: int, channel: int) -> numpy.ndarray:
    """The test image of core/tests/resize.rs, 16 bits a value."""
    x = numpy.arange(width, dtype=numpy.uint32)[None, :]
    y = numpy.arange(height, dtype=numpy.uint32)[:, None]
    coarse = noise(x * numpy.uint32(48) // numpy.uint32(width), y * numpy.uint32(48) // numpy.uint32(height), channel)
    return (numpy.uint32(3) * coarse + noise(x, y, channel + 7)) // numpy.uint32(4)


def gray(kind: str, width: int, height: int, window: tuple[int, int, int]) -> numpy.ndarray:
    """Gray levels, 0 to 255, not rounded."""
    shift = numpy.uint32(0 if kind.endswith("16") else 8)
    if kind.startswith("gray"):
        levels = (stored(width, height, 0) >> shift).astype(numpy.float64)
    else:
        channels = [(stored(width, height, c) >> shift).astype(numpy.float64) for c in range(3)]
        levels = (77.0 * channels[0] + 150.0 * channels[1] + 29.0 * channels[2]) / 256.0
    low, high, inverted = window
    levels = (numpy.clip(levels, low, high) - low) * (255.0 / (high - low))
    return 255.0 - levels if inverted else levels


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    lines, data = [], bytearray()
    for kind, width, height, out_width, out_height, window in CASES:
        image = Image.fromarray(gray(kind, width, height, window).astype(numpy.float32))
        resized = numpy.asarray(image.resize((out_width, out_height), Image.Resampling.BILINEAR), dtype=numpy.float64)
        # Some rows of a large output are enough.
        step = 1 if out_height <= 33 else 15 if out_height == 256 else 11
        rows = resized[::step]
        data += numpy.rint(rows * 256).astype("<u2").tobytes()
        lines.append(f"{kind} {width} {height} {out_width} {out_height} {window[0]} {window[1]} {window[2]} {step}")
    (FOLDER / "cases.txt").write_text("\n".join(lines) + "\n")
    (FOLDER / "pillow.bin").write_bytes(data)
    print(f"{len(lines)} cases, {len(data)} bytes")


if __name__ == "__main__":
    main()
