//! What all objects have: patient and study of the image, equipment, and what they are not.

use crate::identity::{Identity, MANUFACTURER, MODEL_NAME};
use crate::reading::{Reading, Verdict};
use crate::uid::derived;
use cxr_app::prediction::Source;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// Said in every object.
pub const NOTICE: &str = "RESEARCH USE ONLY - NOT A MEDICAL DEVICE";

/// An object of the image's study, in a series of its own for each kind and model.
pub(super) fn object(identity: &Identity, source: &Source, kind: &str, class: &str) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    for (tag, vr, value) in &identity.repeated {
        object.put(DataElement::new(*tag, *vr, PrimitiveValue::U8(value.as_slice().into())));
    }
    let (date, time) = identity.now();
    let mut put = |tag: Tag, vr: VR, value: &str| object.put(DataElement::new(tag, vr, value));
    put(tags::SOP_CLASS_UID, VR::UI, class);
    put(tags::SOP_INSTANCE_UID, VR::UI, &instance(identity, source, kind));
    put(tags::SERIES_INSTANCE_UID, VR::UI, &derived(&["series", kind, &identity.study, &source.sha256]));
    put(tags::INSTANCE_NUMBER, VR::IS, &identity.number.to_string());
    put(tags::SERIES_DATE, VR::DA, &date);
    put(tags::SERIES_TIME, VR::TM, &time);
    put(tags::CONTENT_DATE, VR::DA, &date);
    put(tags::CONTENT_TIME, VR::TM, &time);
    put(tags::INSTANCE_CREATION_DATE, VR::DA, &date);
    put(tags::INSTANCE_CREATION_TIME, VR::TM, &time);
    put(tags::MANUFACTURER, VR::LO, MANUFACTURER);
    put(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL_NAME);
    put(tags::DEVICE_SERIAL_NUMBER, VR::LO, &source.sha256);
    put(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
    put(tags::CONTENT_QUALIFICATION, VR::CS, "RESEARCH");
    object
}

/// The identifier of the object of that kind for the image and the model.
pub(super) fn instance(identity: &Identity, source: &Source, kind: &str) -> String {
    derived(&["instance", kind, &identity.instance, &source.sha256])
}

/// A sequence.
pub(super) fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// A reference to an instance.
pub(super) fn reference(class: &str, instance: &str) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::REFERENCED_SOP_CLASS_UID, VR::UI, class),
        DataElement::new(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance),
    ])
}

/// The verdict in a line.
pub(super) fn verdict(source: &Source, reading: &Reading) -> String {
    match &reading.verdict {
        Verdict::Class(class) => source.classes.get(*class).cloned().unwrap_or_default(),
        Verdict::LowConfidence => {
            format!("No verdict: no class reaches a probability of {:.1} %", 100.0 * source.abstain_below)
        }
        Verdict::Doubtful => format!("No verdict: {}", source.doubted(reading.distance)),
        Verdict::Refused => "No verdict: this does not look like a frontal chest X-ray that the model knows".to_owned(),
        Verdict::Unreadable(why) => format!("No verdict: {why}"),
    }
}

/// The description of a series: what it is, and what it is not.
pub(super) fn description(what: &str) -> String {
    // A long string has 64 characters.
    format!("{what} - {NOTICE}").chars().take(64).collect()
}
