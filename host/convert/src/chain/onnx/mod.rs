//! ONNX: the interchange files ([`float`], [`int8`]) and the referee that runs them ([`run`]).
//!
//! Both files have the input `image`, NCHW `[1, channels, height, width]`, and the output `logits` `[1, classes]`.
//! Every layer's output is a named value ([`crate::chain::float_model::layer_name`]), the same name in both files.

pub mod float;
mod graph;
pub mod int8;
pub mod run;

/// Name of the graph input.
pub const INPUT: &str = "image";
/// Name of the graph output.
pub const OUTPUT: &str = "logits";

/// OHWI to OIHW.
fn to_oihw<T: Copy>(weight: &[T], kernel: usize, channels: usize) -> Vec<T> {
    let area = kernel * kernel;
    weight
        .chunks_exact(area * channels)
        .flat_map(|filter| (0..channels).flat_map(move |c| (0..area).map(move |p| filter[p * channels + c])))
        .collect()
}

/// `[class][y][x][channel]` to `[class][channel][y][x]`: the order in which ONNX flattens NCHW.
fn to_chw<T: Copy>(weight: &[T], input: [usize; 3]) -> Vec<T> {
    let [height, width, channels] = input;
    let area = height * width;
    weight
        .chunks_exact(area * channels)
        .flat_map(|class| (0..channels).flat_map(move |c| (0..area).map(move |p| class[p * channels + c])))
        .collect()
}

/// What a file says of its network.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    /// What it is, in a few words.
    pub title: &'a str,
    /// What it is not for: a sentence.
    pub notice: &'a str,
    /// Names of the classes, in the order of the logits.
    pub classes: &'a [&'a str],
}

impl About<'_> {
    fn properties(&self, input: &str) -> Vec<(&'static str, String)> {
        vec![("classes", self.classes.join("|")), ("input", input.to_owned()), ("notice", self.notice.to_owned())]
    }
}
