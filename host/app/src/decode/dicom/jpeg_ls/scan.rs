//! One scan of JPEG-LS: contexts, runs and Golomb codes (T.87, annex A).

use super::bits::Bits;
use super::parameters::Parameters;

/// Order of run lengths (T.87, A.2.1).
const J: [u32; 32] = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

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
