//! Lines over a count: shares between 0 and 1, each with an interval around it if one is known.

use plotters::prelude::*;

use super::{COLOURS, ChartError};

/// A picture of lines.
#[derive(Clone, Debug)]
pub struct LineChart<'a> {
    pub title: &'a str,
    /// What is counted along the bottom; the axis is logarithmic.
    pub x_label: &'a str,
    /// What the height is a share of.
    pub y_label: &'a str,
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    /// Count (1 and more) and share (0 to 1), by count.
    pub points: Vec<(f64, f64)>,
    /// Drawn behind the line.
    pub band: Vec<Band>,
}

/// An interval at one count.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    pub x: f64,
    pub low: f64,
    pub high: f64,
}

const SIZE: (u32, u32) = (900, 540);

impl LineChart<'_> {
    /// Draws the picture.
    ///
    /// # Errors
    /// There is no point, or a number is not finite.
    pub fn svg(&self) -> Result<String, ChartError> {
        let refuse = |why: String| ChartError { title: self.title.to_owned(), why };
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let bands = || self.lines.iter().flat_map(|line| &line.band);
        let numbers =
            points().flat_map(|(x, y)| [*x, *y]).chain(bands().flat_map(|band| [band.x, band.low, band.high]));
        if !numbers.clone().all(f64::is_finite) {
            return Err(refuse("a number is not finite".to_owned()));
        }
        let xs = || points().map(|(x, _)| *x);
        let (Some(least), Some(most)) = (xs().reduce(f64::min), xs().reduce(f64::max)) else {
            return Err(refuse("it has no points".to_owned()));
        };
        let heights = || points().map(|(_, y)| *y).chain(bands().flat_map(|band| [band.low, band.high]));
        let (lowest, highest) = (heights().fold(1.0, f64::min), heights().fold(0.0, f64::max));
        let (bottom, top) = ((lowest - 0.05).max(0.0), (highest + 0.05).min(1.0));
        let mut svg = String::new();
        self.draw(&mut svg, (least.max(1.0), most.max(least + 1.0)), (bottom, top.max(bottom + 0.1)))
            .map_err(|error| refuse(error.to_string()))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String, x: (f64, f64), y: (f64, f64)) -> Result<(), Box<dyn std::error::Error + '_>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(60)
            .build_cartesian_2d((x.0..x.1).log_scale(), y.0..y.1)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
            .label_style(("sans-serif", 14))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let upper = line.band.iter().map(|band| (band.x, band.high));
            let lower = line.band.iter().rev().map(|band| (band.x, band.low));
            chart.draw_series([Polygon::new(upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.15))])?;
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?
                .label(&*line.name)
                .legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(2)));
            chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>, band: Vec<Band>) -> LineChart<'static> {
        let lines = vec![
            Line { name: "enhanced & more".to_owned(), points, band },
            Line { name: "oracle".to_owned(), points: vec![(1.0, 0.5), (8.0, 0.9)], band: Vec::new() },
        ];
        LineChart { title: "Resolved", x_label: "patches", y_label: "resolved", lines }
    }

    #[test]
    fn a_picture_names_its_lines_and_axes_and_is_the_same_every_time() {
        let points = vec![(1.0, 0.4), (2.0, 0.5), (8.0, 0.6)];
        let band = points.iter().map(|(x, y)| Band { x: *x, low: y - 0.1, high: y + 0.1 }).collect();
        let svg = chart(points.clone(), band).svg().unwrap();
        for part in ["<svg", "enhanced &amp; more", "oracle", "Resolved", "patches", "<polygon", "<polyline", "50 %"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        let again =
            chart(points.clone(), points.iter().map(|(x, y)| Band { x: *x, low: y - 0.1, high: y + 0.1 }).collect());
        assert_eq!(svg, again.svg().unwrap());
    }

    #[test]
    fn one_point_is_enough_and_what_cannot_be_drawn_says_why() {
        assert!(chart(vec![(1.0, 1.0)], Vec::new()).svg().is_ok());
        let error = chart(vec![(1.0, f64::NAN)], Vec::new()).svg().unwrap_err().to_string();
        assert!(error.contains("not finite"), "{error}");
        let empty = LineChart { lines: Vec::new(), ..chart(Vec::new(), Vec::new()) };
        assert!(empty.svg().unwrap_err().to_string().contains("no points"));
    }
}
