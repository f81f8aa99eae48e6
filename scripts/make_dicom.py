#!/usr/bin/env python3
"""Writes DICOM fixtures and the gray levels that pydicom computes from them, for tests of host/app/src/decode/dicom.

usage: make_dicom.py OUT_FOLDER      (pip install pydicom==3.0.2 numpy pillow python-gdcm pylibjpeg pylibjpeg-libjpeg imagecodecs==2026.3.6 pyjpegls)

32 x 32 pixels, generated. expected.json: NAME -> 1024 levels, 0 to 255, of the first window (all values where there is none),
or the name of the file whose levels they are. Names that begin with `refused-` have no levels.
Files that no library writes, and those that pydicom reads otherwise than the standard says, are in wild_dicom.py.
"""

import io
import json
import pathlib
import sys

import numpy
import PIL.Image
import pydicom
import wild_dicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

SIDE = 32
Y, X = numpy.mgrid[0:SIDE, 0:SIDE]
# A ramp with a bright disc: twelve bits.
TWELVE = (X * 60 + Y * 40 + 900 * (((X - 18) ** 2 + (Y - 12) ** 2) < 60)).astype(numpy.uint16) % 4096
EIGHT = (TWELVE // 16).astype(numpy.uint8)


def dataset(pixels, syntax, photometric="MONOCHROME2", bits=12, signed=False, **elements):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.PatientName = "CR", "Nobody^Generated"
    ds.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    ds.PhotometricInterpretation = photometric
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(signed)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    ds["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def table(first, bits, values):
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", [int(v) for v in values])
    return item


def gdcm_lossless(ds, path):
    import gdcm

    plain = path.with_suffix(".tmp")
    ds.save_as(plain, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    plain.unlink()


def levels(ds):
    """0 to 255, as a viewer shows the first window."""
    pixels = ds.pixel_array
    if ds.SamplesPerPixel == 3:
        if ds.PhotometricInterpretation.startswith("YBR_FULL"):
            pixels = pydicom.pixels.convert_color_space(pixels, "YBR_FULL", "RGB")
        r, g, b = (pixels[..., k].astype(int) for k in range(3))
        return ((77 * r + 150 * g + 29 * b + 128) >> 8).astype(float)
    values = apply_modality_lut(pixels, ds).astype(float)
    if "WindowCenter" in ds or "VOILUTSequence" in ds:
        shown = apply_voi_lut(apply_modality_lut(pixels, ds), ds, index=0).astype(float)
        if "VOILUTSequence" in ds and "WindowCenter" not in ds:
            low, high = 0.0, 2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
        elif "ModalityLUTSequence" in ds:
            low, high = 0.0, 2.0 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
        else:
            slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
            least = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0
            most = 2 ** (ds.BitsStored - 1) - 1 if ds.PixelRepresentation else 2**ds.BitsStored - 1
            low, high = slope * least + intercept, slope * most + intercept
    else:
        shown, low, high = values, values.min(), values.max()
    gray = numpy.clip((shown - low) / (high - low), 0, 1) * 255
    return 255 - gray if ds.PhotometricInterpretation == "MONOCHROME1" else gray


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    rgb = numpy.stack([EIGHT, numpy.roll(EIGHT, 5, 0), 255 - EIGHT], axis=-1)
    signed = (TWELVE.astype(numpy.int32) - 2048).astype(numpy.int16)
    window = {"WindowCenter": 1500, "WindowWidth": 2400}
    plain, little, big = ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian
    files = {
        "window-presets": dataset(TWELVE, plain, WindowCenter=[1500, 700], WindowWidth=[2400, 1300],
                                  WindowCenterWidthExplanation=["Lung", "Bone"]),
        "implicit-monochrome1-rescaled": dataset(TWELVE, little, "MONOCHROME1", RescaleSlope="2", RescaleIntercept="-1024",
                                                 WindowCenter=2000, WindowWidth=4600),
        "big-endian-signed": dataset(signed, big, signed=True, bits=16, WindowCenter=-500, WindowWidth=2500),
        "wide-window": dataset(TWELVE, plain, WindowCenter=2048, WindowWidth=8192),
        "narrow-window": dataset(TWELVE, plain, WindowCenter=1200, WindowWidth=300),
        "linear-exact": dataset(TWELVE, plain, VOILUTFunction="LINEAR_EXACT", **window),
        "sigmoid": dataset(TWELVE, plain, VOILUTFunction="SIGMOID", **window),
        "eight-bits": dataset(EIGHT, plain, bits=8),
        "voi-table": dataset(TWELVE, plain, VOILUTSequence=[table(0, 12, numpy.arange(4096) ** 2 // 4096)]),
        "modality-table": dataset(TWELVE, plain, ModalityLUTSequence=[table(0, 16, 16 * (4095 - numpy.arange(4096)))],
                                  WindowCenter=24000, WindowWidth=38400),
        "rgb": dataset(rgb, plain, "RGB", bits=8),
        "ybr-full": dataset(rgb, plain, "YBR_FULL", bits=8),
        "refused-frames": dataset(TWELVE, plain, NumberOfFrames=3),
        "refused-palette": dataset(EIGHT, plain, "PALETTE COLOR", bits=8),
        "refused-document": dataset(TWELVE, plain, EncapsulatedDocument=b"%PDF"),
        "refused-no-pixels": dataset(TWELVE, plain),
    }
    files["refused-frames"].PixelData *= 3
    del files["refused-no-pixels"].PixelData
    del files["refused-document"].PixelData
    for name, ds in files.items():
        implicit, little_endian = name.startswith("implicit"), not name.startswith("big")
        pydicom.dcmwrite(out / f"{name}.dcm", ds, implicit_vr=implicit, little_endian=little_endian, enforce_file_format=True)
    rle = dataset(TWELVE, plain)
    rle.compress(RLELossless)
    rle.save_as(out / "rle-16.dcm")
    rle = dataset(rgb, plain, "RGB", bits=8)
    rle.compress(RLELossless)
    rle.save_as(out / "rle-rgb.dcm")
    jpeg = io.BytesIO()
    PIL.Image.fromarray(EIGHT).save(jpeg, "JPEG", quality=95)
    baseline = dataset(EIGHT, plain, bits=8)
    baseline.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    # Two fragments: an image may be cut.
    stream = jpeg.getvalue() + b"\0" * (len(jpeg.getvalue()) % 2)
    baseline.PixelData = encapsulate([stream], fragments_per_frame=2)
    baseline["PixelData"].is_undefined_length = True
    baseline.save_as(out / "jpeg-baseline.dcm", enforce_file_format=True)
    gdcm_lossless(dataset(TWELVE, plain, **window), out / "jpeg-lossless.dcm")

    expected = {}
    for path in sorted(out.glob("*.dcm")):
        if not path.stem.startswith("refused-"):
            ds = pydicom.dcmread(path)
            # As read: pydicom would turn YBR_FULL into RGB its own way.
            if ds.PhotometricInterpretation == "YBR_FULL":
                ds.pixel_array_options(raw=True)
            expected[path.stem] = [round(float(v)) for v in levels(ds).ravel()]
    expected.update(wild_dicom.write(out, dataset, table, levels, TWELVE, EIGHT))
    (out / "expected.json").write_text(json.dumps({"pydicom": pydicom.__version__, "levels": expected}) + "\n")


if __name__ == "__main__":
    main()
