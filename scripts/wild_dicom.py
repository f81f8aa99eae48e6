"""DICOM as hospitals, scanners and archives write it: more fixtures for make_dicom.py, after public bug reports.

Each is a picture that a plain file shows too, so its levels are known without the library that would read it.
"""

import io
import struct

import imagecodecs
import jpeg_ls
import numpy
import PIL.Image
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

PLAIN = ExplicitVRLittleEndian
WINDOW = {"WindowCenter": 1500, "WindowWidth": 2400}
JPEG = "1.2.840.10008.1.2.4."


def lossless_jpeg(pixels, bits, restart=0, shift=0):
    """A lossless JPEG (T.81, annex H), predictor 1: five bits name each of the 17 sizes of a difference."""
    values = (pixels >> shift).astype(int)
    height, width = values.shape
    stream, held = bytearray(), ""

    def flush(held):
        held += "1" * (-len(held) % 8)
        for at in range(0, len(held), 8):
            byte = int(held[at : at + 8], 2)
            stream.extend([byte, 0] if byte == 255 else [byte])

    for y in range(height):
        fresh = y == 0 or (restart and y % restart == 0)
        if fresh and y:
            flush(held)
            held = ""
            stream.extend([0xFF, 0xD0 + (y // restart - 1) % 8])
        for x in range(width):
            guess = values[y, x - 1] if x else 1 << (bits - shift - 1) if fresh else values[y - 1, 0]
            error = (int(values[y, x]) - int(guess) + 32768) % 65536 - 32768
            size = abs(error).bit_length()
            held += f"{size:05b}"
            if 0 < size < 16:
                held += f"{error if error > 0 else error + (1 << size) - 1:0{size}b}"
    flush(held)
    segment = lambda marker, body: struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
    table = bytes([0]) + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    frame = struct.pack(">BHHBBBB", bits, height, width, 1, 1, 0x11, 0)
    lines = segment(0xDD, struct.pack(">H", restart * width)) if restart else b""
    scan = bytes([1, 1, 0, 1, 0, shift])
    head = b"\xff\xd8" + segment(0xC3, frame) + segment(0xC4, table) + lines + segment(0xDA, scan)
    return head + bytes(stream) + b"\xff\xd9"


def write(out, dataset, table, levels, twelve, eight):
    """Writes the files; returns their levels, or the name of the file whose levels they have."""
    expected = {}
    window = dataset(twelve, PLAIN, **WINDOW)
    rgb = numpy.stack([eight, numpy.roll(eight, 5, 0), 255 - eight], axis=-1)
    ybr = pydicom.pixels.convert_color_space(rgb, "RGB", "YBR_FULL")
    wide = (twelve.astype(numpy.int32) - 2048).astype(numpy.int16)

    def shown(ds):
        return [round(float(v)) for v in levels(ds).ravel()]

    def raw(ds, implicit=False, little=True):
        """The file's bytes: preamble, group 2, data set."""
        held = io.BytesIO()
        if implicit:
            ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        pydicom.dcmwrite(held, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
        return held.getvalue()

    def body(data):
        """The data set alone."""
        return data[data.index(b"\x08\x00\x16\x00") :] if b"\x08\x00\x16\x00" in data else data[data.index(b"\x00\x08\x00\x16") :]

    def put(name, data, like):
        data = data if isinstance(data, bytes) else raw(data)
        (out / f"{name}.dcm").write_bytes(data)
        if not name.startswith("refused-"):
            expected[name] = like if isinstance(like, str) else shown(like)

    def coded(ds, syntax, stream):
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        return ds

    # The pictures that the others show.
    put("windowed", window, window)
    put("signed", dataset(wide, PLAIN, signed=True, bits=16), dataset(wide, PLAIN, signed=True, bits=16))
    put("colour", dataset(rgb, PLAIN, "RGB", bits=8), dataset(rgb, PLAIN, "RGB", bits=8))
    from_ybr = pydicom.pixels.convert_color_space(ybr, "YBR_FULL", "RGB")
    from_ybr = dataset(from_ybr, PLAIN, "RGB", bits=8)

    # Transfer syntaxes.
    gray = lambda **elements: dataset(twelve, PLAIN, **WINDOW, **elements)
    j2k = lambda pixels, **options: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", **options)
    put("jpeg-2000", coded(gray(), JPEG + "90", j2k(twelve, bitspersample=12)), "windowed")
    put("jpeg-2000-signed", coded(dataset(wide, PLAIN, signed=True, bits=16), JPEG + "90", j2k(wide)), "signed")
    put("jpeg-2000-colour", coded(dataset(rgb, PLAIN, "YBR_RCT", bits=8), JPEG + "90", j2k(rgb)), "colour")
    lossy = j2k(twelve, bitspersample=12, level=50, reversible=False)
    put("jpeg-2000-lossy", coded(gray(), JPEG + "91", lossy), dataset(imagecodecs.jpeg2k_decode(lossy), PLAIN, **WINDOW))
    put("htj2k", coded(gray(), JPEG + "201", imagecodecs.htj2k_encode(twelve)), "windowed")
    put("htj2k-colour", coded(dataset(rgb, PLAIN, "YBR_RCT", bits=8), JPEG + "202", imagecodecs.htj2k_encode(rgb)), "colour")
    put("jpeg-ls", coded(gray(), JPEG + "80", bytes(jpeg_ls.encode_array(twelve))), "windowed")
    near = bytes(jpeg_ls.encode_array(twelve, lossy_error=5))
    put("jpeg-ls-near", coded(gray(), JPEG + "81", near), dataset(imagecodecs.jpegls_decode(near), PLAIN, **WINDOW))
    for mode, name in enumerate(["planes", "lines", "samples"]):
        pixels = rgb.transpose(2, 0, 1) if mode == 0 else rgb
        stream = jpeg_ls.encode_buffer(numpy.ascontiguousarray(pixels).tobytes(), 32, 32, 3, 8, interleave_mode=mode)
        put(f"jpeg-ls-{name}", coded(dataset(rgb, PLAIN, "RGB", bits=8), JPEG + "80", bytes(stream)), "colour")
    extended = imagecodecs.jpeg8_encode(twelve, level=98, bitspersample=12)
    put("jpeg-12-bits", coded(gray(), JPEG + "51", extended), dataset(imagecodecs.jpeg8_decode(extended), PLAIN, **WINDOW))
    put("jpeg-lossless-restart", coded(gray(), JPEG + "57", lossless_jpeg(twelve, 12, restart=4)), "windowed")
    shifted = dataset(twelve // 4 * 4, PLAIN, **WINDOW)
    put("jpeg-lossless-shift", coded(gray(), JPEG + "70", lossless_jpeg(twelve, 12, shift=2)), shifted)
    progressive = io.BytesIO()
    PIL.Image.fromarray(eight).save(progressive, "JPEG", quality=95, progressive=True)
    decoded = numpy.asarray(PIL.Image.open(io.BytesIO(progressive.getvalue())))
    retired = coded(dataset(eight, PLAIN, bits=8), JPEG + "55", progressive.getvalue())
    put("jpeg-progressive-retired", retired, dataset(decoded, PLAIN, bits=8))
    colour = io.BytesIO()
    PIL.Image.fromarray(rgb).save(colour, "JPEG", quality=95, subsampling=0)
    decoded = dataset(numpy.asarray(PIL.Image.open(io.BytesIO(colour.getvalue()))), PLAIN, "RGB", bits=8)
    put("jpeg-says-rgb", coded(dataset(rgb, PLAIN, "RGB", bits=8), JPEG + "50", colour.getvalue()), decoded)
    put("jpeg-says-gray", coded(dataset(eight, PLAIN, bits=8, WindowCenter=128, WindowWidth=2048), JPEG + "50", colour.getvalue()),
        dataset(numpy.asarray(PIL.Image.open(io.BytesIO(colour.getvalue())).convert("L")), PLAIN, bits=8, WindowCenter=128, WindowWidth=2048))
    deflated = gray()
    deflated.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    put("deflated", deflated, "windowed")
    mpeg = gray()
    mpeg.file_meta.TransferSyntaxUID = JPEG + "102"
    put("refused-video", coded(mpeg, JPEG + "102", b"\0\0\0\1"), None)

    # Structure.
    whole = raw(gray())
    put("no-preamble", body(whole), "windowed")
    put("no-preamble-implicit", body(raw(gray(), implicit=True)), "windowed")
    put("no-meta", b"\0" * 128 + b"DICM" + body(raw(gray(), implicit=True)), "windowed")
    meta = whole[: whole.index(body(whole))]
    put("says-explicit", meta + body(raw(gray(), implicit=True)), "windowed")
    put("says-implicit", raw(gray(), implicit=True).replace(body(raw(gray(), implicit=True)), body(whole)), "windowed")
    says_native = raw(coded(dataset(eight, PLAIN, bits=8), JPEG + "55", progressive.getvalue()))
    put("says-native", says_native.replace(b"1.2.840.10008.1.2.4.55", b"1.2.840.10008.1.2.1\0\0\0"), "jpeg-progressive-retired")
    run = gray()
    run.compress(RLELossless)
    put("no-delimiter", raw(run)[:-8], "windowed")
    item = lambda content: b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content
    undefined = b"\xff\xff\xff\xff"
    unknown = b"\x09\x00\x10\x10UN\0\0" + undefined + item(b"\x09\x00\x01\x10" + struct.pack("<I", 4) + b"text")
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    at = whole.index(b"\x10\x00\x10\x00PN")
    put("un-sequence", whole[:at] + unknown + end + whole[at:], "windowed")
    sequence = b"\x08\x00\x40\x11SQ\0\0" + undefined + item(b"\x08\x00\x50\x11UI\x04\x001.2\0")
    put("sequence-without-end", whole[:at] + sequence + whole[at:], "windowed")
    odd = b"\x08\x00\x80\x00LO\x05\x00Wards"
    put("odd-length", whole[:at] + odd + whole[at:], "windowed")
    put("odd-length-padded", whole[:at] + odd + b"\0" + whole[at:], "windowed")
    icon = Dataset()
    icon.Rows = icon.Columns = 32
    icon.SamplesPerPixel, icon.PhotometricInterpretation, icon.BitsAllocated = 1, "MONOCHROME2", 8
    icon.add_new(0x7FE00010, "OB", encapsulate([progressive.getvalue() + b"\0" * (len(progressive.getvalue()) % 2)]))
    icon["PixelData"].is_undefined_length = True
    iconic = coded(gray(), JPEG + "70", lossless_jpeg(twelve, 12))
    iconic.add_new(0x00880200, "SQ", [icon])
    put("icon", iconic, "windowed")
    directory = whole.replace(b"1.2.840.10008.5.1.4.1.1.1\0", b"1.2.840.10008.1.3.10\0\0\0\0\0\0")
    put("refused-directory", directory, None)
    floating = gray()
    floating.BitsAllocated = 32
    del floating.PixelData
    floating.add_new(0x7FE00008, "OF", twelve.astype("<f4").tobytes())
    put("refused-float", floating, None)

    # Gray values.
    squares = numpy.arange(4096) ** 2 // 4096
    as_declared = dataset(twelve, PLAIN, VOILUTSequence=[table(0, 12, squares)])
    put("voi-table-narrow", dataset(twelve, PLAIN, VOILUTSequence=[table(0, 16, squares)]), as_declared)
    rescaled = dict(RescaleSlope="1", RescaleIntercept="-2048", VOILUTSequence=[table(65536 - 2048, 12, squares)])
    put("voi-table-below-zero", dataset(twelve, PLAIN, **rescaled), as_declared)
    packed = dataset(twelve // 16, PLAIN, VOILUTSequence=[table(0, 8, numpy.arange(256) ** 2 // 256)])
    same = dataset(twelve // 16, PLAIN, VOILUTSequence=[table(0, 8, numpy.arange(256) ** 2 // 256)])
    del packed.VOILUTSequence[0][0x00283006]
    packed.VOILUTSequence[0].add_new(0x00283006, "OW", (numpy.arange(256) ** 2 // 256).astype(numpy.uint8).tobytes())
    put("voi-table-packed", packed, same)
    dose = dataset(twelve, PLAIN, RescaleSlope="0.0001", RescaleIntercept="0", WindowCenter="0.15", WindowWidth="0.24")
    exact = dataset(twelve, PLAIN, VOILUTFunction="LINEAR_EXACT", WindowCenter="1500", WindowWidth="2400")
    put("window-below-1", dose, exact)
    comma = raw(dataset(twelve, PLAIN, WindowCenter="1500.0", WindowWidth="2400.0"))
    put("window-comma", comma.replace(b"1500.0", b"1500,0").replace(b"2400.0", b"2400,0"), "windowed")
    half = dataset(twelve, PLAIN, WindowCenter=["1500", "70000"], WindowWidth=["2400", "90000"])
    put("window-half-empty", raw(half).replace(b"1500\\70000", b"1500\\     ").replace(b"2400\\90000", b"2400\\     "), "windowed")
    padded = twelve.copy()
    padded[:8] = 4000 + numpy.arange(32) % 30
    ranged = dataset(padded, PLAIN, PixelPaddingValue=4000, PixelPaddingRangeLimit=4040)
    rest = padded[8:]
    put("padding-range", ranged, dataset(padded, PLAIN, VOILUTFunction="LINEAR_EXACT",
        WindowCenter=str((int(rest.max()) + int(rest.min())) / 2), WindowWidth=str(int(rest.max()) - int(rest.min()))))
    high = dataset(twelve * 16, PLAIN, **WINDOW)
    high.HighBit = 15
    put("high-bit", high, "windowed")
    grouped = dataset(twelve, PLAIN)
    shared, frame, value = Dataset(), Dataset(), Dataset()
    value.RescaleSlope, value.RescaleIntercept = "2", "-1000"
    shared.add_new(0x00289145, "SQ", [value])
    view = Dataset()
    view.WindowCenter, view.WindowWidth = "1999.5", "4799"
    frame.add_new(0x00289132, "SQ", [view])
    grouped.add_new(0x52009229, "SQ", [shared])
    grouped.add_new(0x52009230, "SQ", [frame])
    put("functional-groups", grouped, dataset(twelve, PLAIN, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="1999.5", WindowWidth="4799"))
    put("thirty-two-bits", dataset(twelve.astype(numpy.uint32) * 1000, PLAIN, bits=32, WindowCenter=1_500_000, WindowWidth=2_400_000), "windowed")
    big = dataset(eight, ExplicitVRBigEndian, bits=8)
    big.PixelData = eight.tobytes()[:]
    pairs = numpy.frombuffer(eight.tobytes(), "<u2").astype(">u2").tobytes()
    big.PixelData = pairs
    big["PixelData"].VR = "OW"
    put("big-endian-words-of-8", raw(big, little=False), dataset(eight, PLAIN, bits=8))

    # Colour.
    for name, colours, bits, entries in [
        ("palette", rgb.reshape(-1, 3)[:256].astype(numpy.uint16) * 257, 16, None),
        ("palette-of-8", rgb.reshape(-1, 3)[:256].astype(numpy.uint16), 8, numpy.uint8),
        ("palette-of-8-in-16", rgb.reshape(-1, 3)[:256].astype(numpy.uint16), 16, None),
    ]:
        indexed = dataset(eight, PLAIN, "PALETTE COLOR", bits=8)
        for k in range(3):
            indexed.add_new(0x00281101 + k, "US", [256, 0, bits])
            indexed.add_new(0x00281201 + k, "OW", numpy.ascontiguousarray(colours[:, k]).astype(entries or "<u2").tobytes())
        put(name, indexed, dataset(rgb.reshape(-1, 3)[:256][eight], PLAIN, "RGB", bits=8))
    segmented = dataset(eight, PLAIN, "PALETTE COLOR", bits=8)
    for k in range(3):
        segmented.add_new(0x00281101 + k, "US", [256, 0, 16])
        # A first entry, a line to white, a line to black.
        segmented.add_new(0x00281221 + k, "OW", struct.pack("<9H", 0, 1, 0, 1, 127, 65278, 1, 128, 0))
    ramp = numpy.concatenate([numpy.linspace(0, 65278, 128), numpy.linspace(65278, 0, 129)[1:]]).astype(numpy.uint16)
    folded = dataset((ramp[eight] // 257).astype(numpy.uint8), PLAIN, bits=8, WindowCenter="127.5", WindowWidth="256")
    put("palette-segments", segmented, folded)
    put("rgb-16", dataset(rgb.astype(numpy.uint16) * 257, PLAIN, "RGB", bits=16), "colour")
    planes = dataset(rgb, PLAIN, "RGB", bits=8)
    planes.compress(RLELossless)
    planes.PlanarConfiguration = 1
    put("rle-planes", planes, "colour")
    run = dataset(ybr, PLAIN, "RGB", bits=8)
    run.compress(RLELossless)
    run.PhotometricInterpretation = "YBR_FULL"
    put("rle-ybr", run, from_ybr)
    pairs = ybr.reshape(32, 16, 2, 3).copy()
    pairs[..., 1:] = pairs[..., 1:].mean(2, keepdims=True).astype(numpy.uint8)
    halved = dataset(ybr, PLAIN, "YBR_FULL_422", bits=8)
    halved.PixelData = numpy.stack([pairs[..., 0, 0], pairs[..., 1, 0], pairs[..., 0, 1], pairs[..., 0, 2]], -1).tobytes()
    full = pydicom.pixels.convert_color_space(pairs.reshape(32, 32, 3), "YBR_FULL", "RGB")
    put("ybr-422", halved, dataset(full, PLAIN, "RGB", bits=8))
    return expected
