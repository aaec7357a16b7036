//! The figures as a chart.

use attribution::measures::{Group, Interval, Measure};
use plotters::prelude::*;

use super::subject::Subject;

/// Panels in a row.
const COLUMNS: usize = 3;
/// Pixels: the width of a panel, the height of its title and axis together, and the height of a line.
const PANEL: (usize, usize, usize) = (360, 70, 20);
const INK: RGBColor = RGBColor(32, 33, 36);
const METHOD: RGBColor = RGBColor(31, 90, 180);
const BASELINE: RGBColor = RGBColor(150, 150, 150);

/// Draws an SVG with a panel for each measure. Each subject has a line with a dot at the mean and a bar over the
/// confidence interval.
pub(crate) fn svg(
    subjects: &[Subject<'_>],
    measures: &[&Measure],
    intervals: &[Vec<Option<Interval>>],
) -> Result<String, Box<dyn std::error::Error>> {
    let rows = measures.len().div_ceil(COLUMNS);
    let (width, around, line) = PANEL;
    let size = (COLUMNS * width, rows * (around + line * subjects.len()));
    let mut text = String::new();
    {
        let sheet = SVGBackend::with_string(&mut text, (size.0 as u32, size.1 as u32)).into_drawing_area();
        sheet.fill(&WHITE)?;
        for (panel, (index, measure)) in sheet.split_evenly((rows, COLUMNS)).iter().zip(measures.iter().enumerate()) {
            let of: Vec<_> = intervals.iter().map(|intervals| intervals[index]).collect();
            let least = if measure.group == Group::Localization { 0.0 } else { -0.25 };
            let lines = subjects.len();
            let mut chart = ChartBuilder::on(panel)
                .margin(10)
                .caption(measure.head(), ("sans-serif", 16).into_font().color(&INK))
                .x_label_area_size(24)
                .y_label_area_size(125)
                .build_cartesian_2d(least..1.0, (0..lines as i32).into_segmented())?;
            let name = |at: &SegmentValue<i32>| match at {
                SegmentValue::CenterOf(line) => title(subjects, *line).to_string(),
                _ => String::new(),
            };
            let mut mesh = chart.configure_mesh();
            mesh.disable_y_mesh()
                .set_tick_mark_size(LabelAreaPosition::Left, 0)
                .light_line_style(TRANSPARENT)
                .x_labels(6)
                .y_labels(lines)
                .y_label_formatter(&name);
            mesh.label_style(("sans-serif", 12).into_font().color(&INK)).draw()?;
            for (subject, interval) in of.into_iter().enumerate() {
                let Some(Interval { mean, low, high }) = interval else { continue };
                let color = if subjects[subject].is_trivial() { BASELINE } else { METHOD };
                let at = SegmentValue::CenterOf((lines - 1 - subject) as i32);
                chart
                    .draw_series([PathElement::new([(low, at.clone()), (high, at.clone())], color.stroke_width(2))])?;
                chart.draw_series([Circle::new((mean, at), 4, color.filled())])?;
            }
        }
        sheet.present()?;
    }
    Ok(text)
}

/// The subject's name on a line; the first subject is at the top.
fn title<'a>(subjects: &[Subject<'a>], line: i32) -> &'a str {
    let index = usize::try_from(line).ok().and_then(|line| subjects.len().checked_sub(line + 1));
    index.map_or("", |index| subjects[index].title())
}
