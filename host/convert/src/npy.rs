//! NumPy's .npy: what networks are fed and what they answer.

use crate::reference::{Data, Tensor};
use anyhow::{Context, Result, bail, ensure};
use npyz::{DType, NpyFile, Order, WriterBuilder};

/// Most elements of a file.
const MOST_ELEMENTS: u64 = 1 << 32;

/// Reads an array of int8, uint8 or float32, in C order.
///
/// # Errors
/// A damaged file, another type, another order.
pub fn read(file: &[u8]) -> Result<Tensor> {
    let npy = NpyFile::new(file).context("not a .npy file; write it with numpy.save")?;
    let DType::Plain(kind) = npy.dtype() else { bail!("an array of records; save int8, uint8 or float32") };
    let shape = npy.shape().to_vec();
    ensure!(npy.order() == Order::C || shape.len() < 2, "the array is in Fortran order; save numpy.ascontiguousarray of it");
    let kind = kind.to_string();
    let width: u64 = if kind == "<f4" { 4 } else { 1 };
    let elements = shape.iter().try_fold(1u64, |all, &n| all.checked_mul(n)).filter(|&n| n <= MOST_ELEMENTS);
    let bytes = elements.and_then(|n| n.checked_mul(width));
    ensure!(bytes.is_some_and(|bytes| bytes <= file.len() as u64), "the file is shorter than its shape says; save it again");
    let data = match kind.as_str() {
        "|i1" | "<i1" => Data::I8(npy.into_vec()?),
        "|u1" | "<u1" => Data::U8(npy.into_vec()?),
        "<f4" => Data::F32(npy.into_vec()?),
        other => bail!("an array of {other}; save int8, uint8 or float32"),
    };
    Ok(Tensor { shape: shape.into_iter().map(|n| n as usize).collect(), data })
}

/// The file of a tensor.
///
/// # Errors
/// None in practice: memory takes it all.
pub fn write(tensor: &Tensor) -> Result<Vec<u8>> {
    fn put<T: npyz::AutoSerialize + Copy>(shape: &[u64], data: &[T]) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut writer = npyz::WriteOptions::<T>::new().default_dtype().shape(shape).writer(&mut file).begin_nd()?;
        writer.extend(data.iter().copied())?;
        writer.finish()?;
        Ok(file)
    }
    let shape: Vec<u64> = tensor.shape.iter().map(|&n| n as u64).collect();
    match &tensor.data {
        Data::I8(d) => put(&shape, d),
        Data::U8(d) => put(&shape, d),
        Data::F32(d) => put(&shape, d),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for data in [
            Data::I8(vec![-128, 0, 127, 1, 2, 3]),
            Data::U8(vec![0, 255, 1, 2, 3, 4]),
            Data::F32(vec![0.5, -1.0, 2.0, 3.0, 4.0, 5.0]),
        ] {
            let tensor = Tensor { shape: vec![2, 3], data };
            let file = write(&tensor).unwrap();
            assert_eq!(read(&file).unwrap(), tensor);
            for length in 0..file.len() {
                assert!(read(&file[..length]).is_err());
            }
        }
    }
}
