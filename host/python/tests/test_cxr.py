"""The wheel, in a clean environment: `cargo xtask test --only wheel` runs this.

CXR_ROOT names the checkout; CXR_HOST a built `host` to compare with.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import threading
import time

import numpy
import pytest

import cxr

ROOT = pathlib.Path(os.environ["CXR_ROOT"])
HOST = os.environ.get("CXR_HOST")
SAMPLES = sorted((ROOT / "data/samples").glob("*.png"))
NETWORKS = pathlib.Path(os.environ.get("CXR_NETWORKS", ROOT.parent / "shared/networks"))


@pytest.fixture(scope="module")
def classifier():
    return cxr.Classifier()


def steady(prediction):
    return {key: value for key, value in prediction.items() if key not in ("milliseconds", "image", "model")}


def pixels(path):
    # Without an image library: a PNG of 8-bit gray, as the samples are.
    import struct
    import zlib

    data, at, header = b"", 8, None
    raw = path.read_bytes()
    while at < len(raw):
        (length,) = struct.unpack(">I", raw[at : at + 4])
        kind, body = raw[at + 4 : at + 8], raw[at + 8 : at + 8 + length]
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        data += body if kind == b"IDAT" else b""
        at += length + 12
    width, height = header[:2]
    assert header[2:4] == (8, 0)
    rows = numpy.frombuffer(zlib.decompress(data), dtype=numpy.uint8).reshape(height, width + 1)
    lines, above = [], numpy.zeros(width, numpy.int64)
    for line in rows:
        kind, line = line[0], line[1:].astype(numpy.int64)
        out = numpy.zeros(width, numpy.int64)
        for x in range(width):
            a = out[x - 1] if x else 0
            b, c = above[x], above[x - 1] if x else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            out[x] = (line[x] + (0, a, b, (a + b) // 2, paeth)[kind]) % 256
        lines.append(out)
        above = out
    return numpy.stack(lines).astype(numpy.uint8)


def test_it_says_what_it_is(classifier):
    assert "not a medical device" in cxr.NOTICE and cxr.CAUTION and cxr.__version__
    assert classifier.classes == ["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"]
    assert classifier.model_sha256 == hashlib.sha256((ROOT / "models/default.cxr").read_bytes()).hexdigest()
    assert 0 < classifier.abstain_below < 1 and classifier.refuse_above > 0 and "hospital" in classifier.unseen
    assert classifier.doubt is None or classifier.doubt[0] == "Pneumonia/COVID-19" and classifier.doubt[1] > 0


@pytest.mark.skipif(HOST is None, reason="CXR_HOST names no `host`")
def test_predictions_are_those_of_host_predict(classifier):
    for path in SAMPLES + sorted((ROOT / "tests/golden/dicom").glob("window*.dcm")):
        line = subprocess.run([HOST, "predict", "--json", path], check=True, capture_output=True).stdout
        assert steady(classifier.predict(path.read_bytes(), name=str(path))) == steady(json.loads(line)), path


def test_an_array_is_what_a_png_of_it_would_be(classifier):
    for path in SAMPLES:
        gray = pixels(path)
        expected = classifier.predict(path.read_bytes())
        for array in (gray, numpy.asfortranarray(gray), gray.astype(numpy.uint16) * 257, numpy.stack([gray] * 3, axis=2)):
            found = classifier.predict(array)
            assert found["logits"] == expected["logits"] and found["label"] == expected["label"], (path, array.dtype, array.shape)
        assert classifier.predict(numpy.repeat(numpy.repeat(gray, 2, 0), 2, 1)[::2, ::2])["logits"] == expected["logits"]
        assert classifier.predict(memoryview(path.read_bytes()))["logits"] == expected["logits"]
    # Twelve bits in sixteen: 4095 is white, as in a file.
    assert any("4095" in warning for warning in classifier.predict(gray.astype(numpy.uint16) * 16)["warnings"])


def test_the_cells_of_a_map_and_its_bias_are_the_logit(classifier):
    prediction = classifier.predict(SAMPLES[0].read_bytes(), maps=True)
    assert [map["class"] for map in prediction["maps"]] == classifier.classes
    for map, logit in zip(prediction["maps"], prediction["logits"]):
        assert len(map["cells"]) == map["rows"] * map["columns"]
        assert abs(sum(map["cells"]) + map["bias"] - logit) < 1e-3
    assert "maps" not in classifier.predict(SAMPLES[0].read_bytes())


def test_what_cannot_be_used_is_named(classifier):
    for image, kind in ((b"", "empty"), (b"hello", "not_an_image"), (SAMPLES[0].read_bytes()[:2000], "damaged")):
        with pytest.raises(cxr.ImageError, match="scan.png") as raised:
            classifier.predict(image, name="scan.png")
        assert raised.value.kind == kind and isinstance(raised.value, ValueError)
    for array in (numpy.zeros((2, 2, 2, 2), numpy.uint8), numpy.zeros((0, 4), numpy.uint8), numpy.zeros((4, 4, 4), numpy.uint16)):
        with pytest.raises(cxr.ImageError, match="shape"):
            classifier.predict(array)
    for other in (numpy.zeros((4, 4), numpy.float32), "scan.png", None, 3):
        with pytest.raises(TypeError, match="uint8"):
            classifier.predict(other)
    with pytest.raises(OSError, match="/nowhere.cxr"):
        cxr.Classifier("/nowhere.cxr")
    with pytest.raises(cxr.NetworkError, match="not a usable model"):
        cxr.Classifier(SAMPLES[0])


def test_threads_share_a_classifier_and_others_run_meanwhile(classifier):
    images = [path.read_bytes() for path in SAMPLES] * 4
    expected = [steady(classifier.predict(image)) for image in images]
    found = [None] * len(images)

    def work(first):
        for i in range(first, len(images), 4):
            found[i] = steady(classifier.predict(images[i]))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == expected
    # While one thread classifies, this one goes on: with the lock held it would get a turn between images alone.
    done, turns = threading.Event(), 0
    thread = threading.Thread(target=lambda: ([classifier.predict(image) for image in images], done.set()))
    thread.start()
    while not done.is_set():
        turns += 1
        time.sleep(0)
    assert turns > 20 * len(images), turns


def test_networks_are_imported_and_verified(tmp_path):
    networks = sorted(NETWORKS.rglob("*.tflite"), key=lambda path: path.stat().st_size)
    if not networks:
        pytest.skip(f"{NETWORKS} holds no .tflite")
    for network in networks:
        try:
            said = cxr.import_network(network, tmp_path / "net", labels=None)
            break
        except cxr.NetworkError as error:
            print(error)
    assert said["arena_bytes"] > 0 and (tmp_path / "net.cxr").is_file()
    assert json.loads((tmp_path / "net.json").read_text()) == said
    report = cxr.verify(tmp_path / "net.cxr", network)
    assert report["first_difference"] is None and report["differing"] == 0
    with pytest.raises(cxr.NetworkError, match="the least that any plan takes"):
        cxr.import_network(network, tmp_path / "small", ram=16)
    assert not (tmp_path / "small.cxr").exists()
    with pytest.raises(cxr.NetworkError, match="not the file"):
        cxr.verify(tmp_path / "net.cxr", tmp_path / "net.json")


def test_a_float_network_wants_inputs(tmp_path):
    network = NETWORKS / "resnet8_float.tflite"
    if not network.exists():
        pytest.skip(f"{network} is not there")
    with pytest.raises(cxr.NetworkError, match="calibrate"):
        cxr.import_network(network, tmp_path / "net")
    random = numpy.random.default_rng(1)
    said = cxr.import_network(network, tmp_path / "net", inputs=random.integers(0, 256, (32, 32, 32, 3), numpy.uint8))
    assert said["arena_bytes"] > 0 and said["float_source"]["file"] == network.name
    assert (tmp_path / "net.onnx").is_file() and (tmp_path / "net.cxr").is_file()
    assert cxr.verify(tmp_path / "net.cxr", tmp_path / "net.onnx")["first_difference"] is None
    with pytest.raises(TypeError, match="float32"):
        cxr.import_network(network, tmp_path / "net", inputs=[1, 2])


def test_the_documentation_says_what_is_so(tmp_path, monkeypatch):
    text = (ROOT / "docs/python.md").read_text()
    block = text.split("\n    import cxr\n")[1].split("\n\n")[0]
    (tmp_path / "scan.dcm").write_bytes((ROOT / "tests/golden/dicom/windowed.dcm").read_bytes())
    monkeypatch.chdir(tmp_path)
    lines = [line.removeprefix("    ") for line in block.splitlines()]
    assert any("predict" in line for line in lines)
    exec("\n".join(lines), {"cxr": cxr, "array": pixels(SAMPLES[0])})


def test_what_is_no_network_is_named(tmp_path):
    with pytest.raises(cxr.NetworkError):
        cxr.import_network(SAMPLES[0], tmp_path / "net")
    with pytest.raises(OSError):
        cxr.import_network(tmp_path / "absent.tflite", tmp_path / "net")
    assert not list(tmp_path.iterdir())
