//! Pictures. The only door to plotters. In: named numbers. Out: an SVG as text, the same bytes for the same numbers.

mod lines;

use thiserror::Error;

pub use lines::{Band, Line, LineChart};

/// A picture that could not be drawn: numbers that are not finite, or nothing to draw.
#[derive(Debug, Error)]
#[error("the picture {title:?} cannot be drawn: {why}")]
pub struct ChartError {
    pub title: String,
    pub why: String,
}

/// Colours that stay apart for readers with any colour vision (Okabe and Ito, 2008), strongest first.
const COLOURS: [plotters::style::RGBColor; 7] = [
    plotters::style::RGBColor(0, 114, 178),
    plotters::style::RGBColor(213, 94, 0),
    plotters::style::RGBColor(0, 158, 115),
    plotters::style::RGBColor(204, 121, 167),
    plotters::style::RGBColor(230, 159, 0),
    plotters::style::RGBColor(86, 180, 233),
    plotters::style::RGBColor(90, 90, 90),
];
