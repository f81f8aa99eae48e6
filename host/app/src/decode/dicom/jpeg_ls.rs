//! JPEG-LS (ITU-T T.87): lossless and near-lossless, of 2 to 16 bits, in all three interleavings.
//!
//! No crate decodes it in Rust alone without a DICOM tool kit around it, and CharLS needs a C++ compiler and does not
//! build for WebAssembly; hence this one, held to CharLS by the fixtures.

mod bits;
mod parameters;
mod scan;

use super::frame::frame;
use super::samples::{Data, Failure, Plan, Samples};
use parameters::Parameters;
use scan::Scan;

fn damaged(what: &str) -> Failure {
    Failure::Damaged(what.to_owned())
}

/// Reads the frame header.
pub(super) fn plan(stream: &[u8]) -> Result<Plan, Failure> {
    let frame = frame(stream).filter(|frame| frame.marker == 0xf7).ok_or_else(|| damaged("no frame header"))?;
    if !(2..=16).contains(&frame.precision) {
        return Err(Failure::Unsupported(format!("of {} bits", frame.precision)));
    }
    if frame.components.iter().any(|(_, h, v)| (*h, *v) != (1, 1)) {
        return Err(Failure::Unsupported("subsampled".to_owned()));
    }
    let mut plan = Plan {
        width: frame.width.into(),
        height: frame.height.into(),
        components: frame.components.len(),
        precision: frame.precision.into(),
        sample_bytes: 2,
        peak: 0,
    };
    plan.peak = plan.kept();
    Ok(plan)
}

/// Decodes all scans.
pub(super) fn decode(stream: &[u8], plan: &Plan) -> Result<Samples<'static>, Failure> {
    let frame = frame(stream).ok_or_else(|| damaged("no frame header"))?;
    let (width, height) = (plan.width as usize, plan.height as usize);
    let mut words = vec![0; width * height * plan.components];
    let mut presets = [0u16; 5];
    let mut restart = 0;
    let mut done = 0;
    let mut at = 2;
    while done < plan.components {
        let segment = |at: usize| {
            let &[0xff, marker, high, low] = stream.get(at..at + 4)? else { return None };
            let length = usize::from(u16::from_be_bytes([high, low]));
            Some((marker, stream.get(at + 4..at + 2 + length)?))
        };
        if stream.get(at..at + 2) == Some(&[0xff, 0xff]) {
            at += 1;
            continue;
        }
        let (marker, content) = segment(at).ok_or_else(|| damaged("it breaks off"))?;
        at += 4 + content.len();
        match (marker, content) {
            (0xf8, [1, values @ ..]) => {
                for (preset, pair) in presets.iter_mut().zip(values.chunks_exact(2)) {
                    *preset = u16::from_be_bytes([pair[0], pair[1]]);
                }
            }
            (0xf8, _) => return Err(Failure::Unsupported("with mapping tables".to_owned())),
            (0xe8, [b'm', b'r', b'f', b'x', kind, ..]) if *kind != 0 => {
                return Err(Failure::Unsupported("with a colour transform of its own".to_owned()));
            }
            (0xdd, bytes) => restart = bytes.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)),
            (0xda, [count, rest @ ..]) if rest.len() == 2 * usize::from(*count) + 3 => {
                let Some((named, &[near, interleave, shift])) = rest.split_last_chunk() else {
                    return Err(damaged("a scan header"));
                };
                let find = |id: u8| frame.components.iter().position(|component| component.0 == id);
                let members: Option<Vec<usize>> = named.chunks_exact(2).map(|pair| find(pair[0])).collect();
                let members = members.filter(|members| !members.is_empty() && members.len() + done <= plan.components);
                let members = members.ok_or_else(|| damaged("a scan of unknown components"))?;
                if members.len() > 1 && !matches!(interleave, 1 | 2) || shift > 15 {
                    return Err(damaged("a scan header"));
                }
                let parameters = Parameters::new(plan.precision, i32::from(near), presets).ok_or_else(|| damaged("presets"))?;
                done += members.len();
                let scan = Scan { width, height, members: &members, components: plan.components, parameters, restart };
                let put = &mut |i: usize, value: i32| words[i] = (value << shift) as u16;
                at += scan.decode(&stream[at..], interleave == 2, put).ok_or_else(|| damaged("it breaks off"))?;
            }
            _ => {}
        }
    }
    Ok(Samples { data: Data::Words(words), components: plan.components, planar: false, colour: None, signed: false })
}
