//! Convolutions and dense layers: floats, bytes between DequantizeLinear and QuantizeLinear, and QLinear operators.

use super::attributes::Reading;
use super::constants::{Constant, Numbers, Origin};
use super::emit::Target;
use super::flow::{Flow, Form, channels_last};
use super::pools;
use crate::ir::{Activation, Bias, Op, Refusal, Weights};
use std::rc::Rc;

const SYMMETRIC: &str = "quantise weights to int8, symmetrically (WeightSymmetric, QInt8)";

impl<'a> Reading<'_, 'a> {
    /// Weights of a constant with the outputs in front, floats or bytes as the inputs are.
    fn weights(&mut self, constant: &Constant, form: Form) -> Result<Weights, Refusal> {
        let Some(unmade) = self.reader.unmade.checked_sub(constant.len()) else {
            return Err(self.node.refuse("weights", "too many operators share their constants", "export each operator's own"));
        };
        self.reader.unmade = unmade;
        if form == Form::Float {
            let Some(data) = constant.floats() else {
                return Err(self.node.refuse("weights", "they are not float32", "export float32 weights"));
            };
            if data.iter().any(|w| !w.is_finite()) {
                return Err(self.node.refuse("weights", "one is not finite", "train the network again"));
            }
            return Ok(Weights::Float { shape: constant.shape.clone(), data: data.to_vec() });
        }
        let Some(Origin { whole, scales, zeros, axis }) = &constant.origin else {
            return Err(self.node.refuse("weights", "they are floats and the activations are bytes", SYMMETRIC));
        };
        let outputs = constant.shape[0];
        if scales.len() != 1 && (*axis != 0 || scales.len() != outputs) {
            return Err(self.node.refuse(
                "weights",
                format!("their scales lie along axis {axis}"),
                "quantise them per output channel",
            ));
        }
        let per_output = whole.len() / outputs.max(1);
        let byte = |(i, &w): (usize, &i64)| i8::try_from(w - zeros[if zeros.len() == 1 { 0 } else { i / per_output }]).ok();
        let Some(data) = whole.iter().enumerate().map(byte).collect::<Option<Vec<i8>>>() else {
            return Err(self.node.refuse("weights", "less their zero point they do not fit int8", SYMMETRIC));
        };
        Ok(Weights::Int8 { shape: constant.shape.clone(), data, scales: scales.clone() })
    }

    /// The bias at a position: of floats, or at the scale of input times weights.
    fn bias(&mut self, position: usize, weights: &Weights, input: &Flow) -> Result<Bias, Refusal> {
        let outputs = weights.outputs();
        let constant = match self.name(position) {
            None => None,
            Some(_) => Some(self.needed(position)?.clone()),
        };
        let wrong = |why: String| self.node.refuse("bias", why, "give it one number for each output");
        // One number for all is as many as there are outputs.
        let spread = |length: usize| match length {
            1 => Ok(vec![0; outputs]),
            n if n == outputs => Ok((0..outputs).collect()),
            n => Err(wrong(format!("{n} numbers for {outputs} outputs"))),
        };
        let Weights::Int8 { scales, .. } = weights else {
            let Some(constant) = constant else { return Ok(Bias::Float(vec![0.0; outputs])) };
            let Some(all) = constant.floats() else { return Err(wrong("it is not of floats".to_owned())) };
            return Ok(Bias::Float(spread(all.len())?.into_iter().map(|i| all[i]).collect()));
        };
        let Some(constant) = constant else { return Ok(Bias::Int32(vec![0; outputs])) };
        let sx = self.reader.graph.value(input.id).quantization.map_or(1.0, |q| q.scale);
        let step = |c: usize| sx * scales[if scales.len() == 1 { 0 } else { c }];
        let order = spread(constant.len())?;
        let same = |own: f32, c: usize| (own - step(c)).abs() <= 1e-6 * step(c);
        let whole: Option<Vec<i64>> = match (&constant.origin, &*constant.data) {
            (Some(o), _) if (0..outputs).all(|c| same(o.scales[if o.scales.len() == 1 { 0 } else { c }], c)) => {
                let zero = |i: usize| o.zeros[if o.zeros.len() == 1 { 0 } else { i }];
                Some(order.iter().map(|&i| o.whole[i] - zero(i)).collect())
            }
            (None, Numbers::Whole(all)) => Some(order.iter().map(|&i| all[i]).collect()),
            (_, Numbers::Float(all)) => {
                let note = format!("{}: its bias is rounded to the accumulator's scale", self.node.name);
                self.reader.graph.notes.push(note);
                let rounded = order.iter().enumerate().map(|(c, &i)| (f64::from(all[i]) / f64::from(step(c))).round_ties_even());
                Some(rounded.map(|b| b as i64).collect())
            }
            (Some(_), Numbers::Whole(_)) => None,
        };
        let fits = whole.map(|all| all.into_iter().map(|b| i32::try_from(b).ok()).collect::<Option<Vec<i32>>>());
        match fits.flatten() {
            Some(all) => Ok(Bias::Int32(all)),
            None => Err(self.node.refuse("bias", "a number does not fit int32", "quantise the network again")),
        }
    }

    /// A convolution over `input`; `weights` as the file has them, `[out][in / groups][...]`.
    fn convolution(&mut self, input: &Flow, weights: &Constant, bias: usize, target: Option<Target<'a>>) -> Result<(), Refusal> {
        let rank = input.axes.len();
        if !(3..=4).contains(&rank) || weights.shape.len() != rank || weights.len() == 0 {
            let why = format!("{:?} under weights {:?}", input.shape(&self.reader.graph), weights.shape);
            return Err(self.node.refuse("weights", why, "convolve over one or two axes"));
        }
        let form = if target.is_some() { Form::Real } else { self.form(&[input])? };
        let laid = self.arranged(input, &channels_last(rank));
        let here = self.reader.graph.value(laid.id).shape.clone();
        let [height, width, channels] = if rank == 4 { [here[1], here[2], here[3]] } else { [1, here[1], here[2]] };
        let per_group = weights.shape[1];
        let groups = self.int("group", 1);
        let fits = usize::try_from(groups).ok().filter(|&g| g > 0 && g.checked_mul(per_group) == Some(channels));
        let Some(groups) = fits else {
            let why = format!("{groups} groups of {per_group} channels, and {channels} channels");
            return Err(self.node.refuse("group", why, "export the network again"));
        };
        let kernel: Vec<usize> = weights.shape[2..].to_vec();
        let window = self.window(&kernel, [height, width], pools::Rounding::Down)?;
        let permutation: Vec<usize> = channels_last(rank);
        let mut turned = weights.transposed(&permutation);
        if rank == 3 {
            turned.shape.insert(1, 1);
            // Scales lie along the outputs, in front.
        }
        let weights = self.weights(&turned, form)?;
        let bias = self.bias(bias, &weights, input)?;
        let outputs = weights.outputs();
        let Some([oh, ow]) = window.output(height, width) else {
            return Err(self.node.refuse("kernel_shape", format!("it is larger than {height} x {width}"), "use a larger input"));
        };
        let op = Op::Conv2d { window, groups, weights, bias, activation: Activation::None };
        if rank == 4 {
            return self.finish(op, &laid, vec![1, oh, ow, outputs], channels_last(4), target);
        }
        let map = self.moved(Op::Reshape, &laid, vec![1, height, width, channels], vec![0, 2, 3, 1]);
        self.reshaped_finish(op, &map, vec![1, oh, ow, outputs], (vec![1, ow, outputs], channels_last(3)), target)
    }

    fn finish(
        &mut self,
        op: Op,
        input: &Flow,
        shape: Vec<usize>,
        axes: Vec<usize>,
        target: Option<Target<'a>>,
    ) -> Result<(), Refusal> {
        match target {
            Some(target) => self.emit_bytes(op, &[input], shape, axes, target),
            None => self.emit(op, &[input], shape, axes),
        }
    }

    /// As [`finish`](Self::finish), and gives all that it makes another shape.
    fn reshaped_finish(
        &mut self,
        op: Op,
        input: &Flow,
        shape: Vec<usize>,
        (outer, axes): (Vec<usize>, Vec<usize>),
        target: Option<Target<'a>>,
    ) -> Result<(), Refusal> {
        let target = match target {
            None if input.form == Form::Real => Some(self.quantized()?),
            other => other,
        };
        let names = target.as_ref().map_or_else(|| vec![self.output_name()], |t| t.names.clone());
        let inner: Vec<usize> = (0..shape.len()).collect();
        self.finish(op, input, shape, inner, target)?;
        let made = self.reader.slots.get(names.first().copied().unwrap_or_default());
        let Some(super::flow::Slot::Flow(made)) = made.cloned() else { return Ok(()) };
        let made = self.moved(Op::Reshape, &made, outer, axes);
        names.into_iter().for_each(|name| self.set(name, made.clone()));
        Ok(())
    }

    /// Every row of `input`, along its last axis, times a matrix `[inputs][outputs]`, or `[outputs][inputs]` where turned.
    fn product(
        &mut self,
        input: &Flow,
        (matrix, turned): (&Constant, bool),
        bias: usize,
        target: Option<Target<'a>>,
    ) -> Result<(), Refusal> {
        self.rank(matrix, 2)?;
        let form = if target.is_some() { Form::Real } else { self.form(&[input])? };
        let rank = input.axes.len();
        let given: Vec<usize> = (0..rank).collect();
        let laid = self.arranged(input, &given);
        let shape = self.reader.graph.value(laid.id).shape.clone();
        let matrix = if turned { matrix.clone() } else { matrix.transposed(&[1, 0]) };
        let (outputs, inputs) = (matrix.shape[0], matrix.shape[1]);
        let (Some(&last), rows) = (shape.last(), shape.iter().rev().skip(1).product::<usize>()) else {
            return Err(self.node.refuse("input", "it has no axis", "give it two"));
        };
        if last != inputs {
            let why = format!("{shape:?} times {inputs} x {outputs}");
            return Err(self.node.refuse("inputs", why, "export the network again"));
        }
        let mut made = shape.clone();
        made[rank - 1] = outputs;
        if rows == 1 {
            let weights = self.weights(&matrix, form)?;
            let bias = self.bias(bias, &weights, input)?;
            return self.finish(Op::Dense { weights, bias, activation: Activation::None }, &laid, made, given, target);
        }
        // Rows are pixels.
        let mut matrix = matrix;
        matrix.shape = vec![outputs, 1, 1, inputs];
        let weights = self.weights(&matrix, form)?;
        let bias = self.bias(bias, &weights, input)?;
        let op = Op::Conv2d { window: pools::POINT, groups: 1, weights, bias, activation: Activation::None };
        if shape[0] != 1 {
            return Err(self.node.refuse("input", format!("its shape is {shape:?}"), "export the network for a batch of one"));
        }
        let map = self.moved(Op::Reshape, &laid, vec![1, 1, rows, inputs], vec![0, 1, 2, 3]);
        self.reshaped_finish(op, &map, vec![1, 1, rows, outputs], (made, given), target)
    }

    /// Constant bytes at a position, with their scale and zero point, as if they had been dequantised.
    fn dequantized(&self, position: usize, scale: usize, zero: usize, axis: usize) -> Result<Constant, Refusal> {
        let bytes = self.needed(position)?;
        let Some(whole) = bytes.wholes() else {
            return Err(self.node.refuse("weights", "they are not of bytes", SYMMETRIC));
        };
        let scales = self.needed(scale)?.floats().unwrap_or_default().to_vec();
        let zeros = match self.wholes(zero)? {
            Some(all) if all.len() == scales.len() || all.len() == 1 => all,
            None => vec![0],
            Some(_) => Vec::new(),
        };
        let along = bytes.shape.get(axis).copied().unwrap_or(0);
        if scales.is_empty() || zeros.is_empty() || (scales.len() != 1 && scales.len() != along) {
            return Err(self.node.refuse("weights", "scales and zero points differ in number", "quantise the network again"));
        }
        let zeros = if zeros.len() == scales.len() { zeros } else { vec![zeros[0]; scales.len()] };
        let origin = Origin { whole: Rc::new(whole.to_vec()), scales, zeros, axis };
        // Only the origin is read.
        Ok(Constant { origin: Some(origin), ..bytes.clone() })
    }
}

pub fn conv(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let (input, weights) = (r.flow(0)?, r.needed(1)?.clone());
    if let Some(kernel) = r.ints("kernel_shape")
        && !kernel.iter().copied().eq(weights.shape.iter().skip(2).map(|&n| n as i64))
    {
        let why = format!("{kernel:?}, the weights are {:?}", weights.shape);
        return Err(r.node.refuse("kernel_shape", why, "export the network again"));
    }
    r.convolution(&input, &weights, 2, None)
}

pub fn qlinear_conv(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.bytes(0, 1, 2)?;
    let (weights, target) = (r.dequantized(3, 4, 5, 0)?, r.own_target(6, 7)?);
    r.convolution(&input, &weights, 8, Some(target))
}

pub fn gemm(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    if (r.real("alpha", 1.0), r.real("beta", 1.0)) != (1.0, 1.0) || r.int("transA", 0) != 0 {
        return Err(r.node.refuse("alpha, beta, transA", "one is set", "use alpha 1, beta 1, transA 0"));
    }
    let (matrix, turned) = (r.needed(1)?.clone(), r.int("transB", 0) != 0);
    if input.axes.len() != 2 {
        return Err(r.node.refuse("input", "it has not two axes", "export the network again"));
    }
    r.product(&input, (&matrix, turned), 2, None)
}

pub fn matmul(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let (input, matrix) = (r.flow(0)?, r.needed(1)?.clone());
    r.product(&input, (&matrix, false), usize::MAX, None)
}

pub fn qlinear_matmul(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.bytes(0, 1, 2)?;
    let (matrix, target) = (r.dequantized(3, 4, 5, 1)?, r.own_target(6, 7)?);
    r.product(&input, (&matrix, false), usize::MAX, Some(target))
}

pub fn qgemm(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.bytes(0, 1, 2)?;
    if r.real("alpha", 1.0) != 1.0 || r.int("transA", 0) != 0 {
        return Err(r.node.refuse("alpha, transA", "one is set", "use alpha 1, transA 0"));
    }
    let turned = r.int("transB", 0) != 0;
    let (matrix, target) = (r.dequantized(3, 4, 5, usize::from(!turned))?, r.own_target(7, 8)?);
    r.product(&input, (&matrix, turned), 6, Some(target))
}
