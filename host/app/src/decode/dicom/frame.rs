//! The frame header of a stream of JPEG or JPEG-LS.

/// A frame header: marker, bits, height, width and the identifier and sampling of each component.
pub(super) struct Frame {
    pub(super) marker: u8,
    pub(super) precision: u8,
    pub(super) height: u16,
    pub(super) width: u16,
    /// Identifier, horizontal and vertical sampling.
    pub(super) components: Vec<(u8, u8, u8)>,
}

/// The first frame header of a stream of T.81 or T.87.
pub(super) fn frame(stream: &[u8]) -> Option<Frame> {
    let mut at = 2;
    loop {
        let &[mark, marker, high, low] = stream.get(at..at + 4)? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        match marker {
            // Fill, or bytes between segments.
            _ if mark != 0xff || marker == 0xff => at += 1,
            // A scan without a frame.
            0xda => return None,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7 => {
                let segment = stream.get(at + 4..at + 2 + length)?;
                let (&[precision, y1, y0, x1, x0, count], rest) = segment.split_first_chunk()?;
                let component = |c: &[u8]| (c[0], c[1] >> 4, c[1] & 15);
                let components: Vec<_> = rest.chunks_exact(3).take(usize::from(count)).map(component).collect();
                let (height, width) = (u16::from_be_bytes([y1, y0]), u16::from_be_bytes([x1, x0]));
                return (components.len() == usize::from(count)).then_some(Frame {
                    marker,
                    precision,
                    height,
                    width,
                    components,
                });
            }
            _ => at += 2 + length.max(2),
        }
    }
}
