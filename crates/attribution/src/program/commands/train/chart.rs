//! Training curves and the confusion matrix as charts (SVG).

use nn::train::{Confusion, Score};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::log::Event;

type Drawn = Result<String, Box<dyn std::error::Error>>;
type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels: the width and height of a panel, and the side of a cell of the confusion matrix.
const PANEL: (u32, u32) = (420, 300);
const CELL: u32 = 44;
const INK: RGBColor = RGBColor(32, 33, 36);
const TRAINING: RGBColor = RGBColor(31, 90, 180);
const TEST: RGBColor = RGBColor(200, 80, 20);
/// Limit on the points of a curve; more than one per pixel would show nothing more.
const POINTS: usize = 400;

/// A curve: its name, its colour, and its points (step, value).
type Curve = (&'static str, RGBColor, Vec<(f64, f64)>);

fn panel(sheet: &Sheet<'_>, title: &str, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|(_, _, points)| points).filter(|point| point.1.is_finite());
    let bound = |of: fn(&(f64, f64)) -> f64, pick: fn(f64, f64) -> f64| points().map(of).reduce(pick).unwrap_or(0.0);
    let (last, low, high) = (bound(|p| p.0, f64::max), bound(|p| p.1, f64::min), bound(|p| p.1, f64::max));
    let margin = (0.05 * (high - low)).max(1e-6);
    let mut chart = ChartBuilder::on(sheet)
        .margin(12)
        .caption(title, ("sans-serif", 16).into_font().color(&INK))
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..last.max(1.0), low - margin..high + margin)?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).x_labels(5).y_labels(6).x_desc("steps");
    mesh.label_style(("sans-serif", 12).into_font().color(&INK)).draw()?;
    for (name, color, points) in curves {
        let color = *color;
        let line = PathElement::new(points.clone(), color.stroke_width(2));
        let drawn = chart.draw_series([line])?;
        drawn.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(2)));
    }
    let labels = ("sans-serif", 12).into_font().color(&INK);
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).label_font(labels).draw()?;
    Ok(())
}

/// Averages runs of consecutive points, so that at most [`POINTS`] are left.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mean = |run: &[(f64, f64)]| {
        let of = |value: fn(&(f64, f64)) -> f64| run.iter().map(value).sum::<f64>() / run.len() as f64;
        (of(|p| p.0), of(|p| p.1))
    };
    points.chunks(points.len().div_ceil(POINTS).max(1)).map(mean).collect()
}

/// Loss, score and learning rate over the steps.
pub(crate) fn curves(events: &[Event]) -> Drawn {
    let (mut loss, mut score, mut rate) = (Vec::new(), Vec::new(), Vec::new());
    let (mut test_loss, mut test_score) = (Vec::new(), Vec::new());
    let mut named = (Score::Accuracy(0.0), None);
    for event in events {
        match event {
            Event::Step { step, loss: l, score: s, learning_rate, .. } => {
                let at = *step as f64;
                loss.push((at, *l));
                score.push((at, s.value()));
                named.0 = *s;
                rate.push((at, *learning_rate));
            }
            Event::Epoch(epoch) => {
                if let Some(scores) = epoch.validation {
                    test_loss.push((epoch.step as f64, scores.loss));
                    test_score.push((epoch.step as f64, scores.score.value()));
                    named.1 = Some(scores.score);
                }
            }
        }
    }
    let title = scores_title(named.0, named.1);
    let panels = [
        ("Loss", vec![("training", TRAINING, thinned(&loss)), ("test", TEST, test_loss)]),
        (title, vec![("training", TRAINING, thinned(&score)), ("test", TEST, test_score)]),
        ("Learning rate", vec![("training", TRAINING, thinned(&rate))]),
    ];
    let mut text = String::new();
    {
        let sheet = SVGBackend::with_string(&mut text, (PANEL.0 * panels.len() as u32, PANEL.1)).into_drawing_area();
        sheet.fill(&WHITE)?;
        for (part, (title, curves)) in sheet.split_evenly((1, panels.len())).iter().zip(&panels) {
            panel(part, title, curves)?;
        }
        sheet.present()?;
    }
    Ok(text)
}

/// The heading of the steps' score and the validation's.
pub(crate) fn scores_title(step: Score, validation: Option<Score>) -> &'static str {
    match (step, validation) {
        (Score::RSquared(_), _) => "R²",
        (_, Some(Score::Auroc(_))) => "Accuracy in training, AUROC in validation",
        (_, Some(Score::MeanIou(_))) => "Accuracy in training, mIoU in validation",
        _ => "Accuracy",
    }
}

/// The curve of a learning-rate range test: the loss over log₁₀ of the rate.
pub(crate) fn range(losses: &[(f64, f64)]) -> Drawn {
    let mut text = String::new();
    {
        let sheet = SVGBackend::with_string(&mut text, PANEL).into_drawing_area();
        sheet.fill(&WHITE)?;
        let logarithms: Vec<_> = losses.iter().map(|&(rate, loss)| (rate.log10(), loss)).collect();
        let low = logarithms.first().map_or(0.0, |p| p.0);
        let shifted = logarithms.iter().map(|&(rate, loss)| (rate - low, loss)).collect();
        panel(&sheet, &format!("Loss over log10(rate) + {:.1}", -low), &[("loss", TRAINING, shifted)])?;
        sheet.present()?;
    }
    Ok(text)
}

/// The confusion matrix, with a row for each true class. The darker a cell, the larger its share of the row.
pub(crate) fn confusion(confusion: &Confusion) -> Drawn {
    let names = confusion.names();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as u32;
    let (classes, label) = (names.len() as u32, 16 + 8 * longest);
    let mut text = String::new();
    {
        let size = (label + CELL * classes + 16, label + CELL * classes + 40);
        let sheet = SVGBackend::with_string(&mut text, size).into_drawing_area();
        sheet.fill(&WHITE)?;
        let font = ("sans-serif", 13).into_font().color(&INK);
        sheet.draw(&Text::new("true class by row, predicted by column", (label as i32, 8), font.clone()))?;
        for (truth, name) in names.iter().enumerate() {
            let (top, support) = ((label + 24 + CELL * truth as u32) as i32, confusion.support(truth).max(1));
            sheet.draw(&Text::new(name.clone(), (8, top + 14), font.clone()))?;
            let turned = ("sans-serif", 13).into_font().transform(FontTransform::Rotate270).color(&INK);
            let left = (label + CELL * truth as u32) as i32;
            sheet.draw(&Text::new(name.clone(), (left + 14, label as i32 + 18), turned))?;
            for predicted in 0..names.len() {
                let (count, left) = (confusion.count(truth, predicted), (label + CELL * predicted as u32) as i32);
                let share = count as f64 / support as f64;
                let color = if truth == predicted { TRAINING } else { TEST };
                let corners = [(left, top), (left + CELL as i32 - 2, top + CELL as i32 - 2)];
                sheet.draw(&Rectangle::new(corners, color.mix(share.sqrt()).filled()))?;
                if count > 0 {
                    let ink = if share > 0.4 { &WHITE } else { &INK };
                    let font = ("sans-serif", 12).into_font().color(ink);
                    sheet.draw(&Text::new(count.to_string(), (left + 8, top + 15), font))?;
                }
            }
        }
        sheet.present()?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nn::train::{Epoch, Scores};

    #[test]
    fn curves_and_matrices_are_drawn_with_what_they_show() {
        let step = |step: usize| Event::Step {
            step,
            epoch: 0,
            loss: 1.0 / step as f64,
            score: Score::Accuracy(0.5),
            gradient_norm: 1.0,
            learning_rate: 0.1,
        };
        let mut events: Vec<Event> = (1..=1000).map(step).collect();
        let validation = Some(Scores { score: Score::Accuracy(0.75), loss: 0.5 });
        events.push(Event::Epoch(Epoch {
            epoch: 0,
            step: 1000,
            loss: 0.1,
            score: Score::Accuracy(0.5),
            learning_rate: 0.1,
            validation,
        }));
        let drawn = curves(&events).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("Learning rate") && drawn.contains("test"));
        assert!(thinned(&vec![(1.0, 2.0); 1000]).len() <= POINTS);
        assert!(curves(&[]).is_ok());
        let mut counts = Confusion::new(vec!["cat & co".into(), "dog".into()]);
        (0..7).for_each(|_| counts.add(0, 1));
        let drawn = confusion(&counts).unwrap();
        assert!(drawn.contains("cat &amp; co") && drawn.contains("\n7\n"), "{drawn}");
        assert!(range(&[(1e-4, 2.0), (1e-2, 1.0)]).is_ok());
    }
}
