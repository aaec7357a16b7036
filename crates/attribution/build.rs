//! Turns the chapters' LaTeX into MathML, which browsers render by themselves: offline, and without JavaScript.
//!
//! The chapters are `docs/*.md`. A formula stands between two `$` on one line, or in lines of its own between two lines
//! `$$`. Code, in blocks and in spans, is left alone. A formula that can't be read stops the build and is named. A picture on a
//! line of its own, `![words](name.png)`, is put into the page. So is a figure, `![caption](figures/name.svg)`, with its caption
//! below; `tests/figures` draws it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, RenderConfig, Storage, push_mathml};

/// Alignment within formulas, and a font for them where there is one. Formulas stick out of their lines a little, which must
/// not give the lines scroll bars.
const STYLE: &str = "\n\n<style>\
    .docblock p, .docblock li, .docblock td { overflow: visible !important; }\
    .docblock .formula { overflow: auto hidden !important; padding: 0.3em 0; margin-bottom: 0.75em; }\
    figure.drawn { margin: 1.2em 0; text-align: center; }\
    figure.drawn svg { max-width: 100%; height: auto; }\
    figure.drawn figcaption { font-size: 0.9em; }\
    math { font-family: 'STIX Two Math', 'Latin Modern Math', 'Cambria Math', 'STIX Math', 'DejaVu Math TeX Gyre', math; }\
    .formula mtable { math-style: normal; }\
    mtd { padding: 0.2em 0; }\
    .menv-alignlike > mtr > mtd:nth-child(odd) { text-align: right; text-align: -webkit-right; text-align: -moz-right; }\
    .menv-alignlike > mtr > mtd:nth-child(even), .menv-cells-left > mtr > mtd { text-align: left; text-align: -webkit-left; }\
    .menv-alignlike > mtr > mtd:nth-child(2n + 3), .menv-cells-left > mtr > mtd:nth-child(2) { padding-left: 1.5em; }\
    </style>\n";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=docs");
    let output = PathBuf::from(env::var("OUT_DIR")?);
    for entry in fs::read_dir("docs")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().ok_or("a file without a name")?;
            fs::write(output.join(name), chapter(&path)?)?;
        }
    }
    Ok(())
}

/// A chapter with its formulas in MathML.
fn chapter(path: &Path) -> Result<String> {
    let (mut result, mut formula) = (String::new(), None);
    let mut in_code = false;
    for (number, line) in fs::read_to_string(path)?.lines().enumerate() {
        let named = |error: Box<dyn Error>| format!("{}:{}: {error}", path.display(), number + 1);
        let fence = line.trim_start().starts_with("```");
        match (&mut formula, line.trim()) {
            (None, _) if in_code || fence => {
                in_code ^= fence;
                result += line;
            }
            (None, "$$") => formula = Some(String::new()),
            (None, line) if line.starts_with("![") => result += &illustration(line, path).map_err(named)?,
            (None, _) => result += &text(line).map_err(named)?,
            (Some(latex), "$$") => {
                // A block element of its own, which Markdown hands on as it is.
                result +=
                    &format!("<div class=\"formula\">{}</div>", mathml(latex, DisplayMode::Block).map_err(named)?);
                formula = None;
            }
            (Some(latex), part) => *latex += &format!("{part} "),
        }
        result.push('\n');
    }
    match (formula, in_code) {
        (None, false) => Ok(result + STYLE),
        _ => Err(format!("{}: a formula or a code block isn't closed", path.display()).into()),
    }
}

/// A picture `![text](file.png)` with the file's content instead of its name, or a figure `![caption](file.svg)`.
fn illustration(line: &str, chapter: &Path) -> Result<String> {
    let (words, file) =
        line.strip_suffix(')').and_then(|line| line.split_once("](")).ok_or("a picture isn't closed")?;
    let path = chapter.with_file_name(file);
    if !file.ends_with(".svg") {
        let content = fs::read(path).map_err(|error| format!("{file}: {error}"))?;
        return Ok(format!("{words}](data:image/png;base64,{})", STANDARD.encode(content)));
    }
    // A new figure is drawn by a test, which needs this crate.
    let drawing = fs::read_to_string(path).unwrap_or_else(|error| {
        println!("cargo::warning={file}: {error}; `BLESS=1 cargo test -p glassbox --test book` draws it");
        String::new()
    });
    // In the page itself a drawing takes the colour of the text. The caption is Markdown, between two blocks of HTML.
    let caption = text(words.trim_start_matches("!["))?;
    Ok(format!("<figure class=\"drawn\">\n{drawing}<figcaption>\n\n{caption}\n\n</figcaption></figure>\n"))
}

/// A line of text with its formulas in MathML.
fn text(line: &str) -> Result<String> {
    let (mut result, mut rest) = (String::new(), line);
    while let Some(start) = rest.find(['`', '$']) {
        let (before, from) = rest.split_at(start);
        let mark = &from[..from.len() - from.trim_start_matches(&from[..1]).len()];
        let inside = &from[mark.len()..];
        let end = inside.find(mark).ok_or_else(|| format!("`{mark}` isn't closed on its line"))?;
        result += before;
        if mark == "$" {
            result += &escaped(&mathml(&inside[..end], DisplayMode::Inline)?);
            if inside[end + 1..].starts_with([',', '.', ';', ':', ')']) {
                result.push('\u{2060}'); // a word joiner: no line begins with the comma
            }
        } else {
            result += &from[..end + 2 * mark.len()];
        }
        rest = &inside[end + mark.len()..];
    }
    Ok(result + rest)
}

fn mathml(latex: &str, display_mode: DisplayMode) -> Result<String> {
    let storage = Storage::new();
    let events = Parser::new(latex, &storage).collect::<std::result::Result<Vec<_>, _>>();
    let events = events.map_err(|error| format!("{latex}: {error}"))?;
    let mut result = String::new();
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    push_mathml(&mut result, events.into_iter().map(Ok::<_, std::fmt::Error>), config)?;
    if result.contains('\\') {
        return Err(format!("{latex}: a command isn't understood, and stands there as it is").into());
    }
    Ok(result.replace('\n', " "))
}

/// With the characters that mean something to Markdown as character references.
fn escaped(mathml: &str) -> String {
    let reference = |c: char| match c {
        '*' | '_' | '[' | ']' | '\\' | '`' | '|' | '~' | '\'' | '-' | '.' | '!' | '^' => format!("&#{};", u32::from(c)),
        _ => c.to_string(),
    };
    // Inside tags there are attributes, which Markdown doesn't read.
    let mut in_tag = false;
    let part = |c: char| {
        in_tag = c == '<' || in_tag && c != '>';
        if in_tag { c.to_string() } else { reference(c) }
    };
    mathml.chars().map(part).collect()
}
