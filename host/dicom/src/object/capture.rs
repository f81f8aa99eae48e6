//! A Secondary Capture of the exact map over the X-ray, with its numbers.

use super::caption;
use super::common::{NOTICE, description, object, reference, sequence, verdict};
use super::content::{ascii, coded};
use crate::identity::Identity;
use crate::reading::{Drawing, Reading, Verdict};
use cxr_app::prediction::Source;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

/// Group of our private elements, and their creator.
const PRIVATE: (u16, &str) = (0x0099, "CXR EXACT MAP 1");

/// The capture and its SOP Instance UID; none where the reading has no map.
pub(super) fn capture(identity: &Identity, source: &Source, reading: &Reading) -> Option<(String, InMemDicomObject)> {
    let drawing = reading.drawing.as_ref()?;
    let mut capture = object(identity, source, "capture", uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
    let lines = lines(source, reading, drawing);
    let picture = caption::captioned(&drawing.picture, &lines);
    let mut put = |tag, vr, value: &str| capture.put(DataElement::new(tag, vr, value));
    put(tags::MODALITY, VR::CS, "OT");
    put(tags::CONVERSION_TYPE, VR::CS, "WSD");
    put(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY");
    put(tags::SERIES_NUMBER, VR::IS, "9902");
    put(tags::SERIES_DESCRIPTION, VR::LO, &description("Classifier map"));
    put(tags::PATIENT_ORIENTATION, VR::CS, "");
    put(tags::LATERALITY, VR::CS, "");
    // Words that say who the patient is: there are none.
    put(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    put(tags::IMAGE_COMMENTS, VR::LT, &format!("{NOTICE}. {}", cxr_app::classes::DISCLAIMER));
    put(tags::DERIVATION_DESCRIPTION, VR::ST, &lines.join("\n").chars().take(1024).collect::<String>());
    put(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    let purpose = ("121322", "DCM", "Source Image for Image Processing Operation");
    let mut origin = reference(&identity.class, &identity.instance);
    origin.put(coded(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, purpose));
    capture.put(sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![origin]));
    let mut short = |tag, value: u16| capture.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    short(tags::SAMPLES_PER_PIXEL, 3);
    short(tags::PLANAR_CONFIGURATION, 0);
    short(tags::ROWS, picture.height() as u16);
    short(tags::COLUMNS, picture.width() as u16);
    short(tags::BITS_ALLOCATED, 8);
    short(tags::BITS_STORED, 8);
    short(tags::HIGH_BIT, 7);
    short(tags::PIXEL_REPRESENTATION, 0);
    numbers(&mut capture, source, drawing);
    capture.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(picture.into_raw().into())));
    let uid = super::common::instance(identity, source, "capture");
    Some((uid, capture))
}

/// The map itself: class, rows, columns, cells, bias, the logit that they add up to, and the part of the X-ray that it covers
/// (left, top, width and height as shares of the sides).
fn numbers(capture: &mut InMemDicomObject, source: &Source, drawing: &Drawing) {
    let (group, creator) = PRIVATE;
    let mut put = |element: u16, vr, value: PrimitiveValue| capture.put(DataElement::new(Tag(group, element), vr, value));
    let class: String = source.classes.get(drawing.class).map_or_else(String::new, |class| ascii(class));
    let [rows, columns] = drawing.map.size.map(|extent| PrimitiveValue::from(extent as u16));
    put(0x0010, VR::LO, PrimitiveValue::from(creator));
    put(0x1001, VR::LO, PrimitiveValue::from(class.chars().take(64).collect::<String>()));
    put(0x1002, VR::US, rows);
    put(0x1003, VR::US, columns);
    put(0x1004, VR::FL, PrimitiveValue::F32(drawing.map.cells.as_slice().into()));
    put(0x1005, VR::FL, PrimitiveValue::from(drawing.map.bias));
    put(0x1006, VR::FL, PrimitiveValue::from(drawing.logit));
    put(0x1007, VR::FL, PrimitiveValue::F32(drawing.frame.area().as_slice().into()));
}

fn lines(source: &Source, reading: &Reading, drawing: &Drawing) -> Vec<String> {
    let class = |k: usize| source.classes.get(k).map_or("", String::as_str);
    let mut lines = vec![NOTICE.to_owned(), verdict(source, reading)];
    if matches!(reading.verdict, Verdict::Class(_)) {
        lines.push(source.unseen.clone());
    }
    for (k, probability) in reading.probabilities.iter().enumerate() {
        lines.push(format!("{:.1} % {}", 100.0 * probability, class(k)));
    }
    lines.extend(reading.warnings.iter().map(|warning| format!("Warning: {warning}")));
    lines.push(format!("Map: red speaks for {}, blue against it", class(drawing.class)));
    lines.push(format!("Model {} sha256 {}", source.model, source.sha256));
    lines.iter().map(|line| ascii(line)).collect()
}
