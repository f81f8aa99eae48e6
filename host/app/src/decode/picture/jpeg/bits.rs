//! Entropy-coded bits of a JPEG and its Huffman tables.

/// Bits between two markers, stuffed bytes taken out.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Next byte to read.
    at: usize,
    window: u64,
    count: u32,
    /// Zeros that were given for bits that are not there.
    invented: u32,
}

impl<'a> Bits<'a> {
    /// From `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, window: 0, count: 0, invented: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(byte), _) if *byte != 0xff => {
                    self.at += 1;
                    *byte
                }
                _ => {
                    self.invented += 8;
                    0
                }
            };
            self.window = (self.window << 8) | u64::from(byte);
            self.count += 8;
        }
    }

    /// The next `n` bits, at most 16, without taking them.
    fn peek(&mut self, n: u32) -> u32 {
        if self.count < n {
            self.fill();
        }
        ((self.window >> (self.count - n)) & ((1 << n) - 1)) as u32
    }

    /// Takes `n` bits, at most 16.
    pub(super) fn take(&mut self, n: u32) -> u32 {
        let value = self.peek(n);
        self.count -= n;
        value
    }

    /// True where bits were taken that are not there.
    pub(super) fn is_overrun(&self) -> bool {
        self.count < self.invented
    }

    /// Whole bytes that were not taken; where the marker after them stands, or the end.
    pub(super) fn rest(&self) -> (usize, usize) {
        let (mut end, mut stray) = (self.at, (self.count.saturating_sub(self.invented) / 8) as usize);
        // On to a marker; fill bytes before it are no rest.
        while end < self.bytes.len() {
            match (self.bytes[end], self.bytes.get(end + 1)) {
                (0xff, Some(0)) => end += 2,
                (0xff, Some(0xff)) => {
                    end += 1;
                    continue;
                }
                (0xff, Some(_)) => break,
                _ => end += 1,
            }
            stray += 1;
        }
        (stray, end)
    }

    /// A difference or coefficient of `category` bits: ITU-T T.81, F.2.2.1.
    pub(super) fn extended(&mut self, category: u32) -> i32 {
        if category == 0 {
            return 0;
        }
        let value = self.take(category) as i32;
        if value < 1 << (category - 1) { value - (1 << category) + 1 } else { value }
    }
}

/// Bits that one look decides.
const FAST: u32 = 9;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Huffman {
    /// Length and symbol by the next bits; length 0 where the code is longer.
    fast: Box<[(u8, u8); 1 << FAST]>,
    /// One above the largest code of each length, aligned to 16 bits; the symbol's index less the code.
    above: [u32; 17],
    delta: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Of the counts of each length and the symbols; none where the codes do not fit.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self { fast: Box::new([(0, 0); 1 << FAST]), above: [0; 17], delta: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.delta[length as usize] = index as i32 - code as i32;
            if code + count > 1 << length {
                return None;
            }
            for _ in 0..count {
                let symbol = *symbols.get(index)?;
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    table.fast[first..first + (1 << (FAST - length))].fill((length as u8, symbol));
                }
                (code, index) = (code + 1, index + 1);
            }
            table.above[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// The next symbol; none for bits that are no code.
    pub(super) fn decode(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let look = bits.peek(16);
        let (length, symbol) = self.fast[(look >> (16 - FAST)) as usize];
        if length > 0 {
            bits.take(length.into());
            return Some(symbol);
        }
        let length = (FAST + 1..=16).find(|length| look < self.above[*length as usize])?;
        let code = bits.take(length) as i32;
        self.symbols.get((code + self.delta[length as usize]) as usize).copied()
    }
}
