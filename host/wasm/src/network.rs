//! Any network of `host import`: what it takes, what it answers, and where its time and memory go.

use crate::clock::now;
use anyhow::{Context, Result, bail, ensure};
use cxr_app::decode::Image;
use cxr_core::image::Window;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, Rgb, RgbImage};
use rownet_convert::execute;
use rownet_convert::inspect::inspect;
use rownet_convert::ir::Element;
use rownet_convert::metadata::{Port, element};
use rownet_convert::npy;
use rownet_convert::reference::{Data, Tensor};
use serde_json::{Value, json};

/// What a picture's levels, 0 to 255, become before they are quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// All bytes of the input, darkest to brightest.
    Bytes,
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Signed,
    /// 0 to 255.
    Levels,
}

/// Longest time for which a network is repeated to be timed, in milliseconds.
const PATIENCE: f64 = 400.0;
/// How coarse browsers make their clock, in milliseconds.
const COARSEST: f64 = 1.0;
/// Most inferences of a measurement.
const MOST_RUNS: u32 = 50;
/// Most memory that a picture's pixels may take, in bytes.
const PIXEL_BYTES: u64 = 512 << 20;
/// First bytes of a NumPy file.
const NPY: &[u8] = b"\x93NUMPY";

impl Values {
    /// The page's number for it.
    pub fn from_number(number: u32) -> Self {
        [Self::Bytes, Self::Unit, Self::Signed, Self::Levels].into_iter().nth(number as usize).unwrap_or(Self::Bytes)
    }

    /// What the range of an input's bytes speaks for.
    fn likely(port: &Port) -> Self {
        let (Some(scale), Some(zero)) = (port.scale, port.zero_point) else { return Self::Unit };
        let least = if port.element == Element::U8.to_string() { 0 } else { -128 };
        let [low, high] = [least, least + 255].map(|q| (q - zero) as f32 * scale);
        let is = |value: f32, wanted: f32, range: f32| (value - wanted).abs() < 0.1 * range;
        [(Self::Unit, 0.0, 1.0), (Self::Signed, -1.0, 1.0), (Self::Levels, 0.0, 255.0)]
            .into_iter()
            .find(|(_, from, to)| is(low, *from, *to) && is(high, *to, *to))
            .map_or(Self::Bytes, |(values, ..)| values)
    }

    fn of(self, level: u8) -> f32 {
        let level = f32::from(level);
        match self {
            Self::Bytes | Self::Levels => level,
            Self::Unit => level / 255.0,
            Self::Signed => level / 127.5 - 1.0,
        }
    }
}

/// A file that was checked.
pub struct Network(Vec<u8>);

impl Network {
    /// Checks a file.
    ///
    /// # Errors
    /// The file is damaged, or was not imported.
    pub fn new(file: Vec<u8>) -> Result<Self> {
        execute::Network::parse(&file).context("not a network that `host import` wrote")?;
        Ok(Self(file))
    }

    /// `host inspect --json`, and which [`Values`] its input speaks for.
    pub fn inspect(&self) -> Value {
        let Ok(network) = execute::Network::parse(&self.0) else { return Value::Null };
        let mut value = json!(inspect(&network));
        value["values"] = network.metadata.inputs.first().map_or(0, |port| Values::likely(port) as u32).into();
        value["bytes"] = self.0.len().into();
        value
    }
}

/// Outputs, and milliseconds of an inference and of each layer.
///
/// A layer's time is its share of the clock in inferences that are watched, times the time of one that is not. Browsers round
/// their clock, to as much as a millisecond: the shares of many inferences are those of a sampling profiler.
///
/// # Errors
/// A file that is neither a picture nor an array; an input of another shape or type; a fault of the engine.
pub fn run(network: Option<&Network>, bytes: &[u8], values: Values) -> Result<Value> {
    let Network(file) = network.context("there is no network: drop one first")?;
    let network = execute::Network::parse(file)?;
    let port = network.metadata.inputs.first().context("the file names no input; import the network again")?;
    let input = if bytes.starts_with(NPY) { npy::read(bytes)? } else { picture(&network, port, bytes, values)? };
    let outputs = network.run(&input)?;
    let first = rownet_convert::samples::sample(&input, 0);

    let (milliseconds, runs) = timed(&network, &first)?;
    let layers = shares(&network, &first, runs)?.into_iter().map(|share| share * milliseconds).collect::<Vec<_>>();
    let named = network.metadata.outputs.iter().zip(&outputs);
    let outputs: Vec<Value> = named.map(|(port, tensor)| output(port, tensor)).collect();
    Ok(json!({ "outputs": outputs, "milliseconds": milliseconds, "runs": runs, "layers": layers }))
}

/// Milliseconds of an inference, and how many were run.
fn timed(network: &execute::Network<'_>, input: &Tensor) -> Result<(f64, u32)> {
    let (mut least, mut runs, begun) = (f64::INFINITY, 0u32, now());
    while runs == 0 || (now() - begun < PATIENCE && runs < MOST_RUNS) {
        let started = now();
        network.run(input)?;
        least = least.min(now() - started);
        runs += 1;
    }
    // The least is of a run that nothing else disturbed; of one that the clock can hardly see, the mean says more.
    Ok((if least > 20.0 * COARSEST { least } else { (now() - begun) / f64::from(runs) }, runs))
}

/// Each layer's share of the time, from up to `runs` watched inferences; those that something else disturbed do not count.
fn shares(network: &execute::Network<'_>, input: &Tensor, runs: u32) -> Result<Vec<f64>> {
    let (mut all, begun) = (Vec::new(), now());
    while all.is_empty() || (now() - begun < PATIENCE && all.len() < runs as usize) {
        let mut spent = vec![0.0; network.model.operator_count()];
        let started = now();
        let mut last = started;
        network.observe(input, &mut |value, _, _| {
            let time = now();
            if let Some(spent) = usize::from(value).checked_sub(1).and_then(|layer| spent.get_mut(layer)) {
                *spent += time - last;
            }
            last = time;
        })?;
        all.push((now() - started, spent));
    }
    let least = all.iter().map(|(time, _)| *time).fold(f64::INFINITY, f64::min);
    all.retain(|(time, _)| *time <= 1.25 * least + COARSEST);
    let sums: Vec<f64> = (0..network.model.operator_count()).map(|i| all.iter().map(|(_, spent)| spent[i]).sum()).collect();
    let total = sums.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    Ok(sums.into_iter().map(|sum| sum / total).collect())
}

fn output(port: &Port, tensor: &Tensor) -> Value {
    let values = match &tensor.data {
        Data::I8(data) => json!(data),
        Data::U8(data) => json!(data),
        Data::F32(data) => json!(data),
    };
    json!({
        "name": port.name, "shape": tensor.shape, "type": tensor.data.element().to_string(),
        "scale": port.scale, "zero_point": port.zero_point, "values": values,
    })
}

/// A picture as the network's input: stretched to its size, gray or colour as it has channels.
fn picture(network: &execute::Network<'_>, port: &Port, bytes: &[u8], values: Values) -> Result<Tensor> {
    let shape = network.model.shape(0);
    let (height, width, channels) = (u32::from(shape.height), u32::from(shape.width), usize::from(shape.channels));
    ensure!(
        matches!(channels, 1 | 3) && width > 1 && height > 1,
        "the network takes {height} x {width} x {channels}, which is no picture: drop a .npy file of {:?}",
        port.shape
    );
    let image = Image::decode_within(bytes, "image", PIXEL_BYTES)?;
    let pixels = resize(&eight_bits(&image), width, height, FilterType::Triangle);
    let levels: Vec<u8> = match channels {
        3 => pixels.into_raw(),
        _ => DynamicImage::ImageRgb8(pixels).into_luma8().into_raw(),
    };
    let data = match element(&port.element)? {
        Element::F32 => Data::F32(levels.iter().map(|level| values.of(*level)).collect()),
        Element::U8 => Data::U8(levels.iter().map(|level| quantized(port, values, *level, 0) as u8).collect()),
        Element::I8 => Data::I8(levels.iter().map(|level| quantized(port, values, *level, -128) as i8).collect()),
        #[allow(unreachable_patterns)]
        other => bail!("an input of {other} takes no picture: drop a .npy file"),
    };
    Ok(Tensor { shape: port.shape.clone(), data })
}

/// The byte that stands for a level, in a type whose least value is `least`.
fn quantized(port: &Port, values: Values, level: u8, least: i32) -> i32 {
    match (values, port.scale, port.zero_point) {
        (Values::Bytes, ..) | (_, None, _) | (.., None) => i32::from(level) + least,
        (_, Some(scale), Some(zero)) => {
            ((values.of(level) / scale).round() as i32).saturating_add(zero).clamp(least, least + 255)
        }
    }
}

/// The picture in 8 bits a sample, seen through its window.
fn eight_bits(image: &Image<'_>) -> RgbImage {
    let (pixels, Window { low, high, invert }) = image.raw();
    if image.bits() == 8 {
        return pixels.to_rgb8();
    }
    let (low, span) = (low as f32, (high as f32 - low as f32).max(1.0));
    let level = |sample: u16| {
        let share = ((f32::from(sample) - low) / span).clamp(0.0, 1.0);
        (255.0 * if invert { 1.0 - share } else { share }).round() as u8
    };
    let wide = pixels.to_rgb16();
    RgbImage::from_fn(wide.width(), wide.height(), |x, y| Rgb(wide.get_pixel(x, y).0.map(level)))
}
