//! Curves as SVG, in the page's colours.

use maud::{Markup, html};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 200.0;
/// Space at the left for the numbers on the axis.
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 36.0;
const TOP: f64 = 12.0;

/// A value after each epoch, for one or two sets of images.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// The name of each set, and its values.
    pub(crate) lines: Vec<(&'static str, Vec<f64>)>,
}

impl Curve {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|(_, values)| values.is_empty())
    }

    pub(super) fn markup(&self) -> Markup {
        let finite = self.lines.iter().flat_map(|(_, values)| values).copied().filter(|value| value.is_finite());
        let most = finite.fold(f64::MIN_POSITIVE, f64::max);
        let decimals = (1.0 - most.log10().floor()).clamp(2.0, 6.0) as usize;
        let last = self.lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let steps = (last.max(2) - 1) as f64;
        let x = |index: usize| LEFT + (WIDTH - LEFT - 16.0) * index as f64 / steps;
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / most);
        let points = |values: &[f64]| -> Vec<(f64, f64)> {
            let points = values.iter().enumerate().filter(|(_, value)| value.is_finite());
            points.map(|(index, &value)| (x(index), y(value))).collect()
        };
        let line = |points: &[(f64, f64)]| -> String {
            points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
        };
        html! {
            figure {
                svg.curve viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{} by epoch", self.name)) {
                    @for share in [0.0, 0.5, 1.0] {
                        line.grid x1=(LEFT) x2=(WIDTH - 16.0) y1=(y(share * most)) y2=(y(share * most)) {}
                        text.tick x=(LEFT - 8.0) y=(y(share * most) + 4.0) text-anchor="end" { (format!("{:.decimals$}", share * most)) }
                    }
                    @for (number, (_, values)) in self.lines.iter().enumerate() {
                        @let points = points(values);
                        g class=(format!("line-{number}")) {
                            polyline points=(line(&points)) {}
                            @for (x, y) in &points { circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {} }
                        }
                    }
                    text.tick x=(x(0)) y=(HEIGHT - 12.0) text-anchor="middle" { "1" }
                    @if last > 1 { text.tick x=(x(last - 1)) y=(HEIGHT - 12.0) text-anchor="middle" { (last) } }
                    text.tick x=(WIDTH / 2.0) y=(HEIGHT - 12.0) text-anchor="middle" { "epoch" }
                }
                figcaption { (self.name) @for (number, (images, values)) in self.lines.iter().enumerate() {
                    @if let (Some(first), Some(last)) = (values.first(), values.last()) {
                        br; span class=(format!("key line-{number}")) { (images) }
                        (format!(": {first:.decimals$} in the first epoch, {last:.decimals$} in the last"))
                    }
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_from_corner_to_corner() {
        let markup = Curve { name: "loss", lines: vec![("training", vec![2.0, f64::NAN, 0.0])] }.markup().into_string();
        assert!(markup.contains(r#"points="52.0,12.0 384.0,164.0""#), "{markup}");
        assert_eq!(markup.matches("<circle").count(), 2);
    }

    #[test]
    fn one_epoch_is_a_point() {
        let markup = Curve { name: "loss", lines: vec![("training", vec![1.0])] }.markup().into_string();
        assert!(markup.contains(r#"points="52.0,12.0""#), "{markup}");
    }

    #[test]
    fn two_lines_share_their_axes() {
        let lines = vec![("training", vec![0.004, 0.002]), ("validation", vec![0.002, 0.001])];
        let markup = Curve { name: "loss", lines }.markup().into_string();
        assert!(markup.contains(r#"points="52.0,12.0 384.0,88.0""#), "{markup}");
        assert!(markup.contains(r#"points="52.0,88.0 384.0,126.0""#), "{markup}");
        assert!(markup.contains("0.0040 in the first epoch, 0.0020 in the last"), "{markup}");
    }
}
