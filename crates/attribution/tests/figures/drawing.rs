//! Drawings that are put together from smaller ones.
//!
//! A drawing knows its extent, so a figure says what stands beside and below what, and no coordinates. Lines and words have the
//! colour of the page's text. Colours of meaning are legible on white and on black, and never the only sign.

use std::fmt::Write;

pub(crate) const POSITIVE: &str = "#d9661f";
pub(crate) const NEGATIVE: &str = "#3b82d0";
pub(crate) const FIRST: &str = "#2f9e6e";
pub(crate) const SECOND: &str = "#9b6bd6";
/// The height of the letters and of a line of them, in pixels.
const LETTERS: f64 = 13.0;
const LINE: f64 = 18.0;
const GAP: f64 = 12.0;

/// Elements of SVG with the size of the rectangle that they fill, from `[0, 0]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drawing {
    pub(crate) svg: String,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A coordinate in tenths of a pixel, without zeros that say nothing.
pub(crate) fn at(value: f64) -> String {
    let text = format!("{:.1}", value + 0.0);
    text.strip_suffix(".0").map_or(text.clone(), Into::into).replace("-0.0", "0")
}

/// A number with at most two decimals and a true minus.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// About the width of words in a font without serifs.
fn width_of(words: &str) -> f64 {
    words.chars().filter(|c| !('\u{300}'..'\u{370}').contains(c)).count() as f64 * LETTERS * 0.56
}

/// An empty sheet of a given size, to draw on.
pub(crate) fn sheet(width: f64, height: f64) -> Drawing {
    Drawing { svg: String::new(), width, height }
}

/// Words on one line.
pub(crate) fn words(text: impl AsRef<str>) -> Drawing {
    let text = text.as_ref();
    sheet(width_of(text), LINE).text([width_of(text) / 2.0, LINE / 2.0], text)
}

/// Lines of words, one below the other.
pub(crate) fn lines<'a>(texts: impl IntoIterator<Item = &'a str>) -> Drawing {
    stacked(texts.into_iter().map(words), 0.0)
}

/// Side by side, centred.
pub(crate) fn row(parts: impl IntoIterator<Item = Drawing>) -> Drawing {
    let parts: Vec<Drawing> = parts.into_iter().collect();
    let height = parts.iter().fold(0.0, |height: f64, part| height.max(part.height));
    let mut all = sheet(0.0, height);
    for (index, part) in parts.iter().enumerate() {
        all.width += if index > 0 { GAP } else { 0.0 };
        let left = all.width;
        all.width += part.width;
        all = all.with([left, (height - part.height) / 2.0], part);
    }
    all
}

/// One below the other, centred.
pub(crate) fn column(parts: impl IntoIterator<Item = Drawing>) -> Drawing {
    stacked(parts, GAP)
}

fn stacked(parts: impl IntoIterator<Item = Drawing>, gap: f64) -> Drawing {
    let parts: Vec<Drawing> = parts.into_iter().collect();
    let width = parts.iter().fold(0.0, |width: f64, part| width.max(part.width));
    let mut all = sheet(width, 0.0);
    for (index, part) in parts.iter().enumerate() {
        all.height += if index > 0 { gap } else { 0.0 };
        let top = all.height;
        all.height += part.height;
        all = all.with([(width - part.width) / 2.0, top], part);
    }
    all
}

/// An arrow to the right with words above it.
pub(crate) fn leads_to(text: &str) -> Drawing {
    let width = width_of(text).max(24.0) + 8.0;
    sheet(width, 2.0 * LINE).text([width / 2.0, 8.0], text).arrow([0.0, LINE + 4.0], [width, LINE + 4.0])
}

impl Drawing {
    /// With another drawing on it, whose corner lies at `corner`.
    pub(crate) fn with(mut self, [x, y]: [f64; 2], other: &Self) -> Self {
        writeln!(self.svg, "<g transform=\"translate({} {})\">\n{}</g>", at(x), at(y), other.svg).unwrap();
        self
    }

    /// Under a title.
    pub(crate) fn titled(self, title: &str) -> Self {
        stacked([words(title), self], 2.0)
    }

    /// Words centred at a place.
    pub(crate) fn text(mut self, [x, y]: [f64; 2], text: impl AsRef<str>) -> Self {
        let text = escaped(text.as_ref());
        writeln!(self.svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{text}</text>", at(x), at(y + 4.5)).unwrap();
        self
    }

    /// Words that begin at a place.
    pub(crate) fn text_from(mut self, [x, y]: [f64; 2], text: impl AsRef<str>) -> Self {
        writeln!(self.svg, "<text x=\"{}\" y=\"{}\">{}</text>", at(x), at(y + 4.5), escaped(text.as_ref())).unwrap();
        self
    }

    /// A polyline in a colour, with SVG's pattern of dashes.
    pub(crate) fn line(mut self, points: &[[f64; 2]], colour: &str, dashes: &str, width: f64) -> Self {
        let points: Vec<String> = points.iter().map(|[x, y]| format!("{},{}", at(*x), at(*y))).collect();
        let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
        writeln!(
            self.svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"{dashes}/>",
            points.join(" "),
            at(width)
        )
        .unwrap();
        self
    }

    /// A line in the colour of the text.
    pub(crate) fn stroke(self, from: [f64; 2], to: [f64; 2]) -> Self {
        self.line(&[from, to], "currentColor", "", 1.2)
    }

    pub(crate) fn arrow(self, from: [f64; 2], to: [f64; 2]) -> Self {
        self.coloured_arrow(from, to, "currentColor", 1.2)
    }

    pub(crate) fn coloured_arrow(self, from: [f64; 2], to: [f64; 2], colour: &str, width: f64) -> Self {
        let ([dx, dy], size) = ([to[0] - from[0], to[1] - from[1]], 5.0 + width);
        let length = dx.hypot(dy).max(1e-9);
        let [dx, dy] = [dx / length * size, dy / length * size];
        let back = [to[0] - dx, to[1] - dy];
        let mut drawn = self.line(&[from, back], colour, "", width);
        let corners = [to, [back[0] - dy / 2.0, back[1] + dx / 2.0], [back[0] + dy / 2.0, back[1] - dx / 2.0]];
        let corners = corners.map(|[x, y]| format!("{},{}", at(x), at(y))).join(" ");
        writeln!(drawn.svg, "<polygon points=\"{corners}\" fill=\"{colour}\"/>").unwrap();
        drawn
    }

    /// A rectangle, filled with a colour of some opacity.
    pub(crate) fn filled(mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], colour: &str, opacity: f64) -> Self {
        writeln!(
            self.svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{colour}\" fill-opacity=\"{opacity:.2}\"/>",
            at(x),
            at(y),
            at(width),
            at(height)
        )
        .unwrap();
        self
    }

    /// The outline of a rectangle.
    pub(crate) fn outlined(mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], colour: &str, stroke: f64) -> Self {
        writeln!(
            self.svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"/>",
            at(x),
            at(y),
            at(width),
            at(height),
            at(stroke)
        )
        .unwrap();
        self
    }

    pub(crate) fn dot(mut self, [x, y]: [f64; 2], radius: f64, colour: &str) -> Self {
        writeln!(self.svg, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{colour}\"/>", at(x), at(y), at(radius))
            .unwrap();
        self
    }

    /// A box with words in it, centred at a place.
    pub(crate) fn node(self, [x, y]: [f64; 2], text: &str) -> Self {
        let [width, height] = [width_of(text) + 14.0, 24.0];
        let corner = [x - width / 2.0, y - height / 2.0];
        self.filled(corner, [width, height], "currentColor", 0.06)
            .outlined(corner, [width, height], "currentColor", 1.0)
            .text([x, y], text)
    }
}
