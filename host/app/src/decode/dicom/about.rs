//! What the header says of the image itself, where it makes the answer doubtful: view, body part, side, orientation.

use super::element::{Element, printable};
use dicom_dictionary_std::{tags, uids};

/// Descriptions of the image. Of its patient nothing is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    modality: String,
    intent: String,
    view: String,
    body_part: String,
    laterality: String,
    orientation: String,
    /// What the study, the series and the protocol are called.
    called: Vec<String>,
    /// IDENTITY or INVERSE.
    shape: String,
}

/// Words, in capitals, that make a view another than the frontal one (PS3.3, C.8.11.5 and CID 4010).
const OTHER_VIEWS: [&str; 23] = [
    "LL",
    "RL",
    "LLD",
    "RLD",
    "LLO",
    "RLO",
    "LAT",
    "LATERAL",
    "OBLIQUE",
    "OBL",
    "LAO",
    "RAO",
    "LPO",
    "RPO",
    "DECUBITUS",
    "DECUB",
    "CC",
    "MLO",
    "ML",
    "LM",
    "XCCL",
    "TANGENTIAL",
    "PROFILE",
];
/// Words for such views in what a series is called, and words for frontal ones.
const CALLED_OTHER: [&str; 9] =
    ["LATERAL", "LAT", "LATERALE", "LATERALIS", "PROFIL", "PROFILE", "SEITLICH", "OBLIQUE", "DECUBITUS"];
const CALLED_FRONTAL: [&str; 6] = ["PA", "AP", "FRONTAL", "FRONT", "DV", "VD"];
/// Words for other parts of the body there.
const CALLED_PARTS: [&str; 18] = [
    "HAND", "WRIST", "FOOT", "ANKLE", "KNEE", "HIP", "PELVIS", "ABDOMEN", "SKULL", "SPINE", "SHOULDER", "ELBOW", "FINGER", "TOE",
    "FEMUR", "TIBIA", "HUMERUS", "FOREARM",
];
/// Detector values, by the kind of object (PS3.4, B.5).
const FOR_PROCESSING: [&str; 3] = [
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::DIGITAL_INTRA_ORAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
];
/// Parts of words for the chest, in the languages in which makers write them.
const CHEST: [&str; 12] =
    ["CHEST", "THORA", "TORAX", "TORAC", "LUNG", "PULM", "POUMON", "POLMON", "POITRINE", "PECHO", "BRUST", "KLATKA"];
/// What stands for no value.
const NOTHING: [&str; 8] = ["", "UNKNOWN", "NONE", "NA", "N/A", "OTHER", "UNDEFINED", "DEFAULT"];
/// Modalities that make no radiograph.
const OTHER_MODALITIES: [&str; 14] = ["CT", "MR", "US", "NM", "PT", "MG", "PX", "IO", "ES", "OP", "OPT", "SM", "XC", "GM"];

impl About {
    pub(super) fn take(&mut self, element: &Element<'_>) {
        let target = match element.tag {
            tags::MODALITY => &mut self.modality,
            tags::PRESENTATION_INTENT_TYPE => &mut self.intent,
            tags::VIEW_POSITION => &mut self.view,
            tags::BODY_PART_EXAMINED => &mut self.body_part,
            tags::LATERALITY | tags::IMAGE_LATERALITY => &mut self.laterality,
            tags::PATIENT_ORIENTATION => &mut self.orientation,
            tags::PRESENTATION_LUT_SHAPE => &mut self.shape,
            tags::SOP_CLASS_UID if FOR_PROCESSING.contains(&element.text().as_str()) => {
                "FOR PROCESSING".clone_into(&mut self.intent);
                return;
            }
            tags::STUDY_DESCRIPTION
            | tags::SERIES_DESCRIPTION
            | tags::PROTOCOL_NAME
            | tags::ACQUISITION_DEVICE_PROCESSING_DESCRIPTION => {
                self.called.push(printable(&element.text()).to_uppercase());
                return;
            }
            _ => return,
        };
        let text = printable(&element.text()).to_uppercase();
        if !text.is_empty() {
            *target = text;
        }
    }

    /// The meaning of a view code, where no view position stands.
    pub(super) fn view(&mut self, element: &Element<'_>) {
        if self.view.is_empty() {
            self.view = printable(&element.text()).to_uppercase();
        }
    }

    /// The meaning of a code for the anatomic region, where no body part stands.
    pub(super) fn region(&mut self, element: &Element<'_>) {
        if self.body_part.is_empty() {
            self.body_part = printable(&element.text()).to_uppercase();
        }
    }

    /// A sentence for each doubt. `photometric`: MONOCHROME1 and the like.
    pub(super) fn warnings(&self, photometric: &str) -> Vec<String> {
        let mut out = Vec::new();
        if self.intent == "FOR PROCESSING" {
            out.push("The DICOM header says FOR PROCESSING: raw detector values. Give the image FOR PRESENTATION.".to_owned());
        }
        if OTHER_MODALITIES.contains(&self.modality.as_str()) {
            out.push(format!("The DICOM header says modality {}, which is no radiograph.", self.modality));
        }
        let view = self.view.split(|c: char| !c.is_alphanumeric()).any(|word| OTHER_VIEWS.contains(&word));
        if view {
            out.push(format!("The DICOM header says view {}: not a frontal view.", self.view));
        }
        let is_chest = CHEST.iter().any(|word| self.body_part.contains(word));
        let has_part = !NOTHING.contains(&self.body_part.as_str());
        let has_word = |text: &str, words: &[&str]| text.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word));
        let any = |is: &dyn Fn(&str) -> bool| self.called.iter().any(|text| is(text));
        let from_side = any(&|text| has_word(text, &CALLED_OTHER) && !has_word(text, &CALLED_FRONTAL));
        let frontal = any(&|text| has_word(text, &CALLED_FRONTAL) && !has_word(text, &CALLED_OTHER));
        if self.view.is_empty() && from_side && !frontal {
            out.push("The DICOM header describes a view from the side, not a frontal view.".to_owned());
        }
        let other_part = any(&|text| has_word(text, &CALLED_PARTS));
        if !has_part && other_part && !any(&|text| CHEST.iter().any(|word| text.contains(word))) {
            out.push("The DICOM header describes another part of the body, not the chest.".to_owned());
        }
        if has_part && !is_chest {
            out.push(format!("The DICOM header says body part {}: not the chest.", self.body_part));
        }
        if !has_part && matches!(self.laterality.as_str(), "L" | "R") {
            out.push(format!("The DICOM header says side {}: one of a paired body part, not the chest.", self.laterality));
        }
        out.extend(self.turned());
        let inverse = self.shape == "INVERSE";
        if matches!((photometric, inverse), ("MONOCHROME2", true)) || (photometric == "MONOCHROME1" && self.shape == "IDENTITY") {
            let shape = &self.shape;
            out.push(format!(
                "The DICOM header contradicts itself: {photometric} with Presentation LUT Shape {shape}. {photometric} is followed; the picture may be inverted."
            ));
        }
        out
    }

    /// Patient orientation other than rows to the left and columns to the feet (PS3.3, C.7.6.1.1.1).
    fn turned(&self) -> Option<String> {
        let (row, column) = self.orientation.split_once('\\')?;
        let towards = |text: &str| text.trim().chars().next();
        let how = match (towards(row)?, towards(column)?) {
            ('A' | 'P', _) | (_, 'A' | 'P') => "seen from the side or from above",
            ('F' | 'H', _) | (_, 'L' | 'R') => "turned on its side",
            ('R', 'H') => "upside down, turned by half",
            ('R', _) => "mirrored, left and right exchanged",
            (_, 'H') => "upside down",
            _ => return None,
        };
        Some(format!("The DICOM header says patient orientation {}: the picture is {how}.", self.orientation))
    }
}
