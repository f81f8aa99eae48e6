//! Whose image an instance is: what its header says, and what every object made of it repeats.

use crate::uid::is_uid;
use anyhow::{Result, ensure};
use cxr_app::decode;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use std::collections::BTreeMap;

/// Elements of patient and study that are repeated byte by byte, whatever their character set; those that a study must have
/// are there even where they are empty.
const REPEATED: [(Tag, VR, bool); 15] = [
    (tags::SPECIFIC_CHARACTER_SET, VR::CS, false),
    (tags::STUDY_DATE, VR::DA, true),
    (tags::STUDY_TIME, VR::TM, true),
    (tags::ACCESSION_NUMBER, VR::SH, true),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, true),
    (tags::STUDY_DESCRIPTION, VR::LO, false),
    (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, false),
    (tags::PATIENT_NAME, VR::PN, true),
    (tags::PATIENT_ID, VR::LO, true),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO, false),
    (tags::PATIENT_BIRTH_DATE, VR::DA, true),
    (tags::PATIENT_SEX, VR::CS, true),
    (tags::PATIENT_AGE, VR::AS, false),
    (tags::STUDY_INSTANCE_UID, VR::UI, true),
    (tags::STUDY_ID, VR::SH, true),
];

/// Elements that are read for their meaning alone.
const READ: [Tag; 7] = [
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::INSTANCE_NUMBER,
    tags::MANUFACTURER,
    tags::MANUFACTURER_MODEL_NAME,
    tags::STUDY_INSTANCE_UID,
];

/// Who made an object, so that what comes back is known: [`Identity::is_own`].
pub const MANUFACTURER: &str = "cxr (research software)";
/// The model name that goes with it.
pub const MODEL_NAME: &str = "cxr chest X-ray classifier";

/// Kinds of objects that are read: radiographs, and captures as teaching archives have them.
pub const CLASSES: [&str; 7] = [
    uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_BYTE_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
];

/// What the header of an instance says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// Instance Number, 1 where there is none.
    pub number: u32,
    /// Timezone Offset From UTC, as the file writes it: `+0100`.
    pub offset: Option<String>,
    /// Made by this program.
    pub is_own: bool,
    /// What objects of the same study repeat: tag, kind and bytes of even length.
    pub repeated: Vec<(Tag, VR, Vec<u8>)>,
}

impl Identity {
    /// Reads the header of a DICOM file, called `name` in messages.
    ///
    /// # Errors
    /// A damaged header, or one that does not say which image of which study it is.
    pub fn read(bytes: &[u8], name: &str) -> Result<Self> {
        let wanted: Vec<Tag> = REPEATED.iter().map(|(tag, ..)| *tag).chain(READ).collect();
        let found: BTreeMap<Tag, Vec<u8>> = decode::attributes(bytes, name, &wanted)?.into_iter().collect();
        let text = |tag: Tag| {
            let value = found.get(&tag).map(|value| String::from_utf8_lossy(value).into_owned());
            value.unwrap_or_default().trim_matches([' ', '\0']).to_owned()
        };
        let uid = |tag: Tag, what: &str| {
            let uid = text(tag);
            ensure!(is_uid(&uid), "{name}: no {what} in this DICOM file: send it as the archive has it");
            Ok(uid)
        };
        let repeat = |(tag, vr, is_required): &(Tag, VR, bool)| {
            let mut value = found.get(tag).cloned().or(is_required.then(Vec::new))?;
            if value.len() % 2 == 1 {
                value.push(if *vr == VR::UI { 0 } else { b' ' });
            }
            Some((*tag, *vr, value))
        };
        Ok(Self {
            class: uid(tags::SOP_CLASS_UID, "SOP Class UID")?,
            instance: uid(tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
            study: uid(tags::STUDY_INSTANCE_UID, "Study Instance UID")?,
            series: uid(tags::SERIES_INSTANCE_UID, "Series Instance UID")?,
            number: text(tags::INSTANCE_NUMBER).parse().unwrap_or(1),
            offset: Some(text(tags::TIMEZONE_OFFSET_FROM_UTC)).filter(|offset| !offset.is_empty()),
            is_own: text(tags::MANUFACTURER) == MANUFACTURER && text(tags::MANUFACTURER_MODEL_NAME) == MODEL_NAME,
            repeated: REPEATED.iter().filter_map(repeat).collect(),
        })
    }

    /// True for a kind of object that is read; see [`CLASSES`].
    pub fn is_read(&self) -> bool {
        CLASSES.contains(&self.class.as_str())
    }

    /// The date and the time of now, as DICOM writes them, in the file's time zone or else this machine's.
    pub fn now(&self) -> (String, String) {
        let now = chrono::Local::now();
        let offset = self.offset.as_deref().and_then(seconds).and_then(chrono::FixedOffset::east_opt);
        let now = now.with_timezone(&offset.unwrap_or(*now.offset()));
        (now.format("%Y%m%d").to_string(), now.format("%H%M%S").to_string())
    }
}

/// Seconds east of Greenwich of `+HHMM`.
fn seconds(offset: &str) -> Option<i32> {
    let (sign, digits) = offset.split_at_checked(1)?;
    let number: i32 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    let seconds = 3600 * (number / 100) + 60 * (number % 100);
    match sign {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}
