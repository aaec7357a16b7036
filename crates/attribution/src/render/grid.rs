//! Panels side by side, with captions.

use std::borrow::Cow;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::text::Style;
use super::{Palette, enlarge, enlargement};

/// Limit on a picture's longer side; larger pictures are reduced.
const LARGEST: u32 = 480;
const MARGIN: u32 = 28;
/// The gap between two panels, and between two rows.
const GAP: u32 = 20;
/// The gap between a picture and its caption, and between other related things.
const NEAR: u32 = 6;
/// Limit on the width of a row's label.
const LABEL: u32 = 140;
const BAR: (u32, u32) = (140, 10);

const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const FRAME: Rgb<u8> = Rgb([218, 220, 224]);
const INK: Rgb<u8> = Rgb([32, 33, 36]);
const GREY: Rgb<u8> = Rgb([95, 99, 104]);

const TITLE: Style = Style { bold: true, line: 30, color: INK };
const NAME: Style = Style { bold: true, line: 20, color: INK };
const DETAIL: Style = Style { bold: false, line: 19, color: GREY };

/// One picture of a [`Grid`], with its caption.
#[derive(Clone, Debug)]
pub struct Panel {
    picture: RgbImage,
    name: String,
    detail: String,
}

impl Panel {
    /// A picture and its name, such as the method's. Small pictures are [enlarged](enlarge), very large ones reduced.
    #[must_use]
    pub fn new(picture: RgbImage, name: impl Into<String>) -> Self {
        Self { picture, name: name.into(), detail: String::new() }
    }

    /// Adds a detail in smaller letters under the name.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The picture, the name, and the detail, empty if there is none.
    #[must_use]
    pub fn parts(&self) -> (&RgbImage, &str, &str) {
        (&self.picture, &self.name, &self.detail)
    }

    /// The same panel with its picture changed.
    #[must_use]
    pub fn map(self, change: impl FnOnce(RgbImage) -> RgbImage) -> Self {
        Self { picture: change(self.picture), ..self }
    }

    fn fitted(&self) -> Cow<'_, RgbImage> {
        let (width, height) = self.picture.dimensions();
        let longer = width.max(height);
        if longer <= LARGEST {
            return if enlargement(width, height) == 1 {
                Cow::Borrowed(&self.picture)
            } else {
                Cow::Owned(enlarge(&self.picture))
            };
        }
        let reduced = |side: u32| (u64::from(side) * u64::from(LARGEST) / u64::from(longer)).max(1) as u32;
        Cow::Owned(imageops::resize(&self.picture, reduced(width), reduced(height), FilterType::Triangle))
    }

    /// The lines under a picture of this width.
    fn caption(&self, width: u32) -> impl Iterator<Item = (Style, String)> {
        let lines = |style: Style, text| style.wrap(text, width, 2).into_iter().map(move |line| (style, line));
        lines(NAME, &self.name).chain(lines(DETAIL, &self.detail))
    }

    fn caption_height(&self, width: u32) -> u32 {
        self.caption(width).map(|(style, _)| style.line).sum()
    }
}

/// A bar under the grid that explains the colours.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Legend {
    palette: Palette,
    /// The meanings of the lower and the upper end.
    ends: [&'static str; 2],
}

impl Legend {
    fn width(self) -> u32 {
        let [from, to] = self.ends;
        DETAIL.width(from) + NEAR + BAR.0 + NEAR + DETAIL.width(to)
    }

    fn draw(self, sheet: &mut RgbImage, left: u32, top: u32) {
        let [from, to] = self.ends;
        DETAIL.draw(sheet, left, top, from);
        let bar = RgbImage::from_fn(BAR.0, BAR.1, |x, _| self.palette.at(x as f32 / (BAR.0 - 1) as f32));
        let left = left + DETAIL.width(from) + NEAR;
        place(sheet, &bar, left, top + (DETAIL.line - BAR.1) / 2);
        DETAIL.draw(sheet, left + BAR.0 + NEAR, top, to);
    }
}

/// Rows of panels on white paper. The columns have equal widths, the cells of a row equal heights, and captions are
/// below.
///
/// Long text is broken at spaces, and cut off with "…" after the second line.
///
/// ```
/// use attribution::render::{Grid, Panel};
/// use image::RgbImage;
///
/// let coat = RgbImage::new(28, 28);
/// let sheet = Grid::new()
///     .title("coat")
///     .row("layer conv4", vec![Panel::new(coat.clone(), "input"), Panel::new(coat, "Grad-CAM").detail("IoU 0.61")])
///     .draw();
/// assert!(sheet.width() > 2 * 224);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Grid {
    title: String,
    rows: Vec<(String, Vec<Panel>)>,
    legends: Vec<Legend>,
}

impl Grid {
    /// A grid without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line above all rows.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Adds a row, with a label to its left (none if empty).
    #[must_use]
    pub fn row(mut self, label: impl Into<String>, panels: Vec<Panel>) -> Self {
        self.rows.push((label.into(), panels));
        self
    }

    /// Adds a legend below all rows: a palette, and the meanings of its lower and upper end. Duplicates are ignored.
    #[must_use]
    pub fn legend(mut self, palette: Palette, ends: [&'static str; 2]) -> Self {
        let legend = Legend { palette, ends };
        if !self.legends.contains(&legend) {
            self.legends.push(legend);
        }
        self
    }

    /// Draws the sheet.
    #[must_use]
    pub fn draw(&self) -> RgbImage {
        let drawn = self.rows.iter().flat_map(|(_, panels)| panels);
        let cell = drawn.map(|panel| panel.fitted().width()).max().unwrap_or(0);
        let rows: Vec<Row> = self.rows.iter().map(|(label, panels)| Row::new(label, panels, cell)).collect();
        let label = rows.iter().flat_map(|row| &row.label).map(|line| NAME.width(line) + GAP).max().unwrap_or(0);
        let columns = self.rows.iter().map(|(_, panels)| panels.len()).max().unwrap_or(0) as u32;
        let panels = (columns * (cell + GAP)).saturating_sub(GAP);
        let legends = self.legends.iter().map(|legend| legend.width() + 2 * GAP).sum::<u32>().saturating_sub(2 * GAP);
        let width = (label + panels).max(legends).max(2 * LABEL);
        let title = TITLE.wrap(&self.title, width, 2);

        // An empty block has no gap either.
        let block = |height: u32| if height == 0 { 0 } else { height + GAP };
        let title_height = block(title.len() as u32 * TITLE.line);
        let rows_height: u32 = rows.iter().map(|row| block(row.height())).sum();
        let legends_height = block(if self.legends.is_empty() { 0 } else { DETAIL.line });
        let height = (title_height + rows_height + legends_height).saturating_sub(GAP);

        let mut sheet = RgbImage::from_pixel(width + 2 * MARGIN, height + 2 * MARGIN, PAPER);
        TITLE.draw_lines(&mut sheet, MARGIN, MARGIN, &title);
        let mut top = MARGIN + title_height;
        for row in &rows {
            row.draw(&mut sheet, top, MARGIN + label, cell);
            top += block(row.height());
        }
        let mut left = MARGIN + label.min(width - legends);
        for legend in &self.legends {
            legend.draw(&mut sheet, left, top);
            left += legend.width() + 2 * GAP;
        }
        sheet
    }
}

/// A row with its heights.
struct Row<'a> {
    label: Vec<String>,
    panels: Vec<(&'a Panel, Cow<'a, RgbImage>)>,
    /// Height of the highest picture.
    pictures: u32,
    /// Height of the highest caption.
    captions: u32,
}

impl<'a> Row<'a> {
    fn new(label: &str, panels: &'a [Panel], cell: u32) -> Self {
        let panels: Vec<_> = panels.iter().map(|panel| (panel, panel.fitted())).collect();
        let pictures = panels.iter().map(|(_, picture)| picture.height()).max().unwrap_or(0);
        let captions = panels.iter().map(|(panel, _)| panel.caption_height(cell)).max().unwrap_or(0);
        Self { label: NAME.wrap(label, LABEL, 3), panels, pictures, captions }
    }

    fn label_height(&self) -> u32 {
        self.label.len() as u32 * NAME.line
    }

    fn height(&self) -> u32 {
        (self.pictures + NEAR + self.captions).max(self.label_height())
    }

    fn draw(&self, sheet: &mut RgbImage, top: u32, mut left: u32, cell: u32) {
        NAME.draw_lines(sheet, MARGIN, top + self.pictures.saturating_sub(self.label_height()) / 2, &self.label);
        for (panel, picture) in &self.panels {
            place(sheet, picture, left, top + (self.pictures - picture.height()) / 2);
            let mut line_top = top + self.pictures + NEAR;
            for (style, line) in panel.caption(cell) {
                style.draw(sheet, left, line_top, &line);
                line_top += style.line;
            }
            left += cell + GAP;
        }
    }
}

/// Draws a picture on the sheet, with a hairline around it because maps are often white at the edge.
fn place(sheet: &mut RgbImage, picture: &RgbImage, left: u32, top: u32) {
    let framed = RgbImage::from_pixel(picture.width() + 2, picture.height() + 2, FRAME);
    imageops::replace(sheet, &framed, i64::from(left) - 1, i64::from(top) - 1);
    imageops::replace(sheet, picture, left.into(), top.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(width: u32, height: u32, color: [u8; 3]) -> Panel {
        Panel::new(RgbImage::from_pixel(width, height, Rgb(color)), "")
    }

    #[test]
    fn cells_are_equal_and_margins_too() {
        let sheet = Grid::new()
            .row("", vec![panel(28, 28, [255, 0, 0]), panel(28, 28, [0, 255, 0])])
            .row("", vec![panel(28, 28, [0, 0, 255])])
            .draw();
        assert_eq!(sheet.dimensions(), (2 * MARGIN + 2 * 224 + GAP, 2 * MARGIN + 2 * (224 + NEAR) + GAP));
        let bounds = |color: [u8; 3]| {
            let found: Vec<_> =
                sheet.enumerate_pixels().filter(|(_, _, p)| p.0 == color).map(|(x, y, _)| (x, y)).collect();
            (found.len(), found[0])
        };
        assert_eq!(bounds([255, 0, 0]), (224 * 224, (MARGIN, MARGIN)));
        assert_eq!(bounds([0, 255, 0]), (224 * 224, (MARGIN + 224 + GAP, MARGIN)));
        assert_eq!(bounds([0, 0, 255]), (224 * 224, (MARGIN, MARGIN + 224 + NEAR + GAP)));
    }

    #[test]
    fn a_lower_picture_stands_halfway_and_its_row_is_as_high_as_it_must() {
        let sheet = Grid::new().row("", vec![panel(300, 300, [1, 1, 1]), panel(250, 200, [9, 9, 9])]);
        let sheet = sheet.row("", vec![panel(300, 100, [1, 1, 1])]).draw();
        assert_eq!(sheet.height(), 2 * MARGIN + 300 + 100 + 2 * NEAR + GAP);
        let first = sheet.enumerate_pixels().find(|(_, _, p)| p.0 == [9, 9, 9]).map(|(x, y, _)| (x, y));
        assert_eq!(first, Some((MARGIN + 300 + GAP, MARGIN + 50)));
    }

    #[test]
    fn large_pictures_are_reduced() {
        let sheet = Grid::new().row("", vec![panel(2000, 1000, [7, 7, 7])]).draw();
        let area = sheet.pixels().filter(|p| p.0 == [7, 7, 7]).count() as u32;
        assert_eq!(area, LARGEST * LARGEST / 2);
    }

    #[test]
    fn a_caption_adds_lines_and_a_long_one_no_more_than_two() {
        let height = |name: &str, detail: &str| {
            let named = Panel { name: name.into(), ..panel(200, 200, [0, 0, 0]) };
            Grid::new().row("", vec![named.detail(detail)]).draw().height()
        };
        let bare = height("", "");
        assert_eq!(height("CAM", ""), bare + NAME.line);
        assert_eq!(height("CAM", "IoU"), bare + NAME.line + DETAIL.line);
        assert_eq!(height(&"long name ".repeat(99), &"y".repeat(999)), bare + 2 * NAME.line + DETAIL.line);
    }

    #[test]
    fn a_legend_shows_both_ends_of_its_colours() {
        let sheet =
            || Grid::new().row("", vec![panel(200, 200, [0, 0, 0])]).legend(Palette::Signed, ["against", "for"]);
        let sheet = sheet().legend(Palette::Signed, ["against", "for"]).draw();
        for end in [-1.0, 0.0, 1.0] {
            let near = |p: &Rgb<u8>| p.0.iter().zip(Palette::Signed.color(end).0).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(sheet.pixels().any(near), "{end}");
        }
    }

    #[test]
    fn an_empty_grid_is_blank_paper() {
        assert!(Grid::new().draw().pixels().all(|&pixel| pixel == PAPER));
        let odd = Grid::new().title("t").row("a label", vec![]).row("", vec![panel(0, 0, [0; 3])]);
        assert!(odd.legend(Palette::Strength, ["no evidence", "strongest"]).draw().height() > 2 * MARGIN);
    }
}
