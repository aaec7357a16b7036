//! The skeleton of the page. All external text is escaped by `maud`, or is in a block of JSON that the script displays
//! as text.

use attribution::Quantity;
use attribution::render::{OPACITY, Palette};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::entry::Choice;
use super::{Page, Shown};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(include_str!("pure.js"), include_str!("page.js"));
/// Number of steps in a palette.
const COLOURS: usize = 256;

pub(super) fn page(page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(format!("glassbox {}", page.command));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy());
                title { (page.title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the pictures" }
                (header(page))
                main #main {
                    @if page.is_empty() { p { "There are no pictures in this report." } }
                    @if !page.gallery.is_empty() { (pictures(page)) }
                    @for (heading, anchor, content) in &page.sections {
                        section id=(anchor) aria-labelledby=(format!("{anchor}-heading")) {
                            h2 id=(format!("{anchor}-heading")) { (heading) }
                            (content)
                        }
                    }
                    (methods(&page.methods))
                }
                footer { "Written by Glassbox " (env!("CARGO_PKG_VERSION")) ". Everything is in this file; it loads nothing." }
                script type="application/json" #shared { (PreEscaped(shared(&page.methods))) }
                @for (index, data) in page.data.iter().enumerate() {
                    script type="application/json" id=(format!("entry-{index}")) { (PreEscaped(data)) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// The content security policy: no requests, and no code except the page's own, which is identified by its hash.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src {}; script-src {}",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn header(page: &Page) -> Markup {
    html! {
        header {
            h1 { (page.title) }
            dl.facts { @for (name, value) in &page.facts { div { dt { (name) } dd { (value) } } } }
            nav aria-label="Sections" { ul {
                @if !page.gallery.is_empty() { li { a href="#pictures" { "Pictures" } } }
                @for (heading, anchor, _) in &page.sections { li { a href=(format!("#{anchor}")) { (heading) } } }
                @if !page.methods.is_empty() { li { a href="#methods" { "Methods" } } }
            } }
        }
    }
}

fn pictures(page: &Page) -> Markup {
    html! {
        section #pictures aria-labelledby="pictures-heading" {
            h2 #pictures-heading { "Pictures" }
            noscript { p.notice { "The maps are drawn by this page's own script, which is switched off here." } }
            fieldset.gallery { legend.unseen { "Picture" } div { @for choice in &page.gallery { (choice) } } }
            div.viewer {
                div.stage {
                    h3 #name {}
                    div.frame {
                        canvas #canvas tabindex="0" role="application" aria-label="The picture with the map over it"
                            aria-describedby="keys readout" {}
                        p #verdict.notice hidden {}
                    }
                    div.scale { span #least {} canvas #scale width=(COLOURS) height="1" aria-hidden="true" {} span #most {} }
                    output #readout for="canvas" {}
                    p #keys.quiet { "Point at the picture, or focus it and use the arrow keys; Home goes to the strongest cell." }
                }
                form #controls.controls {
                    fieldset { legend { "Method" } div #method.chips {} }
                    p #tells.quiet {}
                    label #for-layer { "Layer" select #layer {} }
                    label #for-class { "Class" select #class {} }
                    label { span { "Strength of the map " output #strength for="opacity" {} }
                        input #opacity type="range" min="0" max="100" step="1" value=((OPACITY * 100.0).round());
                    }
                    label.tick #for-signed { input #signed type="checkbox"; " Also show evidence against it" }
                    div #facts {}
                }
            }
        }
    }
}

/// A picture in the gallery.
pub(super) fn choice(entry: &Choice, index: usize) -> Markup {
    let (mark, judged) = match entry.right {
        Some(true) => ("✓ ", ", right"),
        Some(false) => ("✗ ", ", wrong"),
        None => ("", ""),
    };
    let (width, height) = entry.size;
    html! {
        label {
            input type="radio" name="picture" value=(index) checked[index == 0];
            img src=(entry.picture) alt="" width=(width) height=(height) loading="lazy" decoding="async";
            span.name { (entry.name) }
            span.answer { span aria-hidden="true" { (mark) } (entry.answer) span.unseen { (judged) } }
        }
    }
}

fn methods(methods: &[Shown]) -> Markup {
    html! {
        @if !methods.is_empty() {
            section #methods aria-labelledby="methods-heading" {
                h2 #methods-heading { "What the methods can tell" }
                dl.methods { @for Shown { title, about, .. } in methods {
                    div {
                        dt { (title) " (" (about.source) ")" }
                        dd { "Tells " (about.tells) "." }
                        dd { "Doesn't tell " (about.does_not_tell) "." }
                    }
                } }
            }
        }
    }
}

/// The data shared by all pictures, as JSON that is safe inside HTML.
fn shared(methods: &[Shown]) -> String {
    let colours = |palette: Palette| -> String {
        let at = |step: usize| palette.at(step as f32 / (COLOURS - 1) as f32).0.map(|v| format!("{v:02x}")).concat();
        (0..COLOURS).map(at).collect()
    };
    let method = |Shown { id, title, about }: &Shown| json!({ "id": id, "title": title, "can": about.tells, "cannot": about.does_not_tell });
    let quantity = |quantity: Quantity| json!({ "signed": quantity.is_signed(), "ends": quantity.ends() });
    let shared = json!({
        "strength": colours(Palette::Strength),
        "signed": colours(Palette::Signed),
        "quantities": {
            "evidence": quantity(Quantity::Evidence),
            "contribution": quantity(Quantity::Contribution),
            "sensitivity": quantity(Quantity::Sensitivity),
            "magnitude": quantity(Quantity::Magnitude),
        },
        "methods": methods.iter().map(method).collect::<Vec<_>>(),
    });
    shared.to_string().replace('<', "\\u003c")
}

pub(super) fn all(parts: impl Iterator<Item = Markup>) -> Markup {
    html! { @for part in parts { (part) } }
}

pub(super) fn side_by_side(parts: impl Iterator<Item = Markup>) -> Markup {
    html! { div.side-by-side { @for part in parts { (part) } } }
}

/// Columns of pictures, as `data:` URLs, each with its name.
pub(super) fn film(columns: &[(&str, String)]) -> Markup {
    html! {
        p.quiet { "What the network looked at in a few pictures (Grad-CAM of the true class), from left to right." }
        div.scroll.film role="region" tabindex="0" aria-label="What it looked at, epoch by epoch" {
            @for (name, column) in columns { figure { img src=(column) alt=(name); figcaption { (name) } } }
        }
    }
}

/// Rows of pictures, as `data:` URLs, each with its name, under a sentence.
pub(super) fn worst(rows: &[(&str, Vec<(&str, String)>)]) -> Markup {
    html! {
        p.quiet { "The pictures of each class whose map lies least on the object, worst first; the box is the object's." }
        @for (caption, pictures) in rows {
            p { (caption) }
            div.scroll.film role="region" tabindex="0" aria-label=(caption) {
                @for (name, picture) in pictures { figure { img src=(picture) alt=(name); figcaption { (name) } } }
            }
        }
    }
}

pub(super) fn lines(name: &str, text: &str) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-label=(name) { pre { (text) } } }
}

pub(super) fn with_notes(content: Markup, notes: &[&str]) -> Markup {
    html! { (content) @for note in notes { p.quiet { (note) } } }
}
