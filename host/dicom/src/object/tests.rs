use super::*;
use crate::reading::{Drawing, Verdict};
use cxr_app::lungs::Frame;
use cxr_app::model_file::Map;
use cxr_core::format::Doubt;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, from_reader};

fn identity() -> Identity {
    Identity {
        class: uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE.to_owned(),
        instance: "1.2.3".to_owned(),
        study: "1.2".to_owned(),
        series: "1.2.1".to_owned(),
        number: 4,
        offset: Some("-0330".to_owned()),
        is_own: false,
        repeated: vec![
            (tags::SPECIFIC_CHARACTER_SET, VR::CS, b"\\ISO 2022 IR 87".to_vec()),
            (tags::PATIENT_NAME, VR::PN, b"A^B=\x1b$B;3ED\x1b(B  ".to_vec()),
            (tags::STUDY_INSTANCE_UID, VR::UI, b"1.2\0".to_vec()),
        ],
    }
}

fn source(sha256: &str) -> Source {
    Source {
        model: "m.cxr".to_owned(),
        sha256: sha256.repeat(32),
        classes: ["Normal/NA", "Pneumonia/COVID-19 \u{e9}"].map(str::to_owned).to_vec(),
        abstain_below: 0.5,
        doubt: Some(Doubt { class: 1, above: 2.5 }),
        refuse_above: Some(3.0),
        unseen: "Of 513 X-rays ...".to_owned(),
    }
}

fn reading() -> Reading {
    let map = Map { size: [1, 2], cells: vec![0.5, -0.25], bias: 0.125 };
    let picture = image::RgbImage::from_pixel(512, 64, image::Rgb([7; 3]));
    Reading {
        verdict: Verdict::Class(1),
        probabilities: vec![0.25, 0.75],
        score: Some(1.5),
        distance: Some(0.5),
        warnings: vec!["torn \u{2013} data".to_owned()],
        drawing: Some(Drawing { class: 1, logit: 0.375, map, frame: Frame::Whole, picture }),
    }
}

fn parsed(objects: &[Object]) -> Vec<(&'static str, DefaultDicomObject)> {
    objects.iter().map(|object| (object.name, from_reader(&object.bytes[128..]).unwrap())).collect()
}

fn text(object: &DefaultDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().into_owned()
}

#[test]
fn the_same_image_and_model_are_the_same_objects() {
    let uids = |sha256: &str, instance: &str| {
        let identity = Identity { instance: instance.to_owned(), ..identity() };
        let objects = parsed(&answer(&identity, &source(sha256), &reading()).unwrap());
        assert_eq!(objects.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["capture", "report"]);
        objects.iter().map(|(_, object)| text(object, tags::SOP_INSTANCE_UID)).collect::<Vec<_>>()
    };
    assert_eq!(uids("ab", "1.2.3"), uids("ab", "1.2.3"));
    let all: std::collections::BTreeSet<_> =
        [uids("ab", "1.2.3"), uids("ab", "1.2.4"), uids("cd", "1.2.3")].into_iter().flatten().collect();
    assert_eq!(all.len(), 6);
}

#[test]
fn patient_and_study_are_repeated_byte_by_byte_and_every_object_says_what_it_is_not() {
    let objects = answer(&identity(), &source("ab"), &reading()).unwrap();
    for object in &objects {
        let holds = |bytes: &[u8]| object.bytes.windows(bytes.len()).any(|window| window == bytes);
        assert!(holds(b"\x10\0\x10\0PN\x10\0A^B=\x1b$B;3ED\x1b(B  "), "{}", object.name);
        assert!(holds(b"\x08\0\x05\0CS\x10\0\\ISO 2022 IR 87"), "{}", object.name);
        assert!(holds(NOTICE.as_bytes()) && object.bytes.len() % 2 == 0);
    }
    for (_, object) in parsed(&objects) {
        assert_eq!(text(&object, tags::STUDY_INSTANCE_UID), "1.2");
        assert_eq!(text(&object, tags::INSTANCE_NUMBER), "4");
        assert!(text(&object, tags::SERIES_DESCRIPTION).contains(NOTICE));
    }
}

#[test]
fn a_refusal_has_neither_probabilities_nor_a_map() {
    for (verdict, code) in [
        (Verdict::Refused, "REFUSED"),
        (Verdict::Doubtful, "DOUBTFUL"),
        (Verdict::Unreadable("a DICOM file of 3 frames".to_owned()), "UNREADABLE"),
    ] {
        let reading = Reading { verdict, probabilities: Vec::new(), drawing: None, ..reading() };
        let objects = answer(&identity(), &source("ab"), &reading).unwrap();
        assert_eq!(objects.len(), 1);
        let holds = |text: &str| objects[0].bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds(code) && !holds("PROBABILITY") && !holds("EXACT-MAP") && !holds("Of 513"), "{code}");
    }
}

#[test]
fn what_is_written_by_us_is_known_when_it_comes_back() {
    for object in answer(&identity(), &source("ab"), &reading()).unwrap() {
        let read = Identity::read(&object.bytes, "x").unwrap();
        assert!(read.is_own);
        let name = |identity: &Identity| identity.repeated.iter().find(|(tag, ..)| *tag == tags::PATIENT_NAME).cloned();
        assert_eq!(name(&read), name(&identity()), "{}", object.name);
    }
}
