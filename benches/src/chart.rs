//! Bar charts as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::number;

const SIZE: (u32, u32) = (900, 420);
const LEGEND: u32 = 28;
const FONT: &str = "sans-serif";
/// Ours first, in the strongest colour.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0xd1, 0x49, 0x2b),
    RGBColor(0x1f, 0x5f, 0x8b),
    RGBColor(0x6b, 0xa3, 0xc8),
    RGBColor(0x4c, 0x8c, 0x4a),
    RGBColor(0xa3, 0xc1, 0x8a),
    RGBColor(0x8b, 0x6b, 0xa8),
    RGBColor(0xb8, 0x8a, 0x3c),
    RGBColor(0x80, 0x80, 0x80),
];

type Failure = Box<dyn std::error::Error>;

/// Groups of bars: a group for each category, and a bar for each series.
#[derive(Clone, Debug)]
pub struct Bars {
    /// The title.
    pub title: String,
    /// The meaning of the height of a bar.
    pub axis: String,
    /// Whether the axis is logarithmic.
    pub log: bool,
    /// The names of the groups.
    pub categories: Vec<String>,
    /// The name of each series, and its value in each category.
    pub series: Vec<(String, Vec<Option<f64>>)>,
}

/// Draws panels side by side into one file, with one legend: that of the first panel.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn draw(path: &Path, panels: &[Bars]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (plots, legend) = root.split_vertically(SIZE.1 - LEGEND);
    for (area, bars) in plots.split_evenly((1, panels.len().max(1))).iter().zip(panels) {
        let values = bars.series.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        let bounds = |(least, most): (f64, f64), value| (least.min(value), most.max(value));
        let (least, most) = values.fold((f64::MAX, 0.0), bounds);
        let width = bars.categories.len() as f64;
        let mut builder = ChartBuilder::on(area);
        builder.caption(&bars.title, (FONT, 18)).margin(12).x_label_area_size(24).y_label_area_size(64);
        if bars.log {
            let bottom = least.max(f64::MIN_POSITIVE) / 2.0;
            let chart = builder.build_cartesian_2d(0.0..width, (bottom..most * 2.0).log_scale())?;
            fill(chart, bars, bottom)?;
        } else {
            let chart = builder.build_cartesian_2d(0.0..width, 0.0..most * 1.1)?;
            fill(chart, bars, 0.0)?;
        }
    }
    if let Some(first) = panels.first() {
        let mut left = 76;
        for (at, (name, _)) in first.series.iter().enumerate() {
            legend.draw(&Rectangle::new([(left, 6), (left + 11, 17)], colour(at).filled()))?;
            legend.draw(&Text::new(name.as_str(), (left + 16, 6), (FONT, 13)))?;
            left += 40 + 7 * i32::try_from(name.len()).unwrap_or(0);
        }
    }
    root.present()?;
    Ok(())
}

fn colour(at: usize) -> RGBColor {
    COLOURS[at % COLOURS.len()]
}

type Chart<'a, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

fn fill<'a, Y>(mut chart: Chart<'a, Y>, bars: &Bars, bottom: f64) -> Result<(), Failure>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let groups = bars.categories.len();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .y_desc(&bars.axis)
        .y_label_formatter(&|value| number(*value))
        .x_labels(0)
        .label_style((FONT, 13))
        .draw()?;
    let slot = 0.84 / bars.series.len().max(1) as f64;
    let left = |at: usize, group: usize| group as f64 + 0.08 + slot * at as f64;
    let known = |at: usize| {
        let values = bars.series[at].1.iter().enumerate();
        values.filter_map(|(group, value)| Some((group, (*value)?)))
    };
    for at in 0..bars.series.len() {
        let bar = |(group, value)| {
            let x = left(at, group);
            Rectangle::new([(x, bottom), (x + slot * 0.9, value)], colour(at).filled())
        };
        chart.draw_series(known(at).map(bar))?;
    }
    // Numbers of many bars would overlap; only ours have one then.
    let numbered = if bars.series.len() * groups > 12 { 1 } else { bars.series.len() };
    let style = TextStyle::from((FONT, 11)).pos(Pos::new(HPos::Center, VPos::Bottom));
    for at in 0..numbered.min(bars.series.len()) {
        let label =
            |(group, value)| Text::new(number(value), (left(at, group) + slot * 0.45, value), style.clone());
        chart.draw_series(known(at).map(label))?;
    }
    name_groups(&chart.plotting_area().strip_coord_spec(), &bars.categories)
}

fn name_groups(area: &DrawingArea<SVGBackend<'_>, Shift>, categories: &[String]) -> Result<(), Failure> {
    let (width, height) = area.dim_in_pixel();
    let style = TextStyle::from((FONT, 12)).pos(Pos::new(HPos::Center, VPos::Top));
    for (group, name) in categories.iter().enumerate() {
        let middle = f64::from(width) * (group as f64 + 0.5) / categories.len() as f64;
        area.draw(&Text::new(name.as_str(), (middle as i32, height as i32 + 6), style.clone()))?;
    }
    Ok(())
}
