//! Plots as inline SVG that follows the page's colours.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Distinct in light, in dark, and to colour-blind eyes.
const COLORS: [RGBColor; 3] = [RGBColor(0xd5, 0x6a, 0x2d), RGBColor(0x2f, 0x86, 0xc1), RGBColor(0x3f, 0x98, 0x6b)];
const GRAY: RGBColor = RGBColor(0x8a, 0x93, 0x99);
const SIZE: (u32, u32) = (560, 380);

/// A curve.
pub struct Line<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// Its points are marked.
    pub marked: bool,
}

/// Axes: what they are and their ranges.
pub struct Axes {
    /// Across.
    pub x: (&'static str, f64, f64),
    /// Upwards.
    pub y: (&'static str, f64, f64),
    /// The line of equal coordinates is drawn.
    pub diagonal: bool,
}

/// Lines and dots as SVG.
///
/// # Errors
/// Whatever the plotter says.
pub fn draw(axes: &Axes, lines: &[Line<'_>], dots: &[(f64, f64)]) -> Result<String> {
    let mut text = String::new();
    try_draw(&mut text, axes, lines, dots).map_err(|error| anyhow!("drawing a plot of the report: {error}"))?;
    // HTML knows the namespace; the page sets the size.
    let text = text.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    Ok(text.replacen(&format!("width=\"{}\" height=\"{}\" ", SIZE.0, SIZE.1), "role=\"img\" ", 1))
}

fn try_draw(text: &mut String, axes: &Axes, lines: &[Line<'_>], dots: &[(f64, f64)]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    let ((x_name, left, right), (y_name, bottom, top)) = (axes.x, axes.y);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(left..right, bottom..top)?;
    let percent = |value: &f64| format!("{:.0} %", 100.0 * value);
    chart
        .configure_mesh()
        .x_desc(x_name)
        .y_desc(y_name)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&percent)
        .y_label_formatter(&percent)
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRAY.mix(0.25))
        .draw()?;
    if axes.diagonal {
        let (low, high) = (left.max(bottom), right.min(top));
        chart.draw_series(LineSeries::new([(low, low), (high, high)], GRAY.stroke_width(1)))?;
    }
    for (line, color) in lines.iter().zip(COLORS.iter().cycle()) {
        let inside = line.points.iter().copied().filter(|(x, _)| *x >= left);
        chart
            .draw_series(LineSeries::new(inside.clone(), color.stroke_width(2)))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(3)));
        if line.marked {
            chart.draw_series(inside.map(|at| Circle::new(at, 3, color.filled())))?;
        }
    }
    chart.draw_series(dots.iter().zip(COLORS.iter().cycle()).map(|(at, color)| Circle::new(*at, 5, color.filled())))?;
    chart.configure_series_labels().position(SeriesLabelPosition::LowerRight).label_font(("sans-serif", 14)).margin(14).draw()?;
    root.present()?;
    drop(chart);
    Ok(())
}
