//! Attributes that several operators have: windows, weights, activations, axes.

use super::{Reading, words};
use crate::ir::{Activation, Bias, Padding, Refusal, Weights, Window};
use tract_tflite::tflite::{ActivationFunctionType, Padding as Pads, TensorType};

impl Reading<'_, '_> {
    pub(super) fn options<T>(&self, options: Option<T>) -> Result<T, Refusal> {
        options.ok_or_else(|| self.node.refuse("options", "they are missing", "export the network again"))
    }

    pub(super) fn positive(&self, attribute: &str, values: [i32; 2]) -> Result<[usize; 2], Refusal> {
        match values.map(|v| usize::try_from(v).ok().filter(|&v| v > 0)) {
            [Some(a), Some(b)] => Ok([a, b]),
            _ => Err(self.node.refuse(attribute, format!("{values:?}"), "use values above 0")),
        }
    }

    pub(super) fn activation(&self, kind: ActivationFunctionType) -> Result<Activation, Refusal> {
        match kind {
            ActivationFunctionType::NONE => Ok(Activation::None),
            ActivationFunctionType::RELU => Ok(Activation::RELU),
            ActivationFunctionType::RELU6 => Ok(Activation::RELU6),
            ActivationFunctionType::RELU_N1_TO_1 => Ok(Activation::RELU_N1_TO_1),
            other => {
                let name = other.variant_name().map_or_else(|| other.0.to_string(), str::to_owned);
                Err(self.node.refuse(
                    "fused activation",
                    format!("{name} is not supported"),
                    "use NONE, RELU, RELU6 or RELU_N1_TO_1",
                ))
            }
        }
    }

    /// The window over input 0; SAME pads the odd cell below and to the right.
    pub(super) fn window(
        &self,
        kernel: [usize; 2],
        stride: [i32; 2],
        dilation: [i32; 2],
        padding: Pads,
    ) -> Result<Window, Refusal> {
        let (stride, dilation) = (self.positive("stride", stride)?, self.positive("dilation", dilation)?);
        let mut window = Window { kernel, stride, dilation, padding: Padding::NONE };
        if padding == Pads::SAME {
            let shape = self.shape(0)?;
            let [_, height, width, _] = shape[..] else {
                return Err(self.node.refuse(
                    "input",
                    format!("its shape is {shape:?}, not four extents"),
                    "export the network again",
                ));
            };
            let span = [0, 1].map(|i| dilation[i].saturating_mul(kernel[i] - 1).saturating_add(1));
            let total = |extent: usize, i: usize| {
                (extent.div_ceil(stride[i]) - 1).saturating_mul(stride[i]).saturating_add(span[i]).saturating_sub(extent)
            };
            let [rows, columns] = [total(height, 0), total(width, 1)];
            window.padding = Padding { top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2 };
        } else if padding != Pads::VALID {
            return Err(self.node.refuse("padding", format!("code {}", padding.0), "use SAME or VALID"));
        }
        Ok(window)
    }

    /// Weights at position 1, as the file lays them out; `axis` is the one with scales of its own.
    pub(super) fn weights(&self, axis: usize) -> Result<Weights, Refusal> {
        let index = self.tensor(1)?;
        let tensor = &self.reader.tensors[index];
        if tensor.type_() == TensorType::FLOAT32 {
            let (shape, bytes) = self.constant(1, TensorType::FLOAT32, 4)?;
            let data: Vec<f32> = words(bytes).map(f32::from_le_bytes).collect();
            if data.iter().any(|w| !w.is_finite()) {
                return Err(self.node.refuse("weights", "one is not finite", "train the network again"));
            }
            return Ok(Weights::Float { shape, data });
        }
        let (shape, bytes) = self.constant(1, TensorType::INT8, 1)?;
        let data = bytes.iter().map(|&b| b.cast_signed()).collect();
        let Some(q) = tensor.quantization() else {
            return Err(self.node.refuse("weights", "they have no scale", "quantise the network again"));
        };
        let scales: Vec<f32> = q.scale().into_iter().flatten().take(1 << 20).collect();
        if q.zero_point().is_some_and(|z| z.iter().any(|z| z != 0)) {
            return Err(self.node.refuse("weights", "their zero point is not 0", "quantise weights symmetrically"));
        }
        if scales.len() > 1 && usize::try_from(q.quantized_dimension()) != Ok(axis) {
            return Err(self.node.refuse(
                "weights",
                format!("their scales lie along axis {}", q.quantized_dimension()),
                format!("quantise them along axis {axis}"),
            ));
        }
        Ok(Weights::Int8 { shape, data, scales })
    }

    pub(super) fn bias(&self, weights: &Weights, outputs: usize) -> Result<Bias, Refusal> {
        let float = matches!(weights, Weights::Float { .. });
        if self.inputs.get(2).is_none_or(|&index| index < 0) {
            return Ok(if float { Bias::Float(vec![0.0; outputs]) } else { Bias::Int32(vec![0; outputs]) });
        }
        let (_, bytes) = self.constant(2, if float { TensorType::FLOAT32 } else { TensorType::INT32 }, 4)?;
        Ok(if float {
            Bias::Float(words(bytes).map(f32::from_le_bytes).collect())
        } else {
            Bias::Int32(words(bytes).map(i32::from_le_bytes).collect())
        })
    }

    pub(super) fn axes(&self) -> Result<Vec<usize>, Refusal> {
        let rank = self.shape(0)?.len();
        let listed = self.whole_numbers(1)?;
        let resolved = listed.iter().map(|&axis| {
            usize::try_from(if axis < 0 { axis.saturating_add(rank as i32) } else { axis }).ok().filter(|&a| a < rank)
        });
        let Some(mut axes) = resolved.collect::<Option<Vec<_>>>() else {
            return Err(self.node.refuse("axis", format!("{listed:?} of {rank} axes"), "export the network again"));
        };
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }
}
