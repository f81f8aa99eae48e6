//! One scan of JPEG-LS: contexts, runs and Golomb codes (T.87, annex A).

/// Order of run lengths (T.87, A.2.1).
const J: [u32; 32] = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Coding parameters.
#[derive(Clone, Copy)]
pub(super) struct Parameters {
    max: i32,
    near: i32,
    thresholds: [i32; 3],
    reset: i32,
    range: i32,
    /// Bits of a mapped error, and of the longest code.
    error_bits: u32,
    limit: u32,
}

impl Parameters {
    /// From the precision and the preset parameters, of which 0 means the default (T.87, C.2.4.1.1).
    pub(super) fn new(precision: u32, near: i32, presets: [u16; 5]) -> Option<Self> {
        let [max, t1, t2, t3, reset] = presets.map(i32::from);
        let max = if max == 0 { (1 << precision) - 1 } else { max };
        if near > 255.min(max / 2) || max >= 1 << precision {
            return None;
        }
        let clamp = |value: i32, least: i32| if value > max || value < least { least } else { value };
        let default = |factors: [i32; 3], near_factor: i32, least: i32| {
            let [basic, least_basic, _] = factors;
            let value = if max >= 128 {
                let factor = (max.min(4095) + 128) / 256;
                factor * (basic - least_basic) + least_basic + near_factor * near
            } else {
                let factor = 256 / (max + 1);
                least_basic.max(basic / factor + near_factor * near)
            };
            clamp(value, least)
        };
        let t1 = if t1 == 0 { default([3, 2, 0], 3, near + 1) } else { t1 };
        let t2 = if t2 == 0 { default([7, 3, 0], 5, t1) } else { t2 };
        let t3 = if t3 == 0 { default([21, 4, 0], 7, t2) } else { t3 };
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let bits = |count: i32| i32::BITS - (count - 1).leading_zeros();
        let pixel_bits = bits(max + 1).max(2);
        Some(Self {
            max,
            near,
            thresholds: [t1, t2, t3],
            reset: if reset == 0 { 64 } else { reset },
            range,
            error_bits: bits(range),
            limit: 2 * (pixel_bits + pixel_bits.max(8)),
        })
    }
}

/// The extent of a scan.
pub(super) struct Scan<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The components coded in it.
    pub(super) members: &'a [usize],
    /// Components of the frame.
    pub(super) components: usize,
    pub(super) parameters: Parameters,
    /// Lines between restarts; 0 for none.
    pub(super) restart: usize,
}

/// Statistics of a context.
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

struct Decoder<'a> {
    parameters: Parameters,
    contexts: [Context; 365],
    /// By the kind of interruption; `b` counts negative errors.
    runs: [Context; 2],
    bits: Bits<'a>,
}

impl Scan<'_> {
    /// Decodes and gives `put` each sample with its place among the frame's; returns the bytes used.
    pub(super) fn decode(&self, stream: &[u8], by_sample: bool, put: &mut dyn FnMut(usize, i32)) -> Option<usize> {
        let mut decoder = Decoder::new(self.parameters, Bits::new(stream));
        let count = self.members.len();
        // Two lines of each component, with one sample more on either side.
        let side = self.width + 2;
        let mut above = vec![vec![0; side]; count];
        let mut line = above.clone();
        let mut run = vec![0; count];
        for y in 0..self.height {
            if self.restart > 0 && y > 0 && y.is_multiple_of(self.restart) {
                let bits = decoder.bits.after_restart()?;
                decoder = Decoder::new(self.parameters, bits);
                above.iter_mut().flatten().for_each(|sample| *sample = 0);
                run.fill(0);
            }
            for k in 0..count {
                above[k][side - 1] = above[k][side - 2];
                line[k][0] = above[k][1];
            }
            if by_sample {
                decoder.line(&above, &mut line, &mut run[0])?;
            } else {
                for k in 0..count {
                    decoder.line(&above[k..=k], &mut line[k..=k], &mut run[k])?;
                }
            }
            for (samples, member) in line.iter().zip(self.members) {
                for (x, sample) in samples[1..=self.width].iter().enumerate() {
                    put((y * self.width + x) * self.components + member, *sample);
                }
            }
            std::mem::swap(&mut above, &mut line);
        }
        Some(decoder.bits.end())
    }
}

impl<'a> Decoder<'a> {
    fn new(parameters: Parameters, bits: Bits<'a>) -> Self {
        let fresh = Context { a: ((parameters.range + 32) / 64).max(2), b: 0, c: 0, n: 1 };
        Self { parameters, contexts: [fresh; 365], runs: [fresh; 2], bits }
    }

    /// One line of the components that are coded sample by sample.
    fn line(&mut self, above: &[Vec<i32>], line: &mut [Vec<i32>], run: &mut usize) -> Option<()> {
        let width = line[0].len() - 2;
        let mut x = 1;
        while x <= width {
            if (0..line.len()).all(|k| self.context(&above[k], &line[k], x) == 0) {
                x = self.run(above, line, run, x)?;
                continue;
            }
            for (above, line) in above.iter().zip(line.iter_mut()) {
                let context = self.context(above, line, x);
                line[x] = self.regular(context, line[x - 1], above[x], above[x - 1])?;
            }
            x += 1;
        }
        Some(())
    }

    /// The gradients around a sample as the number of a context, negative where mirrored.
    fn context(&self, above: &[i32], line: &[i32], x: usize) -> i32 {
        let (a, b, c, d) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
        81 * self.level(d - b) + 9 * self.level(b - c) + self.level(c - a)
    }

    /// A gradient in nine steps.
    fn level(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.parameters.thresholds;
        let size = gradient.abs();
        let step = if size <= self.parameters.near {
            0
        } else if size < t1 {
            1
        } else if size < t2 {
            2
        } else if size < t3 {
            3
        } else {
            4
        };
        step * gradient.signum()
    }

    fn regular(&mut self, context: i32, a: i32, b: i32, c: i32) -> Option<i32> {
        let p = self.parameters;
        let sign = if context < 0 { -1 } else { 1 };
        let state = self.contexts.get_mut(context.unsigned_abs() as usize)?;
        let predicted = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let predicted = (predicted + sign * state.c).clamp(0, p.max);
        let k = order(state.n, state.a)?;
        let mapped = self.bits.golomb(k, p.limit, p.error_bits)?;
        let half = (mapped >> 1) as i32;
        let inverted = p.near == 0 && k == 0 && 2 * state.b <= -state.n;
        let error = match (inverted, mapped & 1 == 0) {
            (false, true) | (true, false) => half,
            (false, false) | (true, true) => -half - 1,
        };
        state.b += error * (2 * p.near + 1);
        state.a += error.abs();
        if state.n == p.reset {
            state.a >>= 1;
            state.b >>= 1;
            state.n >>= 1;
        }
        state.n += 1;
        if state.b <= -state.n {
            state.b = (state.b + state.n).max(1 - state.n);
            state.c = (state.c - 1).max(-128);
        } else if state.b > 0 {
            state.b = (state.b - state.n).min(0);
            state.c = (state.c + 1).min(127);
        }
        Some(self.rebuild(predicted, sign * error))
    }

    fn rebuild(&self, predicted: i32, error: i32) -> i32 {
        let p = self.parameters;
        let step = 2 * p.near + 1;
        let value = predicted + error * step;
        let value = if value < -p.near {
            value + p.range * step
        } else if value > p.max + p.near {
            value - p.range * step
        } else {
            value
        };
        value.clamp(0, p.max)
    }

    /// A run from `x` and what interrupts it; returns the next place.
    fn run(&mut self, above: &[Vec<i32>], line: &mut [Vec<i32>], run: &mut usize, start: usize) -> Option<usize> {
        let width = line[0].len() - 2;
        let mut x = start;
        let mut interrupted = false;
        while x <= width {
            let order = J[*run];
            let length = if self.bits.take(1)? == 1 {
                let length = (1 << order).min(width + 1 - x);
                if length == 1 << order {
                    *run = (*run + 1).min(31);
                }
                length
            } else {
                interrupted = true;
                self.bits.take(order)? as usize
            };
            if length > width + 1 - x {
                return None;
            }
            for samples in line.iter_mut() {
                let value = samples[start - 1];
                samples[x..x + length].fill(value);
            }
            x += length;
            if interrupted {
                break;
            }
        }
        if !interrupted {
            return Some(x);
        }
        if x > width {
            return None;
        }
        let single = line.len() == 1;
        for k in 0..line.len() {
            let (a, b) = (line[k][start - 1], above[k][x]);
            // Of samples of several components each error is taken as one against the line above.
            let same = single && (a - b).abs() <= self.parameters.near;
            let error = self.interruption(usize::from(same), *run)?;
            let sign = if !same && a > b { -1 } else { 1 };
            line[k][x] = self.rebuild(if same { a } else { b }, sign * error);
        }
        *run = run.saturating_sub(1);
        Some(x + 1)
    }

    fn interruption(&mut self, kind: usize, run: usize) -> Option<i32> {
        let p = self.parameters;
        let state = &mut self.runs[kind];
        let k = order(state.n, if kind == 1 { state.a + (state.n >> 1) } else { state.a })?;
        let mapped = self.bits.golomb(k, p.limit - J[run] - 1, p.error_bits)?;
        let code = mapped + kind as u32;
        let odd = code & 1;
        let size = code.div_ceil(2) as i32;
        let negative = (k != 0 || 2 * state.b >= state.n) == (odd == 1);
        let error = if negative { -size } else { size };
        state.b += i32::from(error < 0);
        state.a += ((mapped + 1 - kind as u32) >> 1) as i32;
        if state.n == p.reset {
            state.a >>= 1;
            state.b >>= 1;
            state.n >>= 1;
        }
        state.n += 1;
        Some(error)
    }
}

/// The order of a Golomb code; `None` where statistics have gone beyond all sense.
fn order(n: i32, a: i32) -> Option<u32> {
    (0..=24).find(|k| i64::from(n) << k >= i64::from(a))
}

/// Bits of a scan: after a byte 255 the next has seven (T.87, A.1).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    /// The last byte taken was 255.
    marked: bool,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, held: 0, count: 0, marked: false }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let width = if self.marked { 7 } else { 8 };
            if self.marked && byte & 0x80 != 0 {
                return;
            }
            // A marker begins.
            if byte == 0xff && self.bytes.get(self.at + 1).is_none_or(|next| next & 0x80 != 0) {
                return;
            }
            self.held = self.held << width | u64::from(byte);
            self.count += width;
            self.marked = byte == 0xff;
            self.at += 1;
        }
    }

    fn take(&mut self, width: u32) -> Option<u32> {
        if self.count < width {
            self.fill();
        }
        self.count = self.count.checked_sub(width)?;
        Some((self.held >> self.count) as u32 & ((1u64 << width) - 1) as u32)
    }

    /// A limited Golomb code (T.87, A.5.3).
    fn golomb(&mut self, k: u32, limit: u32, error_bits: u32) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > limit {
                return None;
            }
        }
        if zeros < limit.checked_sub(error_bits + 1)? {
            Some((zeros << k) | self.take(k)?)
        } else {
            Some(self.take(error_bits)? + 1)
        }
    }

    /// The place of the marker after the scan.
    fn end(&self) -> usize {
        let marker = |at: &usize| matches!(self.bytes.get(*at..*at + 2), Some([0xff, next]) if next & 0x80 != 0);
        // Bytes in hand may reach past the last code, but never past a marker.
        (self.at.saturating_sub(1)..self.bytes.len()).find(marker).unwrap_or(self.bytes.len())
    }

    /// What follows the next restart marker.
    fn after_restart(&self) -> Option<Self> {
        let end = self.end();
        matches!(self.bytes.get(end..end + 2), Some([0xff, 0xd0..=0xd7])).then(|| Self { at: end + 2, ..Self::new(self.bytes) })
    }
}
