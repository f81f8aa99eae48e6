//! Constants of the file: initialisers, and what follows from them before the network runs.

use super::schema;
use std::rc::Rc;

/// Element types that are read, by their number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// float32.
    F32,
    /// uint8.
    U8,
    /// int8.
    I8,
    /// int32.
    I32,
    /// int64.
    I64,
}

impl Kind {
    /// Of TensorProto.DataType.
    pub fn of(code: i32) -> Option<Self> {
        match code {
            1 => Some(Self::F32),
            2 => Some(Self::U8),
            3 => Some(Self::I8),
            6 => Some(Self::I32),
            7 => Some(Self::I64),
            _ => None,
        }
    }

    fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

/// Name of a TensorProto.DataType, for messages.
pub fn kind_name(code: i32) -> String {
    const NAMES: [&str; 17] = [
        "undefined",
        "float32",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "float64",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    usize::try_from(code).ok().and_then(|i| NAMES.get(i)).map_or_else(|| format!("type {code}"), |name| (*name).to_owned())
}

/// Elements of a constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Of float32.
    Float(Vec<f32>),
    /// Of all integer types.
    Whole(Vec<i64>),
}

/// The integers that a constant of floats was dequantised from: `real = scale[c] * (whole - zero[c])`.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// As many as the constant has elements.
    pub whole: Rc<Vec<i64>>,
    /// One, or one for each index along `axis`.
    pub scales: Vec<f32>,
    /// As many as scales.
    pub zeros: Vec<i64>,
    /// Along which the scales lie.
    pub axis: usize,
}

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Extents; none for a scalar.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub kind: Kind,
    /// As many as the product of the extents.
    pub data: Rc<Numbers>,
    /// Where it was dequantised.
    pub origin: Option<Origin>,
}

impl Constant {
    /// A constant of whole numbers.
    pub fn whole(shape: Vec<usize>, kind: Kind, numbers: Vec<i64>) -> Self {
        Self { shape, kind, data: Rc::new(Numbers::Whole(numbers)), origin: None }
    }

    /// A constant of floats.
    pub fn float(shape: Vec<usize>, numbers: Vec<f32>) -> Self {
        Self { shape, kind: Kind::F32, data: Rc::new(Numbers::Float(numbers)), origin: None }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its floats.
    pub fn floats(&self) -> Option<&[f32]> {
        match &*self.data {
            Numbers::Float(all) => Some(all),
            Numbers::Whole(_) => None,
        }
    }

    /// Its whole numbers.
    pub fn wholes(&self) -> Option<&[i64]> {
        match &*self.data {
            Numbers::Whole(all) => Some(all),
            Numbers::Float(_) => None,
        }
    }

    /// Reads a tensor; what is wrong with it otherwise, and what to change.
    ///
    /// # Errors
    /// Another type than [`Kind`] has; data that is elsewhere, or not as long as the shape says.
    pub fn read(tensor: &schema::Tensor) -> Result<Self, (String, &'static str)> {
        let again = "export the network again";
        let kind = Kind::of(tensor.data_type)
            .ok_or_else(|| (format!("{} constants are not read", kind_name(tensor.data_type)), "export float32 and int8"))?;
        if tensor.data_location != 0 {
            return Err((
                "its data is in another file".to_owned(),
                "save it with onnx.save(model, f, save_as_external_data=False)",
            ));
        }
        let extents = tensor.dims.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
        let count = extents.as_ref().and_then(|s| s.iter().try_fold(1usize, |all, &n| all.checked_mul(n)));
        let (Some(shape), Some(count), true) = (extents, count, tensor.dims.len() <= 8) else {
            return Err((format!("its shape is {:?}", &tensor.dims[..tensor.dims.len().min(9)]), again));
        };
        let raw = &tensor.raw_data;
        let listed = match kind {
            Kind::F32 => tensor.float_data.len(),
            Kind::I64 => tensor.int64_data.len(),
            Kind::U8 | Kind::I8 | Kind::I32 => tensor.int32_data.len(),
        };
        let held = if raw.is_empty() { listed } else { raw.len() / kind.width() };
        if held != count || (!raw.is_empty() && !raw.len().is_multiple_of(kind.width())) {
            return Err((format!("{held} elements for the shape {shape:?}"), again));
        }
        fn words<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
            raw.as_chunks::<N>().0.iter().copied()
        }
        let data = match (kind, raw.is_empty()) {
            (Kind::F32, true) => Numbers::Float(tensor.float_data.clone()),
            (Kind::F32, false) => Numbers::Float(words(raw).map(f32::from_le_bytes).collect()),
            (Kind::I64, true) => Numbers::Whole(tensor.int64_data.clone()),
            (Kind::I64, false) => Numbers::Whole(words(raw).map(i64::from_le_bytes).collect()),
            (Kind::I32, false) => Numbers::Whole(words(raw).map(|w| i32::from_le_bytes(w).into()).collect()),
            (Kind::U8, false) => Numbers::Whole(raw.iter().map(|&b| b.into()).collect()),
            (Kind::I8, false) => Numbers::Whole(raw.iter().map(|&b| b.cast_signed().into()).collect()),
            (Kind::U8, true) => Numbers::Whole(tensor.int32_data.iter().map(|&w| i64::from(w) & 0xff).collect()),
            (Kind::I8, true) => Numbers::Whole(tensor.int32_data.iter().map(|&w| i64::from(w as i8)).collect()),
            (Kind::I32, true) => Numbers::Whole(tensor.int32_data.iter().map(|&w| w.into()).collect()),
        };
        Ok(Self { shape, kind, data: Rc::new(data), origin: None })
    }

    /// The same elements in another shape of as many.
    pub fn reshaped(&self, shape: Vec<usize>) -> Self {
        // Scales along an axis lose it.
        let origin = self.origin.clone().filter(|origin| origin.scales.len() == 1);
        Self { shape, origin, ..self.clone() }
    }

    /// Axis i of the result is axis `permutation[i]`.
    pub fn transposed(&self, permutation: &[usize]) -> Self {
        let shape: Vec<usize> = permutation.iter().map(|&axis| self.shape[axis]).collect();
        let strides: Vec<usize> = (0..self.shape.len()).map(|axis| self.shape[axis + 1..].iter().product()).collect();
        let mut order = vec![0usize];
        for (&axis, &extent) in permutation.iter().zip(&shape) {
            order =
                order.iter().flat_map(|&at| (0..extent).map(move |i| (at, i))).map(|(at, i)| at + i * strides[axis]).collect();
        }
        fn take<T: Copy>(all: &[T], order: &[usize]) -> Vec<T> {
            order.iter().map(|&i| all[i]).collect()
        }
        let data = match &*self.data {
            Numbers::Float(all) => Numbers::Float(take(all, &order)),
            Numbers::Whole(all) => Numbers::Whole(take(all, &order)),
        };
        let origin = self.origin.as_ref().map(|origin| Origin {
            whole: Rc::new(take(&origin.whole, &order)),
            axis: permutation.iter().position(|&axis| axis == origin.axis).unwrap_or(0),
            ..origin.clone()
        });
        Self { shape, kind: self.kind, data: Rc::new(data), origin }
    }
}
