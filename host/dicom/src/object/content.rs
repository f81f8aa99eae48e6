//! Content items of structured reports (PS3.3, C.17.3).

use super::common::{reference, sequence};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// A coded concept: value, scheme, meaning.
pub(super) type Code<'a> = (&'a str, &'a str, &'a str);

/// How an item stands to the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Contains,
    Context,
    Modifier,
}

impl Relation {
    fn name(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::Context => "HAS OBS CONTEXT",
            Self::Modifier => "HAS CONCEPT MOD",
        }
    }
}

/// A sequence of one code.
pub(super) fn coded(tag: Tag, (value, scheme, meaning): Code<'_>) -> DataElement<InMemDicomObject> {
    // Short and long strings have 16 and 64 characters.
    let meaning: String = meaning.chars().take(64).collect();
    let code = InMemDicomObject::from_element_iter([
        DataElement::new(tags::CODE_VALUE, VR::SH, value),
        DataElement::new(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
        DataElement::new(tags::CODE_MEANING, VR::LO, meaning),
    ]);
    sequence(tag, vec![code])
}

fn item(relation: Relation, kind: &str, name: Code<'_>) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::RELATIONSHIP_TYPE, VR::CS, relation.name()),
        DataElement::new(tags::VALUE_TYPE, VR::CS, kind),
        coded(tags::CONCEPT_NAME_CODE_SEQUENCE, name),
    ])
}

/// CODE.
pub(super) fn code(relation: Relation, name: Code<'_>, value: Code<'_>) -> InMemDicomObject {
    let mut item = item(relation, "CODE", name);
    item.put(coded(tags::CONCEPT_CODE_SEQUENCE, value));
    item
}

/// TEXT. What is no ASCII becomes a question mark: the character set is the image's.
pub(super) fn text(relation: Relation, name: Code<'_>, value: &str) -> InMemDicomObject {
    let mut item = item(relation, "TEXT", name);
    item.put(DataElement::new(tags::TEXT_VALUE, VR::UT, ascii(value)));
    item
}

/// UIDREF.
pub(super) fn uid(relation: Relation, name: Code<'_>, value: &str) -> InMemDicomObject {
    let mut item = item(relation, "UIDREF", name);
    item.put(DataElement::new(tags::UID, VR::UI, value));
    item
}

/// NUM without a unit, its exact value beside the decimal one.
pub(super) fn number(name: Code<'_>, value: f32) -> InMemDicomObject {
    let mut item = item(Relation::Contains, "NUM", name);
    let measured = InMemDicomObject::from_element_iter([
        coded(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, ("1", "UCUM", "no units")),
        DataElement::new(tags::FLOATING_POINT_VALUE, VR::FD, PrimitiveValue::from(f64::from(value))),
        DataElement::new(tags::NUMERIC_VALUE, VR::DS, decimal(value)),
    ]);
    item.put(sequence(tags::MEASURED_VALUE_SEQUENCE, vec![measured]));
    item
}

/// IMAGE.
pub(super) fn image(name: Code<'_>, class: &str, instance: &str) -> InMemDicomObject {
    let mut item = item(Relation::Contains, "IMAGE", name);
    item.put(sequence(tags::REFERENCED_SOP_SEQUENCE, vec![reference(class, instance)]));
    item
}

/// CONTAINER, by a template of PS3.16 where it has a number.
pub(super) fn container(name: Code<'_>, template: Option<&str>, content: Vec<InMemDicomObject>) -> InMemDicomObject {
    let mut item = item(Relation::Contains, "CONTAINER", name);
    fill(&mut item, template, content);
    item
}

/// Makes a container of an object or an item.
pub(super) fn fill(object: &mut InMemDicomObject, template: Option<&str>, content: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE"));
    if let Some(template) = template {
        let template = InMemDicomObject::from_element_iter([
            DataElement::new(tags::MAPPING_RESOURCE, VR::CS, "DCMR"),
            DataElement::new(tags::TEMPLATE_IDENTIFIER, VR::CS, template),
        ]);
        object.put(sequence(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]));
    }
    object.put(sequence(tags::CONTENT_SEQUENCE, content));
}

/// A decimal string has 16 characters.
fn decimal(value: f32) -> String {
    let plain = value.to_string();
    if plain.len() <= 16 { plain } else { format!("{value:.6e}") }
}

/// Text that every character set has.
pub(super) fn ascii(text: &str) -> String {
    let plain = |c: char| match c {
        ' '..='~' | '\n' => c,
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{2013}' | '\u{2014}' => '-',
        _ => '?',
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_a_decimal_string() {
        for value in [0.0, 1.0, 0.123_456_79, 1e-10, 3.141_592_7e-20, 1.0e30, -123_456.79] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            let read: f32 = text.parse().unwrap();
            assert!((read - value).abs() <= 1e-6 * value.abs(), "{value} as {text}");
        }
    }
}
