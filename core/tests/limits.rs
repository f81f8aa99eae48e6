//! Model files at the edge of what is allowed: a logit is a finite number, thresholds mean what they say.

use cxr_core::error::Error;
use cxr_core::format::{Doubt, LayerSpec, Model, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::session::{AbstainReason, Decision, Session, Verdict};
use cxr_core::shape::{Padding, Shape, Window2d};

/// What varies.
#[derive(Clone, Copy)]
struct Spec {
    weights: [i8; 2],
    bias: [i32; 2],
    scales: [f32; 2],
    temperature: f32,
    abstain_below: f32,
    doubt: Option<Doubt>,
    /// Coefficient of a row of the refusal head that is the sum of the map, and the threshold.
    refusal: Option<([f32; 2], f32)>,
}

const PLAIN: Spec =
    Spec { weights: [1, -1], bias: [0; 2], scales: [0.01; 2], temperature: 1.0, abstain_below: 0.0, doubt: None, refusal: None };

/// A network of one pixel: a pooling that changes nothing, and two classes.
fn file(spec: Spec) -> Result<Vec<u8>, Error> {
    let one = Window2d { kernel: [1, 1], stride: [1, 1], pad: Padding::default() };
    let pooling = LayerSpec {
        op: Op::MaxPool2d(one),
        output: Shape::new(1, 1, 1),
        input_zero_point: 0,
        output_zero_point: 0,
        groups: 1,
        weights: &[],
        bias: &[],
        scales: &[],
    };
    let dense = LayerSpec {
        op: Op::Dense,
        output: Shape::new(1, 1, 2),
        weights: &spec.weights,
        bias: &spec.bias,
        scales: &spec.scales,
        ..pooling
    };
    let (coefficients, refuse_above) = spec.refusal.unwrap_or_default();
    let head =
        RefusalSpec { coefficients: &coefficients, scales: &[1.0; 2], bias: &[0; 2], weights: &[1; 2], back: 0, refuse_above };
    let spec = ModelSpec {
        input: Shape::new(1, 1, 1),
        layers: &[pooling, dense],
        class_names: &["a", "b"],
        metadata: "{}",
        temperature: spec.temperature,
        abstain_below: spec.abstain_below,
        doubt: spec.doubt,
        refusal: spec.refusal.map(|_| head),
    };
    let mut file = vec![0; encoded_len(&spec)];
    encode(&spec, &mut file)?;
    Ok(file)
}

fn verdict(spec: Spec, pixel: u8) -> Verdict {
    let file = file(spec).unwrap();
    let model = Model::parse(&file).unwrap();
    let mut arena = vec![0; model.arena_bytes()];
    Session::new(&model, &mut arena).unwrap().run(&[pixel]).unwrap()
}

#[test]
fn a_scale_that_makes_a_logit_infinite_is_refused() {
    for scale in [3e38, f32::MAX, 1e29, f32::INFINITY, f32::NAN, 0.0, -1.0] {
        let refused = file(Spec { scales: [0.01, scale], ..PLAIN });
        assert!(matches!(refused, Err(Error::InvalidField { field: "scale", .. })), "{scale}: {refused:?}");
    }
    // The largest accumulator is 128, and so many times a bias.
    assert!(file(Spec { scales: [7.8e27; 2], ..PLAIN }).is_ok());
    assert!(file(Spec { scales: [7.9e27; 2], ..PLAIN }).is_err());
    assert!(file(Spec { bias: [0, 872], scales: [1e27; 2], ..PLAIN }).is_err());
    assert!(file(Spec { bias: [0, -871], scales: [0.999e27; 2], ..PLAIN }).is_ok());
}

#[test]
fn the_largest_logits_have_probabilities() {
    for temperature in [1e-3, 1.0, 1e3] {
        for pixel in 0..=255 {
            let verdict = verdict(Spec { scales: [7.8e27; 2], temperature, ..PLAIN }, pixel);
            assert!(verdict.logits().iter().chain(verdict.probabilities()).all(|v| v.is_finite()));
            assert!((verdict.probabilities().iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert_eq!(verdict.decision(), Decision::Class(usize::from(pixel < 128)));
        }
    }
}

#[test]
fn thresholds_are_met_at_equality() {
    let sure = verdict(PLAIN, 200);
    let (class, p) = sure.likeliest_regardless();
    assert!(p > 0.5 && p < 1.0);
    assert_eq!(verdict(Spec { abstain_below: p, ..PLAIN }, 200).decision(), Decision::Class(class));
    let above = Spec { abstain_below: p.next_up(), ..PLAIN };
    assert_eq!(verdict(above, 200).decision(), Decision::Abstain(AbstainReason::LowConfidence));

    let linear = [0.75, 0.0];
    let score = verdict(Spec { refusal: Some((linear, 0.0)), ..PLAIN }, 200).refusal_score().unwrap();
    assert_eq!(score, 0.75 * 72.0);
    assert_eq!(verdict(Spec { refusal: Some((linear, score)), ..PLAIN }, 200).decision(), Decision::Class(class));
    let below = Spec { refusal: Some((linear, score.next_down())), ..PLAIN };
    assert_eq!(verdict(below, 200).decision(), Decision::Abstain(AbstainReason::OutOfDistribution));

    // The distance is that of the squares alone.
    let scored = Spec { refusal: Some(([0.75, 0.5], f32::MAX)), ..PLAIN };
    let distance = verdict(scored, 200).distance().unwrap();
    assert_eq!(distance, 0.5 * 72.0 * 72.0);
    assert_eq!(verdict(scored, 200).refusal_score(), Some(0.75 * 72.0 + distance));
    let doubted = |class, above| Spec { doubt: Some(Doubt { class, above }), ..scored };
    assert_eq!(verdict(doubted(class as u16, distance), 200).decision(), Decision::Class(class));
    assert_eq!(
        verdict(doubted(class as u16, distance.next_down()), 200).decision(),
        Decision::Abstain(AbstainReason::DoubtfulClass)
    );
    assert_eq!(verdict(doubted(1 - class as u16, 0.0), 200).decision(), Decision::Class(class));
    for (spec, wrong) in [
        (doubted(2, 0.5), "doubted class"),
        (Spec { refusal: None, ..doubted(0, 0.5) }, "doubted class"),
        (doubted(0, f32::NAN), "threshold of the doubted class"),
        (doubted(0, f32::INFINITY), "threshold of the doubted class"),
    ] {
        assert!(matches!(file(spec), Err(Error::InvalidField { field, .. }) if field == wrong), "{wrong}");
    }
}

#[test]
fn a_score_that_is_no_finite_number_refuses() {
    for coefficients in [[0.0, f32::MAX], [0.0, f32::MIN], [f32::MAX, f32::MIN], [f32::MIN, f32::MAX]] {
        let verdict = verdict(Spec { refusal: Some((coefficients, f32::MAX)), ..PLAIN }, 250);
        assert!(!verdict.refusal_score().unwrap().is_finite());
        assert_eq!(verdict.decision(), Decision::Abstain(AbstainReason::OutOfDistribution), "{coefficients:?}");
    }
}

#[test]
fn without_a_threshold_every_picture_has_a_class() {
    for pixel in [0, 127, 128, 129, 255] {
        assert!(matches!(verdict(PLAIN, pixel).decision(), Decision::Class(_)));
    }
}
