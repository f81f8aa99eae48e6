#!/usr/bin/env python3
"""Reads what `host dicom` answered with pydicom and highdicom, and holds it to the images and to `host predict`.

usage: check_dicom_answers.py IMAGES REPORTS CAPTURES PREDICTIONS.jsonl

Folders of DICOM files; PREDICTIONS.jsonl is what `host predict --json` says of IMAGES. A warning of a reader is an error.
Prints a line of JSON: how many of each were read.
"""

import collections
import json
import pathlib
import sys
import warnings

import highdicom.sr
import numpy
import pydicom

NOTICE = "RESEARCH USE ONLY - NOT A MEDICAL DEVICE"
CLASSES = ["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"]
REPEATED = [
    "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
]


def read(folder):
    return [pydicom.dcmread(path) for path in sorted(pathlib.Path(folder).glob("*.dcm"))]


def text_items(group):
    return [item.TextValue for item in group if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == "121106"]


def same_study(answer, image):
    for name in REPEATED:
        assert answer.get(name) == image.get(name), (name, answer.get(name), image.get(name))
    assert answer.PatientName.original_string == image.PatientName.original_string
    assert answer.SeriesInstanceUID != image.SeriesInstanceUID and answer.SOPInstanceUID != image.SOPInstanceUID
    assert answer.ContentQualification == "RESEARCH" and NOTICE in answer.SeriesDescription


def check_report(dataset, image, expected):
    same_study(dataset, image)
    report = highdicom.sr.ComprehensiveSR.from_dataset(dataset)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33" and report.Modality == "SR"
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    content = report.content
    assert isinstance(content, highdicom.sr.MeasurementReport)
    assert NOTICE in "".join(item.TextValue for item in dataset.ContentSequence if item.ValueType == "TEXT")
    (group,) = content.get_image_measurement_groups()
    assert group.finding_sites[0].value.meaning == "Thorax"
    items = dataset.ContentSequence[-1].ContentSequence[0].ContentSequence
    texts = {item.ConceptNameCodeSequence[0].CodeMeaning: item.TextValue for item in items if item.ValueType == "TEXT"}
    assert expected["model_sha256"] in texts["Algorithm Version"], texts
    assert texts["Algorithm Name"] and texts["Algorithm Parameters"]
    comments = text_items(items)
    assert any(NOTICE in comment for comment in comments)
    for warning in expected["warnings"]:
        assert f"Warning: {warning}" in comments, (warning, comments)
    measured = {m.name.value: m.value for m in group.get_measurements()}
    (verdict,) = [e.value for e in group.get_qualitative_evaluations() if e.name.value == "VERDICT"]
    if expected["reason"] == "out_of_distribution":
        assert verdict.value == "REFUSED" and not any(name.startswith("PROB") for name in measured)
    else:
        for k, name in enumerate(CLASSES):
            probability = expected["probabilities"][name]
            assert numpy.float32(measured[f"PROBABILITY-{k}"]) == numpy.float32(probability), (name, measured, probability)
        if expected["label"] is None:
            assert verdict.value == "WITHHELD"
        else:
            assert verdict.meaning == expected["label"], (verdict, expected["label"])
    if expected["refusal_score"] is not None:
        assert numpy.float32(measured["REFUSAL-SCORE"]) == numpy.float32(expected["refusal_score"])
    references = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items if item.ValueType == "IMAGE"]
    assert references[0] == image.SOPInstanceUID
    evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0]
    listed = [sop.ReferencedSOPInstanceUID for series in evidence.ReferencedSeriesSequence for sop in series.ReferencedSOPSequence]
    assert evidence.StudyInstanceUID == image.StudyInstanceUID and sorted(listed) == sorted(references)
    return references[1:], verdict.value


def check_capture(dataset, image, expected):
    same_study(dataset, image)
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7" and dataset.Modality == "OT"
    assert NOTICE in dataset.ImageComments and expected["model_sha256"] in dataset.DerivationDescription
    pixels = dataset.pixel_array
    assert pixels.shape == (dataset.Rows, dataset.Columns, 3)
    # The map has colours, and words are below it.
    assert (pixels.max(axis=2).astype(int) - pixels.min(axis=2)).max() > 20 and (pixels[-60:] == 255).any()
    block = dataset.private_block(0x0099, "CXR EXACT MAP 1")
    cells = numpy.array(block[0x04].value, dtype=numpy.float64)
    assert cells.size == block[0x02].value * block[0x03].value
    logit = cells.sum() + block[0x05].value
    assert abs(logit - block[0x06].value) < 1e-3, (logit, block[0x06].value)
    assert abs(expected["logits"][CLASSES.index(block[0x01].value)] - block[0x06].value) < 1e-5
    source = dataset.SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == image.SOPInstanceUID


def main():
    warnings.simplefilter("error")
    images, reports, captures = (read(folder) for folder in sys.argv[1:4])
    lines = [json.loads(line) for line in pathlib.Path(sys.argv[4]).read_text(encoding="utf-8").splitlines()]
    expected = {pathlib.Path(line["image"]).name: line for line in lines}
    by_study = {image.StudyInstanceUID: image for image in images}
    said = {image.StudyInstanceUID: expected[pathlib.Path(image.filename).name] for image in images}
    answered, drawn, verdicts = collections.Counter(), set(), collections.Counter()
    for report in reports:
        study = report.StudyInstanceUID
        references, verdict = check_report(report, by_study[study], said[study])
        answered[study] += 1
        drawn.update(references)
        verdicts[verdict] += 1
    assert sorted(answered) == sorted(by_study) and set(answered.values()) <= {1}, answered
    assert drawn == {capture.SOPInstanceUID for capture in captures}
    for capture in captures:
        check_capture(capture, by_study[capture.StudyInstanceUID], said[capture.StudyInstanceUID])
    uids = [dataset.SOPInstanceUID for dataset in reports + captures]
    assert len(set(uids)) == len(uids)
    print(json.dumps({"images": len(images), "reports": len(reports), "captures": len(captures), "verdicts": verdicts}))


if __name__ == "__main__":
    main()
