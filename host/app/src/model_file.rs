//! A .cxr file in memory, and `core` run on whole images.

use crate::files;
use crate::lungs::{Finder, Frame};
use anyhow::{Context, Result, ensure};
use cxr_core::explain;
use cxr_core::format::{Model, Op};
use cxr_core::kernels::Kernel;
use cxr_core::prepared::{Index, Prepared};
use cxr_core::session::{AbstainReason, Decision, Session};
use std::borrow::Cow;
use std::path::Path;

/// A checked model file.
pub struct ModelFile {
    /// Name for messages.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    bytes: Vec<u8>,
    /// Filters as the kernel wants them, packed once.
    packed: Vec<u8>,
    index: Index,
    finder: Option<Finder>,
}

/// What `core` answers for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Logits.
    pub logits: Vec<f32>,
    /// Calibrated probabilities.
    pub probabilities: Vec<f32>,
    /// The class, unless withheld.
    pub class: Option<usize>,
    /// Why the verdict is withheld.
    pub reason: Option<String>,
    /// How unlike the training images the picture is, where the model can tell.
    pub refusal_score: Option<f32>,
    /// How far the image is from the training images, if the model can tell.
    pub distance: Option<f32>,
    /// What of the picture the network saw.
    pub frame: Frame,
}

/// What a class's logit consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Rows and columns of `cells`.
    pub size: [usize; 2],
    /// Logits that each cell adds, rows from top to bottom.
    pub cells: Vec<f32>,
    /// Logits that no cell adds.
    pub bias: f32,
}

/// Every value of the network for an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// i8 layers, NHWC, in order; the dense layer is absent.
    pub layers: Vec<Vec<i8>>,
    /// Accumulators of the dense layer, with bias.
    pub accumulators: Vec<i32>,
    /// Logits.
    pub logits: Vec<f32>,
}

impl ModelFile {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::new(files::read(path)?, &path.display().to_string())
    }

    /// Checks bytes, called `name` in messages.
    pub fn new(bytes: Vec<u8>, name: &str) -> Result<Self> {
        let model = Model::parse(&bytes).with_context(|| format!("{name}: not a usable model; export it again"))?;
        let finder = Finder::of(model.metadata(), name)?;
        let kernel = Kernel::best();
        let mut packed = vec![0; Prepared::blocks_bytes(&model, &kernel)];
        let index = Prepared::blocks(&model, kernel, &mut packed)?.index();
        Ok(Self { name: name.to_owned(), sha256: files::sha256(&bytes), bytes, packed, index, finder })
    }

    /// The parsed model, ready to run.
    pub fn engine(&self) -> Result<Engine<'_>> {
        let model = Model::parse(&self.bytes)?;
        Ok(Engine { model, prepared: Prepared::resume(&model, self.index, &self.packed)?, finder: self.finder })
    }

    /// The file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Size of the file in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never true: an empty file does not parse.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// `core` on a parsed model, with its filters packed for this processor; threads share both.
#[derive(Clone, Copy)]
pub struct Engine<'m> {
    /// The model.
    pub model: Model<'m>,
    /// Its filters.
    pub prepared: Prepared<'m>,
    /// Cuts pictures to the lungs, where the network was trained on such.
    pub finder: Option<Finder>,
}

impl Engine<'_> {
    /// Input height, width and channels.
    pub fn input(&self) -> [usize; 3] {
        [self.model.input().height, self.model.input().width, self.model.input().channels].map(usize::from)
    }

    /// What the network sees of a picture, gray levels of the input's size: the box of its lungs, or all of it.
    pub fn framed<'g>(&self, gray: &'g [u8]) -> Result<(Cow<'g, [u8]>, Frame)> {
        let Some(finder) = &self.finder else { return Ok((gray.into(), Frame::Whole)) };
        let (cut, frame) = finder.cut(gray)?;
        Ok((cut.into(), frame))
    }

    /// Classifies an image: gray (`width * height` bytes) or, by a network that takes whole pictures, interleaved (`* channels`).
    pub fn classify(&self, image: &[u8]) -> Result<Answer> {
        let mut arena = vec![0; self.prepared.arena_bytes(&self.model)];
        let mut session = Session::new(&self.model, &mut arena)?.with_prepared(&self.prepared)?;
        self.answer(&mut session, image)
    }

    /// [`classify`](Self::classify), and what each logit consists of, one map a class.
    pub fn explain(&self, image: &[u8]) -> Result<(Answer, Vec<Map>)> {
        let model = self.model;
        let mut arena = vec![0; self.prepared.arena_bytes(&model)];
        let mut maps = vec![0; explain::map_len(&model)];
        let answer =
            self.answer(&mut Session::new(&model, &mut arena)?.with_prepared(&self.prepared)?.with_map(&mut maps)?, image)?;
        let shape = explain::map_shape(&model);
        let size = [shape.height, shape.width].map(usize::from);
        let map = |class: usize| {
            let scale = explain::scale(&model, class);
            let cells = explain::class_map(&model, &maps, class).iter().map(|cell| *cell as f32 * scale).collect();
            Map { size, cells, bias: explain::bias(&model, class) as f32 * scale }
        };
        Ok((answer, (0..model.class_count()).map(map).collect()))
    }

    fn answer(&self, session: &mut Session<'_, '_>, image: &[u8]) -> Result<Answer> {
        let (image, frame) = self.framed(image)?;
        let input = self.model.input();
        let (width, rows) = (usize::from(input.width), usize::from(input.height));
        if image.len() == width * rows {
            for row in image.chunks_exact(width) {
                session.push_gray_row(row)?;
            }
        } else {
            ensure!(image.len() == input.len(), "image of {} bytes for an input of {}", image.len(), input.len());
            for row in image.chunks_exact(input.row_len()) {
                session.push_row(row)?;
            }
        }
        let verdict = session.finish()?;
        let (class, reason) = match verdict.decision() {
            Decision::Class(class) => (Some(class), None),
            Decision::Abstain(AbstainReason::LowConfidence) => (None, Some("low_confidence".to_owned())),
            Decision::Abstain(AbstainReason::OutOfDistribution) => (None, Some("out_of_distribution".to_owned())),
            Decision::Abstain(AbstainReason::DoubtfulClass) => (None, Some("doubtful_class".to_owned())),
            Decision::Abstain(reason) => (None, Some(format!("{reason:?}"))),
        };
        Ok(Answer {
            logits: verdict.logits().to_vec(),
            probabilities: verdict.probabilities().to_vec(),
            class,
            reason,
            refusal_score: verdict.refusal_score(),
            distance: verdict.distance(),
            frame,
        })
    }

    /// The sum of each channel of a feature map of a gray picture over its cells: `back` layers stand between the map and the dense one.
    pub fn features(&self, gray: &[u8], back: usize) -> Result<Vec<i32>> {
        let summed = self.model.layer_count().checked_sub(2 + back).context("the model has no such feature map")?;
        let map = self.model.layer(summed).context("the model has no such feature map")?;
        let channels = usize::from(map.output.channels);
        let mut arena = vec![0; self.prepared.arena_bytes(&self.model)];
        let mut session = Session::new(&self.model, &mut arena)?.with_prepared(&self.prepared)?;
        let mut sums = vec![0; channels];
        let image = replicate(&self.framed(gray)?.0, self.input()[2]);
        for row in image.chunks_exact(self.model.input().row_len()) {
            session.push_row_observed(row, &mut |layer, _row, values| {
                if layer == summed {
                    values.iter().enumerate().for_each(|(i, value)| sums[i % channels] += i32::from(*value));
                }
            })?;
        }
        Ok(sums)
    }

    /// Runs an interleaved image as it is and returns every layer's bytes.
    pub fn observe(&self, image: &[u8]) -> Result<Observed> {
        let model = self.model;
        let mut arena = vec![0; self.prepared.arena_bytes(&model)];
        let mut session = Session::new(&model, &mut arena)?.with_prepared(&self.prepared)?;
        let mut observed = Observed::default();
        for layer in (0..model.layer_count()).filter_map(|i| model.layer(i)) {
            if layer.op != Op::Dense {
                observed.layers.push(Vec::with_capacity(layer.output.len()));
            }
        }
        ensure!(image.len() == model.input().len(), "image of {} bytes for an input of {}", image.len(), model.input().len());
        for row in image.chunks_exact(model.input().row_len()) {
            session.push_row_observed(row, &mut |layer, _row, values| {
                if let Some(plane) = observed.layers.get_mut(layer) {
                    plane.extend_from_slice(values);
                }
            })?;
        }
        let verdict = session.finish()?;
        observed.accumulators = verdict.accumulators().to_vec();
        observed.logits = verdict.logits().to_vec();
        Ok(observed)
    }
}

/// Gray replicated to `channels` interleaved channels.
pub fn replicate(gray: &[u8], channels: usize) -> Vec<u8> {
    gray.iter().flat_map(|&pixel| std::iter::repeat_n(pixel, channels)).collect()
}
