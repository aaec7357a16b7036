//! Sortable tables of figures.

use maud::{Markup, html};
use nn::train::Confusion;

/// A figure as text, and the value by which its column is sorted.
pub(crate) struct Figure {
    pub(crate) shown: String,
    pub(crate) value: f64,
}

/// A table with a name and figures on each line.
pub(crate) struct Table {
    pub(crate) caption: String,
    /// The heading of the first column.
    pub(crate) subject: &'static str,
    pub(crate) heads: Vec<String>,
    pub(crate) rows: Vec<(String, Vec<Option<Figure>>)>,
}

impl Table {
    pub(super) fn markup(&self) -> Markup {
        html! {
            (framed(&self.caption, html! {
                table.sortable aria-label=(self.caption) {
                    thead { tr {
                        th scope="col" { button type="button" { (self.subject) } }
                        @for head in &self.heads { th scope="col" { button type="button" { (head) } } }
                    } }
                    tbody {
                        @for (name, figures) in &self.rows {
                            tr {
                                th scope="row" { (name) }
                                @for figure in figures {
                                    @match figure {
                                        Some(figure) => td data-value=(figure.value) { (figure.shown) },
                                        None => td { "–" },
                                    }
                                }
                            }
                        }
                    }
                }
            }))
        }
    }
}

/// Limit on the classes of a confusion matrix; a larger one would be illegible.
const READABLE: usize = 40;
const CONFUSION: &str =
    "A row for each true class, a column for each predicted class; counts, shaded by their share of the row.";
/// Number of shades of a cell.
const SHADES: usize = 8;

/// The confusion matrix: a row for each true class, a column for each predicted class. `None` if there are too many
/// classes.
pub(super) fn confusion(confusion: &Confusion) -> Option<Markup> {
    let names = confusion.names();
    let markup = html! {
        (framed(CONFUSION, html! {
            table.confusion aria-label="Confusion matrix" {
                thead { tr {
                    td {}
                    @for name in names { th scope="col" { span { (name) } } }
                } }
                tbody {
                    @for (truth, name) in names.iter().enumerate() {
                        @let all = confusion.support(truth).max(1);
                        tr {
                            th scope="row" { (name) }
                            @for count in (0..names.len()).map(|predicted| confusion.count(truth, predicted)) {
                                td class=(format!("shade-{}", (count * SHADES).div_ceil(all))) { (count) }
                            }
                        }
                    }
                }
            }
        }))
    };
    (names.len() <= READABLE).then_some(markup)
}

/// A table under its caption, in a frame that scrolls if the table is wider than the page.
fn framed(caption: &str, table: Markup) -> Markup {
    html! {
        figure.table {
            figcaption { (caption) }
            div.scroll role="region" tabindex="0" aria-label=(caption) { (table) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_the_value_they_are_sorted_by() {
        let figure = Figure { shown: "85.3 ± 2.1".into(), value: 0.853 };
        let rows = vec![("<i>CAM</i>".to_string(), vec![Some(figure), None])];
        let table = Table { caption: "a".into(), subject: "method", heads: vec!["b".into(), "c".into()], rows };
        let markup = table.markup().into_string();
        assert!(markup.contains(r#"<td data-value="0.853">85.3 ± 2.1</td><td>–</td>"#), "{markup}");
        assert!(markup.contains("&lt;i&gt;CAM&lt;/i&gt;") && !markup.contains("<i>"), "{markup}");
    }

    #[test]
    fn confusions_are_counted_and_shaded_by_the_row() {
        let mut counts = Confusion::new(vec!["coat".to_string(), "shirt".into()]);
        for (truth, predicted) in [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1)] {
            counts.add(truth, predicted);
        }
        let markup = confusion(&counts).unwrap().into_string();
        let row = r#"<td class="shade-6">3</td><td class="shade-2">1</td></tr>"#;
        assert!(markup.contains(row), "{markup}");
        assert!(markup.contains(r#"<td class="shade-0">0</td><td class="shade-8">1</td></tr>"#), "{markup}");
    }
}
