//! The engine against the interpreter, every value, and against the referee of the file's format, every output.

use crate::execute::Network;
use crate::import::{self, Format};
use crate::package::{self, Prepared};
use crate::reference::{self, Data, Tensor};
use crate::{plan, referee, samples};
use anyhow::{Context, Result, ensure};
use rownet::model::desc;
use serde::Serialize;
use std::path::Path;

/// Elements compared of a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    /// Name in the network that was imported.
    pub name: String,
    /// Elements compared over all inputs.
    pub compared: u64,
    /// Elements that differ.
    pub differing: u64,
}

/// The first element that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Who differs from the engine: the interpreter or the referee.
    pub from: String,
    /// Number of the input.
    pub input: usize,
    /// Value.
    pub value: String,
    /// Index of the element.
    pub element: usize,
    /// In the engine.
    pub engine: f64,
    /// In the other.
    pub other: f64,
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// File of the engine's network.
    pub model: String,
    /// File that it was compared with.
    pub against: String,
    /// Inputs.
    pub inputs: usize,
    /// Each value that an operator makes, against the interpreter.
    pub values: Vec<Count>,
    /// Name of the referee; none where it could not be run.
    pub referee: Option<String>,
    /// Why not.
    pub referee_missing: Option<String>,
    /// Each output, against the referee: of a .onnx file its integer form, which is defined to the last bit.
    pub outputs: Vec<Count>,
    /// Of a .onnx file: each output of the file as it is, whose float32 sums differ from machine to machine. Not a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub as_it_is: Vec<Count>,
    /// Elements that differ, in all.
    pub differing: u64,
    /// The first.
    pub first_difference: Option<Difference>,
}

/// Compares a parsed file with the network at `path` on `inputs` `[n, ...]`, or on generated ones.
///
/// # Errors
/// Another network than was imported; inputs that do not fit.
pub fn verify(model: &str, network: &Network<'_>, path: &Path, inputs: Option<Tensor>) -> Result<Report> {
    let against = std::fs::read(path).with_context(|| format!("{}: cannot be read; check the path", path.display()))?;
    let Prepared { original, graph, lowered } = package::prepare(&against).with_context(|| path.display().to_string())?;
    let split = plan::applied(&lowered, network.metadata.parts.as_ref()).with_context(|| path.display().to_string())?;
    let (whole, lowered) = (&lowered.values, &split.lowered);
    ensure!(
        lowered.operators.len() == network.model.operator_count(),
        "{}: another network than was imported; import it again",
        path.display()
    );
    let inputs = inputs.unwrap_or_else(|| samples::generated(original.value(original.inputs[0]), 100, 20));
    let count = |name: &str| Count { name: name.to_owned(), compared: 0, differing: 0 };
    let mut report = Report {
        model: model.to_owned(),
        against: path.display().to_string(),
        inputs: inputs.shape[0],
        values: lowered.sources.iter().skip(1).map(|&id| count(&graph.value(id).name)).collect(),
        referee: None,
        referee_missing: None,
        outputs: original.outputs.iter().map(|&id| count(&original.value(id).name)).collect(),
        as_it_is: Vec::new(),
        differing: 0,
        first_difference: None,
    };
    for i in 0..inputs.shape[0] {
        let sample = samples::sample(&inputs, i);
        let expected = reference::run(&graph, std::slice::from_ref(&sample))?;
        let rows = |value: &desc::Value| vec![Vec::new(); usize::from(value.shape.height)];
        let mut made: Vec<Vec<Vec<f64>>> = lowered.values.iter().map(rows).collect();
        network.observe(&sample, &mut |value, y, bytes| {
            if let Some(row) = made.get_mut(usize::from(value)).and_then(|rows| rows.get_mut(y as usize)) {
                row.extend(bytes.iter().map(|&b| f64::from(b)));
            }
        })?;
        for (number, &id) in lowered.sources.iter().enumerate().skip(1) {
            let tensor = expected[id.0].as_ref().context("the interpreter did not make a value")?;
            // Of a value in parts, the columns of this one.
            let (origin, [first, end]) = split.origins[number];
            let channels = usize::from(lowered.values[number].shape.channels);
            let row = whole[usize::from(origin)].shape.row_len();
            let columns = usize::from(first) * channels..usize::from(end) * channels;
            let all: Vec<f64> = wide(&tensor.data).chunks(row).flat_map(|row| row[columns.clone()].to_vec()).collect();
            // Of what is recomputed, rows that nobody needs are not made.
            if matches!(network.model.storage(number as u16), desc::Storage::Recomputed { .. }) {
                let rows = all.chunks(lowered.values[number].shape.row_len().max(1));
                made[number].iter_mut().zip(rows).filter(|(made, _)| made.is_empty()).for_each(|(made, row)| made.extend(row));
            }
            let found = compare("interpreter", i, &graph.value(id).name, &made[number].concat(), &all);
            add(&mut report.values[number - 1], all.len(), found, &mut report.first_difference);
        }
    }
    let made = network.run(&inputs)?;
    let answers = match Format::of(&against)? {
        Format::Tflite => {
            referee::tflite_micro(path, &inputs, false).map(|answers| ("TFLite Micro", answers.outputs, Vec::new()))
        }
        Format::Onnx => {
            let layout = import::onnx::layout(&against)?;
            let tap = |(count, axes): (&Count, &Vec<usize>)| referee::Tap { name: count.name.clone(), axes: axes.clone() };
            let taps: Vec<referee::Tap> = report.outputs.iter().zip(&layout.outputs).map(tap).collect();
            referee::onnxruntime(path, &inputs, &layout.input, &taps).map(|a| ("onnxruntime", a.integer, a.plain))
        }
    };
    match answers {
        Ok((name, exact, plain)) => {
            report.referee = Some(name.to_owned());
            outputs(name, &made, &exact, &mut report.outputs, &mut report.first_difference)?;
            if !plain.is_empty() {
                report.as_it_is = report.outputs.iter().map(|o| count(&o.name)).collect();
                outputs(name, &made, &plain, &mut report.as_it_is, &mut None)?;
            }
        }
        Err(error) => report.referee_missing = Some(format!("{error:#}")),
    }
    report.differing = report.values.iter().chain(&report.outputs).map(|count| count.differing).sum();
    Ok(report)
}

/// Compares outputs of the engine with those of a referee.
fn outputs(name: &str, made: &[Tensor], answers: &[Tensor], counts: &mut [Count], first: &mut Option<Difference>) -> Result<()> {
    for ((count, engine), other) in counts.iter_mut().zip(made).zip(answers) {
        let length = engine.data.len() / engine.shape[0].max(1);
        let (engine, other) = (wide(&engine.data), wide(&other.data));
        ensure!(engine.len() == other.len(), "{name} gives {} values, the engine {}", other.len(), engine.len());
        for (i, (engine, other)) in engine.chunks(length.max(1)).zip(other.chunks(length.max(1))).enumerate() {
            let found = compare(name, i, &count.name, engine, other);
            add(count, length, found, first);
        }
    }
    Ok(())
}

fn wide(data: &Data) -> Vec<f64> {
    match data {
        Data::I8(d) => d.iter().map(|&x| x.into()).collect(),
        Data::U8(d) => d.iter().map(|&x| x.into()).collect(),
        Data::F32(d) => d.iter().map(|&x| x.into()).collect(),
    }
}

/// How many elements differ, a missing one too, and the first.
fn compare(from: &str, input: usize, value: &str, engine: &[f64], other: &[f64]) -> (u64, Option<Difference>) {
    let at = |values: &[f64], i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    let differ = |&i: &usize| at(engine, i).to_bits() != at(other, i).to_bits();
    let all = 0..engine.len().max(other.len());
    let first = all.clone().find(differ).map(|i| Difference {
        from: from.to_owned(),
        input,
        value: value.to_owned(),
        element: i,
        engine: at(engine, i),
        other: at(other, i),
    });
    (if first.is_some() { all.filter(differ).count() as u64 } else { 0 }, first)
}

fn add(count: &mut Count, compared: usize, (differing, found): (u64, Option<Difference>), first: &mut Option<Difference>) {
    count.compared += compared as u64;
    count.differing += differing;
    if first.is_none() {
        *first = found;
    }
}
