use super::*;

/// Gives bytes to a call as the page does.
fn called(bytes: &[u8], call: impl FnOnce() -> bool) -> (bool, Value) {
    input(bytes.len());
    INPUT.set(bytes.to_vec());
    let is_answer = call();
    assert_eq!(output_length(), OUTPUT.with_borrow(Vec::len));
    (is_answer, serde_json::from_slice(&OUTPUT.take()).unwrap())
}

const MODEL: &[u8] = include_bytes!("../../../models/default.cxr");
const DRAWING: &[u8] = include_bytes!("../../../data/samples/normal.png");

#[test]
fn a_picture_is_classified_once_there_is_a_model() {
    let (is_answer, problem) = called(DRAWING, || classify(64));
    assert!(!is_answer && problem["detail"].as_str().unwrap().contains("no model"), "{problem}");
    assert!(!called(&MODEL[..1000], || open_classifier()).0);
    let (is_answer, opened) = called(MODEL, || open_classifier());
    assert!(is_answer && opened["kernel"].is_string(), "{opened}");
    let (is_answer, answer) = called(DRAWING, || classify(64));
    assert!(is_answer);
    assert_eq!(answer["maps"].as_array().unwrap().len(), 3);
    assert_eq!(answer["preview"]["width"], 64);
    assert_eq!(answer["logits"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_no_picture_is_a_problem_with_the_servers_words() {
    called(MODEL, || open_classifier());
    let (is_answer, problem) = called(b"text", || classify(64));
    assert!(!is_answer);
    assert_eq!(problem["type"], "urn:cxr:problem:not-an-image");
    assert!(problem["detail"].as_str().unwrap().starts_with("image: "), "{problem}");
}
