//! Imported networks in the engine.

use crate::ir::{Element, Quantization};
use crate::metadata::{Metadata, element};
use crate::reference::{Data, Tensor, numbers};
use anyhow::{Context, Result, ensure};
use rownet::kernels::Kernel;
use rownet::model::Model;
use rownet::model::desc::External;
use rownet::prepared::Prepared;
use rownet::session::Session;

/// A parsed file, and what it says of itself.
pub struct Network<'f> {
    /// The engine's view.
    pub model: Model<'f>,
    /// What it was imported from.
    pub metadata: Metadata,
}

/// Rows that an operator made, by value and row: `observe(value, row, bytes)`.
pub type Observe<'o> = &'o mut dyn FnMut(u16, u32, &[i8]);

impl<'f> Network<'f> {
    /// Parses a file.
    ///
    /// # Errors
    /// The file is damaged, or was not imported.
    pub fn parse(file: &'f [u8]) -> Result<Self> {
        let model = Model::parse(file)?;
        let metadata = Metadata::read(&model)?;
        Ok(Self { model, metadata })
    }

    /// Runs inputs `[n, ...]`; an array `[n, ...]` for each output.
    ///
    /// # Errors
    /// Inputs of another type or number of values; a fault of the engine.
    pub fn run(&self, inputs: &Tensor) -> Result<Vec<Tensor>> {
        let port = self.metadata.inputs.first().context("the file names no input; import the network again")?;
        let wanted = element(&port.element)?;
        ensure!(inputs.data.element() == wanted, "the input is {wanted}, the array {}; convert it", inputs.data.element());
        let length = self.model.shape(0).len() as usize;
        let given = inputs.shape.get(1..).map_or(0, |rest| rest.iter().product::<usize>());
        ensure!(
            given == length && inputs.data.len() == length * inputs.shape[0],
            "the input has {length} values ({:?}), the array {:?}; shape it [n, ...]",
            port.shape,
            inputs.shape
        );
        let mut filters = vec![0; Prepared::bytes(&self.model, &Kernel::best())];
        let prepared = Prepared::new(&self.model, Kernel::best(), &mut filters)?;
        let mut arena = vec![0i8; self.model.arena_bytes()];
        let mut session = Session::new(&self.model, &mut arena)?.with_prepared(prepared)?;
        let mut outputs: Vec<Tensor> = Vec::new();
        for port in &self.metadata.outputs {
            let shape = std::iter::once(inputs.shape[0]).chain(port.shape.iter().skip(1).copied()).collect();
            let data = match element(&port.element)? {
                Element::F32 => Data::F32(Vec::new()),
                Element::U8 => Data::U8(Vec::new()),
                Element::I8 => Data::I8(Vec::new()),
            };
            outputs.push(Tensor { shape, data });
        }
        for i in 0..inputs.shape[0] {
            let bytes = self.bytes(&inputs.data, i * length..(i + 1) * length)?;
            let made = session.run(&bytes)?;
            ensure!(
                made.len() == outputs.len(),
                "the file has {} outputs and names {}; import the network again",
                made.len(),
                outputs.len()
            );
            for (number, output) in outputs.iter_mut().enumerate() {
                match &mut output.data {
                    Data::F32(all) => all.extend(made.real(number)?),
                    Data::I8(all) => all.extend(made.int8(number)?),
                    Data::U8(all) => all.extend(made.int8(number)?.iter().map(|q| q.cast_unsigned() ^ 0x80)),
                }
            }
        }
        Ok(outputs)
    }

    /// Runs one input and shows every row of every value that an operator makes.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn observe(&self, input: &Tensor, observe: Observe<'_>) -> Result<()> {
        let bytes = self.bytes(&input.data, 0..input.data.len())?;
        let mut arena = vec![0i8; self.model.arena_bytes()];
        let mut session = Session::new(&self.model, &mut arena)?;
        let len = self.model.shape(0).row_len();
        while let Some(y) = session.next_input_row() {
            let row = &bytes[y as usize * len..][..len];
            session.push_row_observed(row, &mut |value, row, bytes| observe(value, row, bytes))?;
        }
        session.finish()?;
        Ok(())
    }

    /// Values of the input as the engine takes them.
    fn bytes(&self, data: &Data, range: std::ops::Range<usize>) -> Result<Vec<i8>> {
        let value = self.model.value(0).context("the file has no input; import the network again")?;
        let q = Quantization { scale: value.scale, zero_point: value.zero_point.into() };
        let arithmetic = self.metadata.arithmetic();
        Ok(match (data, value.external) {
            (Data::I8(d), External::I8) => d[range].to_vec(),
            (Data::U8(d), External::U8) => d[range].iter().map(|&q| (q ^ 0x80).cast_signed()).collect(),
            (Data::F32(d), External::F32) => {
                d[range].iter().map(|&x| numbers::nearest(arithmetic, q, x).clamp(-128, 127) as i8).collect()
            }
            _ => anyhow::bail!("the file's input is of another type than it names; import the network again"),
        })
    }
}
