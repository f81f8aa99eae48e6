//! An answer with all that the page shows beside it: the same JSON from the server and in the browser.

use crate::decode::{Image, Samples, Thumbnail};
use crate::model_file::{Engine, Map};
use crate::prediction::{Prediction, Source};
use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cxr_core::image::Window;
use serde_json::{Value, json};

/// Largest preview, in pixels a side.
pub const MAX_PREVIEW: u32 = 1024;

/// Classifies the image in `bytes`, called `name`: its prediction, the map of each class and a preview of at most `preview`
/// pixels a side. Decoding has at most `max_bytes` alive at once; `milliseconds` is left 0, since a browser has its own clock.
///
/// # Errors
/// As [`Image::decode_within`]; a network without a resizer for its width.
pub fn classify(engine: Engine<'_>, source: &Source, name: &str, bytes: &[u8], preview: u32, max_bytes: u64) -> Result<Value> {
    let image = Image::decode_within(bytes, name, max_bytes)?;
    let [height, width, _] = engine.input();
    let (answer, maps) = engine.explain(&image.gray(width, height)?)?;
    let prediction = Prediction::new(name, bytes, &image, answer);
    Ok(json(&prediction, source, &image, Some(&maps), Some(preview.min(MAX_PREVIEW))))
}

/// A prediction, what its file is, and what was asked for beside it.
pub(crate) fn json(
    prediction: &Prediction,
    source: &Source,
    image: &Image<'_>,
    maps: Option<&[Map]>,
    preview: Option<u32>,
) -> Value {
    let mut json = prediction.to_json(source);
    let (columns, rows) = image.dimensions();
    json["width"] = columns.into();
    json["height"] = rows.into();
    json["format"] = image.format().into();
    json["bits"] = image.bits().into();
    json["version"] = env!("CARGO_PKG_VERSION").into();
    if let Some(maps) = maps {
        json["maps"] = maps.iter().zip(&source.classes).map(|(map, class)| map_json(class, map)).collect();
    }
    if let Some(longest) = preview {
        json["preview"] = preview_json(image, longest);
    }
    json
}

fn map_json(class: &str, map: &Map) -> Value {
    json!({ "class": class, "rows": map.size[0], "columns": map.size[1], "cells": map.cells, "bias": map.bias })
}

/// Samples as base64, little-endian where they have two bytes.
fn preview_json(image: &Image<'_>, longest: u32) -> Value {
    let Thumbnail { width, height, samples, window } = image.thumbnail(longest);
    let (bits, data) = match samples {
        Samples::Eight(samples) => (8, BASE64_STANDARD.encode(samples)),
        Samples::Sixteen(samples) => {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            (16, BASE64_STANDARD.encode(bytes))
        }
    };
    let Window { low, high, invert } = window;
    let presets: Vec<Value> =
        image.presets().iter().map(|preset| json!({ "name": preset.name, "low": preset.low, "high": preset.high })).collect();
    json!({
        "width": width, "height": height, "bits": bits, "data": data,
        "window": { "low": low, "high": high, "invert": invert }, "presets": presets,
    })
}
