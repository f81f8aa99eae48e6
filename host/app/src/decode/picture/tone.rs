//! Tone curves: a picture that says how its values become light is shown as a viewer shows it.
//!
//! The classifier knows pictures whose values follow the usual display curve (gamma 2.2, sRGB). Values under another
//! curve, of a PNG's gAMA chunk or of an ICC profile, are brought to it.

use super::plane::Sample;

/// The exponent of the usual display curve.
const DISPLAY: f64 = 2.2;
/// A profile that moves no level by more of 255 is taken for the usual one: sRGB, Adobe RGB, gamma 2.0 to 2.4.
pub(super) const OF_PROFILES: f64 = 16.0;
/// The same for a number that stands in the file: 1/2.2 is written in several roundings.
pub(super) const OF_GAMMA: f64 = 2.0;

/// How stored values, 0 to 1, become light.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Curve {
    /// `light = value ^ gamma`.
    Gamma(f64),
    /// Parametric, ICC.1 10.18: function type and g, a, b, c, d, e, f.
    Parametric(u16, [f64; 7]),
    /// Light at equal steps of the value.
    Table(Vec<u16>),
}

impl Curve {
    /// Of a PNG's gAMA chunk: the exponent of the encoding.
    pub(super) fn of_gama(encoding: f64) -> Option<Self> {
        (encoding.is_finite() && encoding > 0.01 && encoding < 100.0).then(|| Self::Gamma(1.0 / encoding))
    }

    /// The gray or the red curve of an ICC profile; none where it has none or is damaged.
    fn of_icc(profile: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(profile.get(at..at + 4)?.try_into().ok()?));
        let count = word(128)?.min(200) as usize;
        let tags: Vec<usize> = (0..count).map(|k| 132 + 12 * k).collect();
        let find = |name: &[u8]| tags.iter().find(|at| profile.get(**at..**at + 4) == Some(name));
        let entry = find(b"kTRC").or_else(|| find(b"rTRC"))?;
        let at = word(entry + 4)? as usize;
        let half = |at: usize| Some(u16::from_be_bytes(profile.get(at..at + 2)?.try_into().ok()?));
        match profile.get(at..at + 4)? {
            b"curv" => match word(at + 8)? as usize {
                0 => Some(Self::Gamma(1.0)),
                1 => Some(Self::Gamma(f64::from(half(at + 12)?) / 256.0)),
                count @ 2..=65_536 => (0..count).map(|k| half(at + 12 + 2 * k)).collect::<Option<Vec<u16>>>().map(Self::Table),
                _ => None,
            },
            b"para" => {
                let function = half(at + 8)?;
                let used = *[1, 3, 4, 5, 7].get(usize::from(function))?;
                let mut p = [0.0; 7];
                for (k, p) in p.iter_mut().take(used).enumerate() {
                    *p = f64::from(word(at + 12 + 4 * k)? as i32) / 65_536.0;
                }
                Some(Self::Parametric(function, p))
            }
            _ => None,
        }
    }

    /// Light of a value, both 0 to 1.
    fn light(&self, x: f64) -> f64 {
        let light = match self {
            Self::Gamma(gamma) => x.powf(*gamma),
            Self::Parametric(function, [g, a, b, c, d, e, f]) => match function {
                0 => x.powf(*g),
                1 if x >= -b / a => (a * x + b).powf(*g),
                1 => 0.0,
                2 if x >= -b / a => (a * x + b).powf(*g) + c,
                2 => *c,
                3 if x >= *d => (a * x + b).powf(*g),
                3 => c * x,
                _ if x >= *d => (a * x + b).powf(*g) + e,
                _ => c * x + f,
            },
            Self::Table(steps) => {
                let at = x * (steps.len() - 1) as f64;
                let (low, part) = (at.floor() as usize, at.fract());
                let value = |k: usize| f64::from(steps[k.min(steps.len() - 1)]) / 65_535.0;
                value(low) * (1.0 - part) + value(low + 1) * part
            }
        };
        if light.is_finite() { light.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn shown(&self, x: f64) -> f64 {
        self.light(x).powf(1.0 / DISPLAY)
    }

    /// True where it moves a level by more than `negligible` of 255.
    pub(super) fn moves_by(&self, negligible: f64) -> bool {
        (0..256).any(|k| (self.shown(f64::from(k) / 255.0) * 255.0 - f64::from(k)).abs() > negligible)
    }

    /// The gray or red curve of a profile, where it is not the usual one.
    pub(super) fn unusual(profile: &[u8]) -> Option<Self> {
        Self::of_icc(profile).filter(|curve| curve.moves_by(OF_PROFILES))
    }

    /// The level shown for each value.
    pub(super) fn levels<T: Sample>(&self) -> Vec<T> {
        let white = f64::from(T::WHITE);
        (0..=T::WHITE).map(|k| T::narrow((self.shown(f64::from(k) / white) * white).round() as u32)).collect()
    }
}

/// The sentence of a picture to which a curve was applied.
pub(super) fn warning(source: &str) -> String {
    format!("its {source} has another gamma than the usual 2.2: its levels were brought to that")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ICC profile of one tag.
    fn profile(tag: &[u8; 4], curve: &[u8]) -> Vec<u8> {
        let mut icc = vec![0; 128];
        icc.extend(1u32.to_be_bytes());
        icc.extend(tag);
        icc.extend(144u32.to_be_bytes());
        icc.extend((curve.len() as u32).to_be_bytes());
        icc.extend(curve);
        icc
    }

    #[test]
    fn usual_curves_are_left_alone() {
        for (encoding, moved) in [(0.45455, false), (0.45, false), (0.4545, false), (0.5, true), (0.55556, true), (1.0, true)] {
            assert_eq!(Curve::of_gama(encoding).unwrap().moves_by(OF_GAMMA), moved, "{encoding}");
        }
        assert!(Curve::of_gama(0.0).is_none());
        // sRGB as a parametric curve of type 3.
        let words =
            [2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045].map(|x: f64| ((x * 65_536.0).round() as i32).to_be_bytes());
        let srgb = [&b"para\0\0\0\0\0\x03\0\0"[..], &words.concat()].concat();
        assert_eq!(Curve::unusual(&profile(b"rTRC", &srgb)), None);
        let linear = Curve::unusual(&profile(b"kTRC", b"curv\0\0\0\0\0\0\0\0")).unwrap();
        assert_eq!(linear, Curve::Gamma(1.0));
        let table = Curve::of_icc(&profile(b"kTRC", b"curv\0\0\0\0\0\0\0\x03\0\0\x80\0\xff\xff")).unwrap();
        assert_eq!(table.levels::<u8>()[..2], linear.levels::<u8>()[..2]);
        assert!(Curve::of_icc(&profile(b"kTRC", b"curv\0\0\0\0\0\0\0\x03\0\0")).is_none());
        assert!(Curve::of_icc(b"short").is_none());
    }

    #[test]
    fn linear_light_is_brightened() {
        let levels = Curve::Gamma(1.0).levels::<u8>();
        assert_eq!((levels[0], levels[55], levels[128], levels[255]), (0, 127, 186, 255));
        assert_eq!(Curve::Gamma(1.0).levels::<u16>().len(), 65_536);
    }
}
