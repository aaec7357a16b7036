//! Lines of text in Noto Sans (SIL Open Font License 1.1), embedded by the crate `notosans`.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use super::overlay::blend;

static REGULAR: LazyLock<FontRef> = LazyLock::new(|| embedded(notosans::REGULAR_TTF));
static BOLD: LazyLock<FontRef> = LazyLock::new(|| embedded(notosans::BOLD_TTF));

fn embedded(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is valid")
}

/// The style of a line of text.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) bold: bool,
    /// Distance from one line to the next, in pixels.
    pub(super) line: u32,
    pub(super) color: Rgb<u8>,
}

impl Style {
    fn font(&self) -> impl ScaleFont<&'static FontRef<'static>> {
        let font: &'static FontRef = if self.bold { &BOLD } else { &REGULAR };
        font.as_scaled(PxScale::from(self.line as f32))
    }

    /// The glyphs of a line whose upper left corner is at the origin, and the position of the next glyph.
    fn glyphs(&self, text: &str) -> (Vec<Glyph>, f32) {
        let font = self.font();
        let mut x = 0.0;
        let mut previous = None;
        let mut glyphs = Vec::new();
        for character in text.chars() {
            let id = font.glyph_id(drawable(character));
            x += previous.map_or(0.0, |previous| font.kern(previous, id));
            glyphs.push(id.with_scale_and_position(font.scale(), point(x, font.ascent())));
            x += font.h_advance(id);
            previous = Some(id);
        }
        (glyphs, x)
    }

    /// The width of the line, in pixels.
    pub(super) fn width(&self, text: &str) -> u32 {
        self.glyphs(text).1.ceil() as u32
    }

    /// Draws one line with its upper left corner at `(left, top)`. Parts outside of the picture are cut off.
    pub(super) fn draw(&self, picture: &mut RgbImage, left: u32, top: u32, text: &str) {
        let font = self.font();
        for outlined in self.glyphs(text).0.into_iter().filter_map(|glyph| font.outline_glyph(glyph)) {
            let corner = outlined.px_bounds().min;
            outlined.draw(|x, y, coverage| {
                let x = i64::from(left) + corner.x as i64 + i64::from(x);
                let y = i64::from(top) + corner.y as i64 + i64::from(y);
                let pixel = u32::try_from(x).ok().zip(u32::try_from(y).ok());
                if let Some(pixel) = pixel.and_then(|(x, y)| picture.get_pixel_mut_checked(x, y)) {
                    *pixel = blend(*pixel, self.color, coverage.min(1.0));
                }
            });
        }
    }

    /// Draws lines one below the other, see [`Style::draw`].
    pub(super) fn draw_lines(&self, picture: &mut RgbImage, left: u32, top: u32, lines: &[String]) {
        for (i, line) in (0..).zip(lines) {
            self.draw(picture, left, top + i * self.line, line);
        }
    }

    /// The text in at most `lines` lines of at most `width` pixels, broken at spaces; what doesn't fit ends in "…".
    pub(super) fn wrap(&self, text: &str, width: u32, lines: usize) -> Vec<String> {
        let mut wrapped: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let full = wrapped.len() == lines;
            match wrapped.last_mut() {
                Some(line) if full || self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => wrapped.push(word.to_owned()),
            }
        }
        wrapped.into_iter().map(|line| self.shorten(line, width)).collect()
    }

    fn shorten(&self, mut line: String, width: u32) -> String {
        if self.width(&line) <= width {
            return line;
        }
        // Every drawn glyph is at least a pixel wide.
        line = line.chars().take(width as usize).collect();
        while self.width(&format!("{line}…")) > width && line.pop().is_some() {}
        format!("{}…", line.trim_end())
    }
}

/// A character that the font has a glyph for.
fn drawable(character: char) -> char {
    match character {
        '⁺' => '+',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { bold: false, line: 20, color: Rgb([0, 0, 0]) };

    #[test]
    fn breaks_at_spaces_and_keeps_every_word() {
        let text = "guided backpropagation of the class Egyptian cat";
        let lines = STYLE.wrap(text, 160, 9);
        assert!(lines.len() > 2 && lines.iter().all(|line| STYLE.width(line) <= 160));
        assert_eq!(lines.join(" "), text);
        // No word would have fitted on the previous line.
        for pair in lines.windows(2) {
            let first = pair[1].split(' ').next().unwrap();
            assert!(STYLE.width(&format!("{} {first}", pair[0])) > 160);
        }
        assert!(STYLE.wrap("  \n ", 160, 2).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_shortened() {
        let lines = STYLE.wrap("one two three four five six seven eight nine ten eleven twelve", 80, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…') && lines.iter().all(|line| STYLE.width(line) <= 80));
        let word = STYLE.wrap(&"x".repeat(1_000_000), 80, 2);
        assert_eq!(word.len(), 1);
        assert!(word[0].starts_with("xxxx") && STYLE.width(&word[0]) <= 80);
    }

    #[test]
    fn ink_lies_within_the_line_and_its_width() {
        let mut picture = RgbImage::from_pixel(200, 60, Rgb([255, 255, 255]));
        STYLE.draw(&mut picture, 10, 20, "Ågpjα 0.93");
        let ink: Vec<_> =
            picture.enumerate_pixels().filter(|(_, _, p)| p.0 != [255; 3]).map(|(x, y, _)| (x, y)).collect();
        assert!(ink.len() > 100);
        let right = 10 + STYLE.width("Ågpjα 0.93");
        assert!(ink.iter().all(|&(x, y)| (10..=right).contains(&x) && (20..40).contains(&y)));
    }

    #[test]
    fn text_over_the_edge_is_cut() {
        let mut picture = RgbImage::new(8, 8);
        STYLE.draw(&mut picture, 5, 5, "W̌glassbox");
        STYLE.draw(&mut picture, 100, 0, "W");
    }

    #[test]
    fn the_symbols_of_explanations_have_glyphs() {
        let font = STYLE.font();
        for symbol in "…·×−–±→≤≥αβεσΣ∂é⁺ᴮ".chars() {
            assert_ne!(font.glyph_id(drawable(symbol)).0, 0, "{symbol}");
        }
    }
}
