//! A Comprehensive SR after template 1500, "Measurement Report" (PS3.16).
//!
//! The classes are no codes of any terminology: a finding of SNOMED CT would claim what a research program cannot. They are
//! codes of our own scheme, whose version is the model.

use super::common::{NOTICE, description, instance, object, reference, sequence, verdict};
use super::content::{Code, Relation, ascii, code, coded, container, fill, image, number, text, uid};
use crate::identity::{Identity, MANUFACTURER, MODEL_NAME};
use crate::reading::{Reading, Verdict};
use crate::uid::derived;
use cxr_app::prediction::Source;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

/// Designator of the coding scheme of classes and verdicts.
const SCHEME: &str = "99CXR";

/// The report of an image; `capture` is the capture's SOP Instance UID.
pub(super) fn report(identity: &Identity, source: &Source, reading: &Reading, capture: Option<&str>) -> InMemDicomObject {
    let mut report = object(identity, source, "report", uids::COMPREHENSIVE_SR_STORAGE);
    let mut put = |tag, vr, value: &str| report.put(DataElement::new(tag, vr, value));
    put(tags::MODALITY, VR::CS, "SR");
    put(tags::SERIES_NUMBER, VR::IS, "9901");
    put(tags::SERIES_DESCRIPTION, VR::LO, &description("Classifier report"));
    put(tags::COMPLETION_FLAG, VR::CS, "COMPLETE");
    put(tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, NOTICE);
    put(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    put(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY");
    put(tags::VALUE_TYPE, VR::CS, "CONTAINER");
    report.put(sequence(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new()));
    report.put(sequence(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new()));
    report.put(sequence(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, vec![scheme(source)]));
    report.put(evidence(identity, source, capture));
    report.put(coded(tags::CONCEPT_NAME_CODE_SEQUENCE, ("126000", "DCM", "Imaging Measurement Report")));
    fill(&mut report, Some("1500"), content(identity, source, reading, capture));
    report
}

fn scheme(source: &Source) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::CODING_SCHEME_DESIGNATOR, VR::SH, SCHEME),
        DataElement::new(tags::CODING_SCHEME_UID, VR::UI, derived(&["scheme", &source.sha256])),
        DataElement::new(tags::CODING_SCHEME_NAME, VR::ST, "Classes and verdicts of a chest X-ray classifier"),
        DataElement::new(tags::CODING_SCHEME_VERSION, VR::SH, &source.sha256[..source.sha256.len().min(16)]),
        DataElement::new(tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, VR::ST, MANUFACTURER),
    ])
}

/// All instances that the content refers to, by study and series.
fn evidence(identity: &Identity, source: &Source, capture: Option<&str>) -> DataElement<InMemDicomObject> {
    let series = |series: &str, class: &str, instance: &str| {
        InMemDicomObject::from_element_iter([
            DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, series),
            sequence(tags::REFERENCED_SOP_SEQUENCE, vec![reference(class, instance)]),
        ])
    };
    let mut all = vec![series(&identity.series, &identity.class, &identity.instance)];
    if let Some(capture) = capture {
        let own = derived(&["series", "capture", &identity.study, &source.sha256]);
        all.push(series(&own, uids::SECONDARY_CAPTURE_IMAGE_STORAGE, capture));
    }
    let study = InMemDicomObject::from_element_iter([
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, identity.study.as_str()),
        sequence(tags::REFERENCED_SERIES_SEQUENCE, all),
    ]);
    sequence(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![study])
}

fn content(identity: &Identity, source: &Source, reading: &Reading, capture: Option<&str>) -> Vec<InMemDicomObject> {
    use Relation::{Context, Modifier};
    let device = derived(&["device", &source.sha256]);
    vec![
        code(
            Modifier,
            ("121049", "DCM", "Language of Content Item and Descendants"),
            ("en-US", "RFC5646", "English (United States)"),
        ),
        code(Context, ("121005", "DCM", "Observer Type"), ("121007", "DCM", "Device")),
        uid(Context, ("121012", "DCM", "Device Observer UID"), &device),
        text(Context, ("121013", "DCM", "Device Observer Name"), &format!("{MODEL_NAME} - {NOTICE}")),
        text(Context, ("121014", "DCM", "Device Observer Manufacturer"), MANUFACTURER),
        text(Context, ("121015", "DCM", "Device Observer Model Name"), MODEL_NAME),
        code(Modifier, ("121058", "DCM", "Procedure reported"), ("399208008", "SCT", "Plain chest X-ray")),
        container(("126010", "DCM", "Imaging Measurements"), None, vec![group(identity, source, reading, capture)]),
    ]
}

/// Template 1501: the measurements of the image.
fn group(identity: &Identity, source: &Source, reading: &Reading, capture: Option<&str>) -> InMemDicomObject {
    use Relation::{Contains, Context, Modifier};
    let comment = |words: &str| text(Contains, ("121106", "DCM", "Comment"), words);
    let doubt = source.doubt.map_or_else(String::new, |doubt| format!("; class {} withheld above {}", doubt.class, doubt.above));
    let refusal = source.refuse_above.map_or_else(String::new, |above| format!("; image refused above {above}"));
    let parameters = format!("verdict withheld below {}{doubt}{refusal}", source.abstain_below);
    let tracking = instance(identity, source, "tracking");
    let mut items = vec![
        text(Context, ("112039", "DCM", "Tracking Identifier"), &format!("{MODEL_NAME}, {}", identity.instance)),
        uid(Context, ("112040", "DCM", "Tracking Unique Identifier"), &tracking),
        code(Modifier, ("363698007", "SCT", "Finding Site"), ("816094009", "SCT", "Thorax")),
        text(Modifier, ("111001", "DCM", "Algorithm Name"), &format!("{MODEL_NAME}, model {}", source.model)),
        text(
            Modifier,
            ("111003", "DCM", "Algorithm Version"),
            &format!("{}, model sha256:{}", env!("CARGO_PKG_VERSION"), source.sha256),
        ),
        text(Modifier, ("111002", "DCM", "Algorithm Parameters"), &parameters),
    ];
    for (k, probability) in reading.probabilities.iter().enumerate() {
        let meaning = format!("Probability of {}", source.classes.get(k).map_or("", String::as_str));
        items.push(number((&format!("PROBABILITY-{k}"), SCHEME, &ascii(&meaning)), *probability));
    }
    if let Some(score) = reading.score {
        items.push(number(("REFUSAL-SCORE", SCHEME, "Distance from the images of training"), score));
    }
    items.push(code(Contains, ("VERDICT", SCHEME, "Verdict of the classifier"), verdict_code(source, reading).borrowed()));
    items.push(comment(&format!("{NOTICE}. {}", cxr_app::classes::DISCLAIMER)));
    items.push(comment(&verdict(source, reading)));
    // A verdict stands beside what is known of hospitals never seen.
    if matches!(reading.verdict, Verdict::Class(_)) {
        items.push(comment(&source.unseen));
    }
    items.extend(reading.warnings.iter().map(|warning| comment(&format!("Warning: {warning}"))));
    items.push(image(("121112", "DCM", "Source of Measurement"), &identity.class, &identity.instance));
    if let Some(capture) = capture {
        let name = ("EXACT-MAP", SCHEME, "What speaks for and against the likeliest class");
        items.push(image(name, uids::SECONDARY_CAPTURE_IMAGE_STORAGE, capture));
    }
    container(("125007", "DCM", "Measurement Group"), Some("1501"), items)
}

struct OwnedCode {
    value: String,
    meaning: String,
}

impl OwnedCode {
    fn borrowed(&self) -> Code<'_> {
        (&self.value, SCHEME, &self.meaning)
    }
}

fn verdict_code(source: &Source, reading: &Reading) -> OwnedCode {
    let own = |value: &str, meaning: &str| OwnedCode { value: value.to_owned(), meaning: ascii(meaning) };
    match &reading.verdict {
        Verdict::Class(class) => own(&format!("CLASS-{class}"), source.classes.get(*class).map_or("", String::as_str)),
        Verdict::LowConfidence => own("WITHHELD", "No verdict: low confidence"),
        Verdict::Doubtful => own("DOUBTFUL", "No verdict: the likeliest class is doubtful"),
        Verdict::Refused => own("REFUSED", "No verdict: unlike the frontal chest X-rays of training"),
        Verdict::Unreadable(_) => own("UNREADABLE", "No verdict: the image cannot be read"),
    }
}
