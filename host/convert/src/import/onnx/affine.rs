//! A factor and a summand for each channel: batch normalisation, and constants beside values. They go into the weights before
//! them where nothing else reads what these make; else they are a depthwise convolution of one cell, for the folds.

use super::attributes::Reading;
use super::constants::Constant;
use super::emit::Target;
use super::flow::{Flow, Form};
use super::pools;
use crate::ir::{Activation, Bias, Op, Refusal, Weights};

impl<'a> Reading<'_, 'a> {
    /// A value and a constant under Add, Sub, Mul or Div; `first`: the constant is the first operand.
    pub(super) fn with_constant(&mut self, kind: &str, input: &Flow, constant: &Constant, first: bool) -> Result<(), Refusal> {
        let Some(numbers) = constant.floats() else {
            return Err(self.node.refuse("inputs", "the constant is not float32", "export float32 constants"));
        };
        if numbers.is_empty() || numbers.iter().any(|n| !n.is_finite()) {
            return Err(self.node.refuse("inputs", "a constant is not finite", "export the network again"));
        }
        let form = self.form(&[input])?;
        if form == Form::Real {
            let same = numbers.iter().all(|n| n.to_bits() == numbers[0].to_bits());
            return match same {
                true => self.scalar_operator(kind, input, numbers[0], first),
                false => Err(self.node.refuse(
                    "inputs",
                    "bytes meet a constant for each channel",
                    "let the exporter fold it into the weights before (onnxruntime's quant_pre_process), then quantise",
                )),
            };
        }
        // Which number belongs to which channel, the last axis here.
        let shape = input.shape(&self.reader.graph);
        let axis = input.axes[input.axes.len() - 1];
        let channels = shape[axis];
        let aligned: Vec<usize> = std::iter::repeat_n(1, shape.len().saturating_sub(constant.shape.len()))
            .chain(constant.shape.iter().copied())
            .collect();
        let along =
            aligned.len() == shape.len() && aligned.iter().enumerate().all(|(i, &n)| n == 1 || (i == axis && n == channels));
        if !along {
            let why = format!("{shape:?} and a constant of {:?}", constant.shape);
            return Err(self.node.refuse("inputs", why, "use one number, or one for each channel"));
        }
        let number = |c: usize| f64::from(numbers[if numbers.len() == 1 { 0 } else { c }]);
        let one = |c: usize| match (kind, first) {
            ("Add", _) => Some((1.0, number(c))),
            ("Sub", false) => Some((1.0, -number(c))),
            ("Sub", true) => Some((-1.0, number(c))),
            ("Mul", _) => Some((number(c), 0.0)),
            ("Div", false) => Some((1.0 / number(c), 0.0)),
            _ => None,
        };
        match (0..channels).map(one).collect::<Option<Vec<(f64, f64)>>>() {
            Some(terms) => self.affine(input, &terms),
            None => Err(self.node.refuse("operator", "a constant is divided by a value", "use other operators")),
        }
    }

    /// On bytes a constant is a table.
    fn scalar_operator(&mut self, kind: &str, input: &Flow, number: f32, first: bool) -> Result<(), Refusal> {
        let Some(kind) = crate::ir::Arithmetical::of(kind, first) else {
            return Err(self.node.refuse("operator", "a constant is divided by a value", "use other operators"));
        };
        let shape = self.reader.graph.value(input.id).shape.clone();
        let target: Target<'a> = self.quantized()?;
        self.emit_bytes(Op::Scalar { kind, number }, &[input], shape, input.axes.clone(), target)
    }

    /// Factor and summand of each channel of floats.
    pub(super) fn affine(&mut self, input: &Flow, terms: &[(f64, f64)]) -> Result<(), Refusal> {
        if terms.iter().any(|(a, b)| !(*a as f32).is_finite() || !(*b as f32).is_finite()) {
            return Err(self.node.refuse("constants", "a factor is not finite", "train the network again"));
        }
        let name = self.output_name();
        let graph = &mut self.reader.graph;
        let read = self.raw.input.iter().find(|n| matches!(self.reader.slots.get(n.as_str()), Some(super::flow::Slot::Flow(_))));
        let alone = read.is_some_and(|n| {
            self.reader.consumers.get(n.as_str()).is_some_and(|all| all.len() == 1) && !self.reader.outputs.contains(n.as_str())
        });
        let before = graph.producer(input.id).filter(|_| alone && graph.uses(input.id) == 0);
        if let Some(index) = before
            && let Op::Conv2d { weights, bias, activation: Activation::None, .. }
            | Op::Dense { weights, bias, activation: Activation::None } = &mut graph.nodes[index].op
            && let (Weights::Float { data, .. }, Bias::Float(bias)) = (weights, bias)
            && bias.len() == terms.len()
        {
            let length = data.len() / bias.len();
            for ((filter, b), &(factor, summand)) in data.chunks_exact_mut(length).zip(bias).zip(terms) {
                filter.iter_mut().for_each(|w| *w = (f64::from(*w) * factor) as f32);
                *b = (f64::from(*b) * factor + summand) as f32;
            }
            graph.values[input.id.0].name = super::reader::short(name);
            self.set(name, input.clone());
            return Ok(());
        }
        let shape = graph.value(input.id).shape.clone();
        let channels = terms.len();
        let weights = Weights::Float { shape: vec![channels, 1, 1, 1], data: terms.iter().map(|t| t.0 as f32).collect() };
        let bias = Bias::Float(terms.iter().map(|t| t.1 as f32).collect());
        let op = Op::Conv2d { window: pools::POINT, groups: channels, weights, bias, activation: Activation::None };
        if shape.len() == 4 {
            return self.emit(op, &[input], shape, input.axes.clone());
        }
        let rows = shape.iter().product::<usize>() / channels.max(1);
        let map = self.moved(Op::Reshape, input, vec![1, 1, rows, channels], vec![0, 1, 2, 3]);
        self.emit(op, &[&map], vec![1, 1, rows, channels], vec![0, 1, 2, 3])?;
        let made = self.reader.slots.get(name);
        if let Some(super::flow::Slot::Flow(made)) = made.cloned() {
            let made = self.moved(Op::Reshape, &made, shape, input.axes.clone());
            self.set(name, made);
        }
        Ok(())
    }
}

pub fn batch_normalization(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    if r.form(&[&input])? == Form::Real {
        return Err(r.node.refuse(
            "operator",
            "bytes go in",
            "fold it into the convolution before (quant_pre_process), then quantise",
        ));
    }
    if r.int("training_mode", 0) != 0 {
        return Err(r.node.refuse("training_mode", "it is set", "export the network for inference"));
    }
    let shape = input.shape(&r.reader.graph);
    let channels = shape.get(1).copied().unwrap_or(0);
    let read = |position: usize| -> Result<Vec<f64>, Refusal> {
        let all: Vec<f64> = r.needed(position)?.floats().unwrap_or_default().iter().map(|&x| x.into()).collect();
        match all.len() == channels {
            true => Ok(all),
            false => Err(r.node.refuse(
                &format!("input {position}"),
                format!("{} numbers for {channels} channels", all.len()),
                "export the network again",
            )),
        }
    };
    let (gamma, beta, mean, variance) = (read(1)?, read(2)?, read(3)?, read(4)?);
    let epsilon = f64::from(r.real("epsilon", 1e-5));
    let terms: Vec<(f64, f64)> = (0..channels)
        .map(|c| {
            let factor = gamma[c] / (variance[c] + epsilon).sqrt();
            (factor, beta[c] - mean[c] * factor)
        })
        .collect();
    // Channels last, where it is a map.
    let axes: Vec<usize> = super::flow::channels_last(shape.len());
    let laid = r.arranged(&input, &axes);
    r.affine(&laid, &terms)
}
