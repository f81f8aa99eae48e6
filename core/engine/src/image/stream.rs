//! The arithmetic of the resize, in rows that somebody else holds.

use super::axis::{Axis, cut};
use super::row::{Row, STEPS, Window, luma, rgb_of, rgb565, yuv};
use crate::error::Error;

/// Where an image and the resized one stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    in_width: u32,
    in_height: u32,
    out_height: u32,
    window: Window,
    /// Bits cut from the weights, horizontal and vertical.
    cut: [u8; 2],
    /// Input rows taken.
    taken: u32,
    /// Next output row.
    next: u32,
    /// Reducing: sum of weights of the output row of that parity.
    weights: [u32; 2],
}

/// Memory for rows of the resized image, all of one length.
pub(super) struct Memory<'r> {
    /// Reducing: sums of output rows, by parity. Enlarging: the last two input rows, resized horizontally.
    pub rows: [&'r mut [u32]; 2],
    pub out: &'r mut [u8],
}

/// Of the caller's memory as much as rows of so many values take.
pub fn lent<'b>(sums: &'b mut [u32], out: &'b mut [u8], values: usize) -> Result<(&'b mut [u32], &'b mut [u8]), Error> {
    let too_small = |needed: usize, given: usize| Error::BufferTooSmall { needed: needed as u32, given: given as u32 };
    let given = [sums.len(), out.len()];
    let sums = sums.get_mut(..2 * values).ok_or(too_small(2 * values, given[0]))?;
    Ok((sums, out.get_mut(..values).ok_or(too_small(values, given[1]))?))
}

impl Stream {
    pub fn new([in_width, in_height]: [usize; 2], [width, height]: [usize; 2], window: Window) -> Result<Self, Error> {
        let (Some(horizontal), Some(vertical)) = (cut(in_width, width), cut(in_height, height)) else {
            return Err(Error::ImageSize { width: in_width as u32, height: in_height as u32 });
        };
        if window.low >= window.high {
            return Err(Error::EmptyWindow);
        }
        Ok(Self {
            in_width: in_width as u32,
            in_height: in_height as u32,
            out_height: height as u32,
            window,
            cut: [horizontal, vertical],
            taken: 0,
            next: 0,
            weights: [0; 2],
        })
    }

    /// Forgets the rows taken.
    pub fn restart(&mut self, rows: [&mut [u32]; 2]) {
        (self.taken, self.next, self.weights) = (0, 0, [0; 2]);
        rows.into_iter().for_each(|row| row.fill(0));
    }

    pub const fn rows_left(&self) -> u32 {
        self.in_height - self.taken
    }

    /// Whether this may be the next row.
    #[inline(always)]
    fn check(&self, row: Row<'_>) -> Result<(), Error> {
        if self.taken >= self.in_height {
            return Err(Error::TooManyRows);
        }
        let (given, expected) = row.lengths(self.in_width as usize);
        if given != expected {
            return Err(Error::RowLength { expected: expected as u32, given: given as u32 });
        }
        Ok(())
    }

    /// Takes the next input row.
    #[inline(always)]
    pub fn push_row(&mut self, row: Row<'_>, memory: Memory<'_>, emit: impl FnMut(&[u8])) -> Result<(), Error> {
        self.check(row)?;
        // Pairs of YUV pixels may hold one more than the row.
        let (window, width) = (self.window, self.in_width as usize);
        match row {
            Row::Gray8(r) => self.take(Gray(r.iter().map(|v| window.apply(u32::from(*v)))), memory, emit),
            Row::Gray16(r) => self.take(Gray(r.iter().map(|v| window.apply(u32::from(*v)))), memory, emit),
            Row::Rgb8(r) => self.take(Gray(r.chunks_exact(3).map(|p| window.apply(luma(p)))), memory, emit),
            Row::Rgb16(r) => self.take(Gray(r.chunks_exact(3).map(|p| window.apply(luma(p)))), memory, emit),
            Row::Rgba8(r) => self.take(Gray(r.chunks_exact(4).map(|p| window.apply(luma(p)))), memory, emit),
            Row::Rgba16(r) => self.take(Gray(r.chunks_exact(4).map(|p| window.apply(luma(p)))), memory, emit),
            Row::Rgb565(r) => self.take(Gray(r.iter().map(|v| window.apply(luma(&rgb565(*v))))), memory, emit),
            Row::Yuyv(r) => self.take(Gray(r.iter().step_by(2).take(width).map(|y| window.apply(u32::from(*y)))), memory, emit),
            Row::Uyvy(r) => {
                self.take(Gray(r.iter().skip(1).step_by(2).take(width).map(|y| window.apply(u32::from(*y)))), memory, emit)
            }
        }
        Ok(())
    }

    /// Takes the next input row in colour; the memory is three times as long, and rows of RGB come out.
    pub fn push_color(&mut self, row: Row<'_>, memory: Memory<'_>, emit: impl FnMut(&[u8])) -> Result<(), Error> {
        self.check(row)?;
        let (window, width) = (self.window, self.in_width as usize);
        let levels = move |pixel: [u32; 3]| pixel.map(|value| window.apply(value));
        match row {
            Row::Gray8(r) => self.take(Rgb(r.iter().map(|v| levels([u32::from(*v); 3]))), memory, emit),
            Row::Gray16(r) => self.take(Rgb(r.iter().map(|v| levels([u32::from(*v); 3]))), memory, emit),
            Row::Rgb8(r) => self.take(Rgb(r.chunks_exact(3).map(|p| levels(rgb_of(p)))), memory, emit),
            Row::Rgb16(r) => self.take(Rgb(r.chunks_exact(3).map(|p| levels(rgb_of(p)))), memory, emit),
            Row::Rgba8(r) => self.take(Rgb(r.chunks_exact(4).map(|p| levels(rgb_of(p)))), memory, emit),
            Row::Rgba16(r) => self.take(Rgb(r.chunks_exact(4).map(|p| levels(rgb_of(p)))), memory, emit),
            Row::Rgb565(r) => self.take(Rgb(r.iter().map(|v| levels(rgb565(*v)))), memory, emit),
            Row::Yuyv(r) => self.take(Rgb(yuv(r, [0, 1, 2, 3]).take(width).map(levels)), memory, emit),
            Row::Uyvy(r) => self.take(Rgb(yuv(r, [1, 0, 3, 2]).take(width).map(levels)), memory, emit),
        }
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, pixels: impl Pixels, memory: Memory<'_>, mut emit: impl FnMut(&[u8])) {
        if self.in_height > self.out_height {
            self.reduce(pixels, memory, &mut emit);
        } else {
            self.enlarge(pixels, memory, &mut emit);
        }
    }

    /// Adds the row to the one or two output rows whose filter covers it.
    fn reduce(&mut self, pixels: impl Pixels, memory: Memory<'_>, emit: &mut impl FnMut(&[u8])) {
        let axis = Axis { input: self.in_height, output: self.out_height, cut: self.cut[1] };
        let row = self.taken;
        // Outputs that this row feeds: at most two, since the filter's radius is one output step.
        let mut weight = [0u32; 2];
        for i in self.next..(self.next + 2).min(self.out_height) {
            weight[(i & 1) as usize] = axis.weight(i, row);
        }
        let [w0, w1] = weight;
        let [rows0, rows1] = memory.rows;
        let out = memory.out;
        pixels.across(out.len(), self.in_width, self.cut[0], |x, value| {
            if let (Some(a), Some(b)) = (rows0.get_mut(x), rows1.get_mut(x)) {
                *a += w0 * value;
                *b += w1 * value;
            }
        });
        self.weights[0] += w0;
        self.weights[1] += w1;
        self.taken += 1;
        while self.next < self.out_height && (self.taken == self.in_height || axis.weight_ends(self.next, row)) {
            let k = (self.next & 1) as usize;
            let total = self.weights[k].max(1);
            let sums = if k == 0 { &mut *rows0 } else { &mut *rows1 };
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = divide(*sum, total);
                *sum = 0;
            }
            self.weights[k] = 0;
            self.next += 1;
            emit(out);
        }
    }

    /// Keeps the row; interpolates the output rows that lie between it and the one before.
    fn enlarge(&mut self, pixels: impl Pixels, memory: Memory<'_>, emit: &mut impl FnMut(&[u8])) {
        let axis = Axis { input: self.in_height, output: self.out_height, cut: self.cut[1] };
        let row = self.taken;
        let current = (row & 1) as usize;
        let ([a, b], out) = (memory.rows, memory.out);
        let target = if current == 0 { &mut *a } else { &mut *b };
        pixels.across(out.len(), self.in_width, self.cut[0], |x, value| {
            if let Some(cell) = target.get_mut(x) {
                *cell = value;
            }
        });
        self.taken += 1;
        while self.next < self.out_height && (self.taken == self.in_height || axis.weight_ends(self.next, row)) {
            let now = axis.weight(self.next, row);
            let before = if row > 0 { axis.weight(self.next, row - 1) } else { 0 };
            let total = (now + before).max(1);
            let (here, above) = if current == 0 { (&*a, &*b) } else { (&*b, &*a) };
            for ((out, h), p) in out.iter_mut().zip(here).zip(above) {
                *out = divide(now * h + before * p, total);
            }
            self.next += 1;
            emit(out);
        }
    }
}

/// Pixels of an input row, in [`STEPS`] of a level.
trait Pixels {
    /// Resizes them to so many values; `put(x, value)` receives each.
    fn across(self, values: usize, in_width: u32, cut: u8, put: impl FnMut(usize, u32));
}

struct Gray<I>(I);

impl<I: Iterator<Item = u32> + Clone> Pixels for Gray<I> {
    #[inline(always)]
    fn across(self, values: usize, in_width: u32, cut: u8, put: impl FnMut(usize, u32)) {
        horizontal(values, in_width, cut, self.0, put);
    }
}

/// Three values a pixel, resized one by one.
struct Rgb<I>(I);

impl<I: Iterator<Item = [u32; 3]> + Clone> Pixels for Rgb<I> {
    fn across(self, values: usize, in_width: u32, cut: u8, mut put: impl FnMut(usize, u32)) {
        horizontal(values / 3, in_width, cut, self.0.clone().map(|[r, _, _]| r), |x, value| put(3 * x, value));
        horizontal(values / 3, in_width, cut, self.0.clone().map(|[_, g, _]| g), |x, value| put(3 * x + 1, value));
        horizontal(values / 3, in_width, cut, self.0.map(|[_, _, b]| b), |x, value| put(3 * x + 2, value));
    }
}

/// Resizes one row to `width` pixels; `put(x, value)` receives each output pixel in [`STEPS`] of a gray level.
#[inline(always)]
fn horizontal(width: usize, in_width: u32, cut: u8, pixels: impl Iterator<Item = u32> + Clone, mut put: impl FnMut(usize, u32)) {
    if in_width as usize == width {
        pixels.enumerate().for_each(|(x, value)| put(x, value));
        return;
    }
    let axis = Axis { input: in_width, output: width as u32, cut };
    let (radius, step) = (axis.radius(), 2 * width as i32);
    // `first` is the first input pixel with weight in output x; it never moves back.
    let (mut rest, mut first) = (pixels, 0u32);
    for x in 0..width {
        while axis.distance(x as u32, first) + radius <= 0 && first < in_width {
            rest.next();
            first += 1;
        }
        let (mut sum, mut total) = (0u32, 0u32);
        let mut distance = axis.distance(x as u32, first);
        for value in rest.clone() {
            let weight = radius - distance.abs();
            if weight <= 0 {
                break;
            }
            let share = axis.shorten(weight as u32);
            sum += share * value;
            total += share;
            distance += step;
        }
        put(x, (sum + total / 2) / total.max(1));
    }
}

#[inline(always)]
fn divide(sum: u32, total: u32) -> u8 {
    ((sum + total * (STEPS / 2)) / (total * STEPS).max(1)) as u8
}
