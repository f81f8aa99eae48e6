//! A camera's rows through the resizer into a network: no picture is ever whole.

use crate::crc32;
use rownet::error::Error;
use rownet::image::{ColorResizer, Row, Window};
use rownet::model::Model;
use rownet::session::Session;

/// Pixels of a camera's row, RGB565.
pub const WIDTH: usize = 192;
/// Rows of a picture.
pub const HEIGHT: usize = 192;
/// Widest network.
pub const NETWORK: usize = 96;

/// Row `y` of a drawing: what a camera would give.
pub fn row(y: u32, pixels: &mut [u16; WIDTH]) {
    for (x, pixel) in (0i32..).zip(pixels) {
        let (dx, dy) = (x - 96, y as i32 - 80);
        let inside = dx * dx + dy * dy < 40 * 40 || (y > 110 && dx.abs() < 60);
        *pixel = if inside { 0xB44B } else { 0x2124 + (x as u16 / 16) + (y as u16 / 12) * 32 };
    }
}

/// Memory of [`Vision`] beside the arena.
pub struct Buffers {
    sums: [u32; 6 * NETWORK],
    out: [u8; 3 * NETWORK],
}

impl Buffers {
    /// Zeros.
    pub const fn new() -> Self {
        Self { sums: [0; 6 * NETWORK], out: [0; 3 * NETWORK] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// A network that takes a camera's rows as they come.
pub struct Vision<'m, 'b> {
    session: Session<'m, 'b>,
    resizer: ColorResizer<'b>,
}

impl<'m, 'b> Vision<'m, 'b> {
    /// Waits for the first row.
    ///
    /// # Errors
    /// An arena that is too small, a network wider than [`NETWORK`].
    pub fn new(model: &Model<'m>, arena: &'b mut [i8], buffers: &'b mut Buffers) -> Result<Self, Error> {
        let shape = model.shape(0);
        let to = [shape.width, shape.height].map(usize::from);
        let resizer = ColorResizer::new(&mut buffers.sums, &mut buffers.out, [WIDTH, HEIGHT], to, Window::FULL_8)?;
        Ok(Self { session: Session::new(model, arena)?, resizer })
    }

    /// Takes a row; as many of the network's rows as it completes are computed before this returns.
    ///
    /// # Errors
    /// More rows than [`HEIGHT`].
    pub fn push(&mut self, pixels: &[u16; WIDTH]) -> Result<(), Error> {
        let (session, mut pushed) = (&mut self.session, Ok(()));
        self.resizer.push_row(Row::Rgb565(pixels), |row| pushed = pushed.and_then(|()| session.push_row_u8(row)))?;
        pushed
    }

    /// The first output's bytes and their CRC-32, once all rows came.
    ///
    /// # Errors
    /// Rows are missing.
    pub fn finish(&self) -> Result<(&[i8], u32), Error> {
        let output = self.session.finish()?.bytes(0)?;
        Ok((output, crc32(output.iter().map(|value| value.cast_unsigned()))))
    }
}
