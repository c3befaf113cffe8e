//! Bars: how often something falls into each of a row of named ranges.

use plotters::prelude::*;

use super::{COLOURS, ChartError};

/// A picture of bars, left to right.
#[derive(Clone, Debug)]
pub struct BarChart<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    /// Name and count of each bar.
    pub bars: Vec<(String, u64)>,
}

const SIZE: (u32, u32) = (900, 420);

impl BarChart<'_> {
    /// Draws the picture.
    ///
    /// # Errors
    /// There is no bar.
    pub fn svg(&self) -> Result<String, ChartError> {
        let refuse = |why: String| ChartError { title: self.title.to_owned(), why };
        if self.bars.is_empty() {
            return Err(refuse("it has no bars".to_owned()));
        }
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| refuse(error.to_string()))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error + '_>> {
        let highest = self.bars.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d((0..self.bars.len() - 1).into_segmented(), 0..highest + highest.div_ceil(10))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .x_labels(self.bars.len())
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .x_label_formatter(&|place| match place {
                SegmentValue::CenterOf(number) => self.bars.get(*number).map_or_else(String::new, |bar| bar.0.clone()),
                SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
            })
            .label_style(("sans-serif", 14))
            .draw()?;
        // Not plotters' histogram: it draws its bars in the order of a hash map, which differs from run to run.
        chart.draw_series(self.bars.iter().enumerate().map(|(number, (_, count))| {
            let corners = [(SegmentValue::Exact(number), 0), (SegmentValue::Exact(number + 1), *count)];
            let mut bar = Rectangle::new(corners, COLOURS[0].filled());
            bar.set_margin(0, 0, 4, 4);
            bar
        }))?;
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_its_bars_and_draws_each_that_counts_something() {
        let bars = [("0", 3), ("1 & 2", 0), ("3+", 5)].map(|(name, count)| (name.to_owned(), count)).to_vec();
        let chart = BarChart { title: "Pass rate", x_label: "share", y_label: "tasks", bars };
        let svg = chart.svg().unwrap();
        for part in ["<svg", "Pass rate", "1 &amp; 2", "3+", "share", "tasks"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert_eq!(svg, chart.svg().unwrap());
        let empty = BarChart { bars: Vec::new(), ..chart };
        assert!(empty.svg().unwrap_err().to_string().contains("no bars"));
    }
}
