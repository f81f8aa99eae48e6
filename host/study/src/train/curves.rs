//! Learning curves as SVG.

use super::metrics::EpochRow;
use anyhow::{Result, anyhow};
use cxr_app::classes::{CLASSES, DISCLAIMER};
use plotters::prelude::*;

/// A line: name and one value an epoch.
type Line = (String, Vec<f64>);

/// Loss, accuracy with macro-F1, and recall a class over the epochs, one below the other.
pub fn svg(rows: &[EpochRow]) -> Result<String> {
    let column = |value: &dyn Fn(&EpochRow) -> f64| rows.iter().map(value).collect::<Vec<_>>();
    let loss = vec![
        ("training loss".to_owned(), column(&|row| row.train_loss)),
        ("validation loss".to_owned(), column(&|row| row.val.loss)),
    ];
    let accuracy = vec![
        ("training accuracy (distorted images)".to_owned(), column(&|row| row.train_accuracy)),
        ("validation accuracy".to_owned(), column(&|row| row.val.confusion.accuracy())),
        ("validation macro-F1".to_owned(), column(&|row| row.val.confusion.macro_f1())),
    ];
    let recall: Vec<Line> = CLASSES
        .iter()
        .enumerate()
        .map(|(c, name)| (format!("validation recall, {name}"), column(&|row| row.val.confusion.recall()[c])))
        .collect();
    let mut text = String::new();
    draw(&mut text, &[loss, accuracy, recall]).map_err(|error| anyhow!("drawing the learning curves: {error}"))?;
    Ok(text)
}

fn draw(text: &mut String, panels: &[Vec<Line>]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, (860, 960)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(DISCLAIMER, ("sans-serif", 13))?;
    for (area, lines) in root.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let epochs = lines[0].1.len();
        let values = lines.iter().flat_map(|(_, values)| values).copied().filter(|v| v.is_finite());
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let margin = ((high - low) * 0.05).max(0.01);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(28)
            .y_label_area_size(48)
            .build_cartesian_2d(1.0..(epochs as f64).max(2.0), low - margin..high + margin)?;
        chart.configure_mesh().x_desc("epoch").x_labels(10).light_line_style(WHITE).draw()?;
        for (index, (name, values)) in lines.iter().enumerate() {
            let color = Palette99::pick(index).to_rgba();
            chart
                .draw_series(LineSeries::new(
                    values.iter().enumerate().map(|(i, &v)| ((i + 1) as f64, v)),
                    color.stroke_width(2),
                ))?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2)));
        }
        chart.configure_series_labels().border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8)).draw()?;
    }
    root.present()?;
    Ok(())
}
