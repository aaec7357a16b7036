//! Curves and bars in a pair of axes.

use super::drawing::{Drawing, FIRST, NEGATIVE, POSITIVE, SECOND, column, number, row, sheet, words};

const SIZE: [f64; 2] = [230.0, 140.0];
/// Room for the numbers beside and below the axes.
const MARGIN: [f64; 2] = [40.0, 22.0];
/// Colour and dashes of the first curve, the second, and so on: neither is the only sign.
const STYLES: [(&str, &str); 5] =
    [(POSITIVE, ""), (NEGATIVE, "7 3"), (FIRST, "2 3"), (SECOND, "9 3 2 3"), ("currentColor", "1 2")];

/// Axes over a range of x and one of y.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    x: [f64; 2],
    y: [f64; 2],
    names: [String; 2],
    curves: Vec<(String, Vec<[f64; 2]>)>,
    dots: Vec<([f64; 2], String)>,
}

pub(crate) fn plot(x: [f64; 2], y: [f64; 2], x_name: &str, y_name: &str) -> Plot {
    Plot { x, y, names: [x_name.into(), y_name.into()], curves: Vec::new(), dots: Vec::new() }
}

/// A function at 60 steps over a range.
pub(crate) fn sampled([from, to]: [f64; 2], f: impl Fn(f64) -> f64) -> Vec<[f64; 2]> {
    (0..=60).map(|k| from + (to - from) * f64::from(k) / 60.0).map(|x| [x, f(x)]).collect()
}

/// Values at 0, 1, 2, …
pub(crate) fn series(values: impl IntoIterator<Item = f64>) -> Vec<[f64; 2]> {
    values.into_iter().enumerate().map(|(at, value)| [at as f64, value]).collect()
}

impl Plot {
    pub(crate) fn curve(mut self, name: &str, points: Vec<[f64; 2]>) -> Self {
        self.curves.push((name.into(), points));
        self
    }

    /// A dot with words to its right.
    pub(crate) fn dot(mut self, place: [f64; 2], text: impl Into<String>) -> Self {
        self.dots.push((place, text.into()));
        self
    }

    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let share = |[from, to]: [f64; 2], value: f64| ((value - from) / (to - from)).clamp(0.0, 1.0);
        [MARGIN[0] + share(self.x, x) * SIZE[0], SIZE[1] + 6.0 - share(self.y, y) * SIZE[1]]
    }

    pub(crate) fn draw(&self) -> Drawing {
        let mut drawn = sheet(MARGIN[0] + SIZE[0] + 12.0, SIZE[1] + MARGIN[1] + 6.0);
        let [[left, bottom], [right, top]] = [[self.x[0], self.y[0]], [self.x[1], self.y[1]]].map(|p| self.place(p));
        drawn = drawn.stroke([left, top], [left, bottom]).stroke([left, bottom], [right, bottom]);
        if self.y[0] < 0.0 && 0.0 < self.y[1] {
            let zero = self.place([self.x[0], 0.0])[1];
            drawn = drawn.line(&[[left, zero], [right, zero]], "currentColor", "1 3", 0.8);
        }
        for (value, y) in [(self.y[0], bottom), (self.y[1], top)] {
            drawn = drawn.text([left - 20.0, y], number(value));
        }
        for (value, x) in [(self.x[0], left), (self.x[1], right - 6.0)] {
            drawn = drawn.text([x, bottom + 13.0], number(value));
        }
        drawn = drawn.text([(left + right) / 2.0, bottom + 13.0], &self.names[0]);
        for ((_, points), (colour, dashes)) in self.curves.iter().zip(STYLES) {
            let points: Vec<[f64; 2]> = points.iter().map(|&point| self.place(point)).collect();
            drawn = drawn.line(&points, colour, dashes, 2.0);
        }
        for (place, text) in &self.dots {
            let [x, y] = self.place(*place);
            drawn = drawn.dot([x, y], 3.5, "currentColor").text_from([x + 7.0, y], text);
        }
        let names = self.curves.iter().map(|(name, _)| name).zip(STYLES).filter(|(name, _)| !name.is_empty());
        let key = |(name, (colour, dashes)): (&String, (&str, &str))| {
            row([sheet(24.0, 12.0).line(&[[0.0, 6.0], [24.0, 6.0]], colour, dashes, 2.0), words(name)])
        };
        let named: Vec<_> = names.map(key).collect();
        let keys = named.chunks(2).map(|pair| row(pair.iter().cloned()));
        column([words(&self.names[1])].into_iter().chain([drawn]).chain(keys).filter(|part| part.width > 0.0))
    }
}

/// Bars to both sides of zero, each with its name before and its value behind.
pub(crate) fn bars(values: &[(&str, f64)]) -> Drawing {
    let full = values.iter().fold(0.0, |full: f64, (_, value)| full.max(value.abs()));
    let names = values.iter().map(|(name, _)| words(name).width).fold(0.0, f64::max) + 10.0;
    let (half, step) = (if values.iter().any(|(_, value)| *value < 0.0) { 90.0 } else { 0.0 }, 22.0);
    let zero = names + half + if half > 0.0 { 44.0 } else { 6.0 };
    let mut drawn = sheet(zero + 150.0, step * values.len() as f64);
    for (at, (name, value)) in values.iter().enumerate() {
        let y = at as f64 * step;
        let length = value.abs() / full * if half > 0.0 { 90.0 } else { 110.0 };
        let (left, colour) = if *value < 0.0 { (zero - length, NEGATIVE) } else { (zero, POSITIVE) };
        let label = if *value < 0.0 { left - 20.0 } else { left + length + 22.0 };
        drawn =
            drawn.text([names / 2.0, y + step / 2.0], name).filled([left, y + 3.0], [length, step - 6.0], colour, 0.75);
        drawn = drawn.text([label, y + step / 2.0], number(*value));
    }
    let height = drawn.height;
    drawn.stroke([zero, 0.0], [zero, height])
}
