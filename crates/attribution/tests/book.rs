//! The chapters cover what there is, and their formulas and figures reach the page.

mod figures;
mod open_tasks;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The sources of the chapters and of the front page, with their names.
fn chapters() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    let is_chapter = |name: &str| name.ends_with(".md") && (name.starts_with("chapter_") || name == "book.md");
    let mut chapters: Vec<_> = files
        .filter(|path| is_chapter(&name(path)))
        .map(|path| (name(&path), fs::read_to_string(path).unwrap()))
        .collect();
    chapters.sort();
    chapters
}

/// The lines of a chapter, each with whether it belongs to a block of code (its fences included).
fn lines(chapter: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut inside = false;
    chapter.lines().map(move |line| {
        let fence = line.trim_start().starts_with("```");
        let code = inside || fence;
        inside ^= fence;
        (code, line)
    })
}

/// The parts of a chapter between headings.
fn sections(chapter: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for (code, line) in lines(chapter) {
        if !code && line.starts_with('#') {
            sections.push(String::new());
        }
        let section = sections.last_mut().unwrap();
        *section += line;
        section.push('\n');
    }
    sections
}

/// Whether the section shows a figure that the book's own code draws.
fn shows(section: &str) -> bool {
    section.contains("](figures/")
}

/// Whether the section links to this, and has a displayed formula and a tested example.
fn derives(section: &str, link: &str) -> bool {
    let targets = [format!("]({link})"), format!("]({link}())")];
    targets.iter().any(|target| section.contains(target)) && section.contains("\n$$\n") && section.contains("\n```\n")
}

/// What a module's source exports, each with the file or folder that it comes from; except how layers are described and applied,
/// and errors.
fn exports(module: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(module);
    let source = fs::read_to_string(folder.join("mod.rs")).unwrap();
    let uses = source.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let others = ["apply", "error", "kind", "layer", "measure", "parameter", "refusal", "run", "settings"];
    let exported = uses.flat_map(|path| {
        let (from, names) = path.split_once("::").unwrap();
        let names = names.rsplit("::").next().unwrap().split([',', '{', '}']).map(str::trim);
        names.map(|name| (from.to_string(), name.to_string())).collect::<Vec<_>>()
    });
    let wanted = exported.filter(|(from, name)| !others.contains(&from.as_str()) && !name.is_empty());
    wanted.map(|(from, name)| (folder.join(from), name)).collect()
}

/// Whether a layer's source speaks of windows: it reads several places of a picture for one.
fn has_windows(source: &Path) -> bool {
    let file = source.with_extension("rs");
    let folder = fs::read_dir(source).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files =
        folder.chain(file.exists().then_some(file)).filter(|path| path.is_file() && !path.ends_with("tests.rs"));
    files.any(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.contains("window") || text.contains("Reach::Scaled")
    })
}

/// What is public and computes something, as the chapters link to it, and whether it must be shown in a figure as well: methods,
/// measures, and layers with windows.
fn links() -> Vec<(String, bool)> {
    let modules = [
        ("tensor/src/ops", "tensor::ops"),
        ("nn/src/layers", "nn::layers"),
        ("nn/src/losses", "nn::losses"),
        ("attribution/src/methods", "crate::methods"),
        ("attribution/src/rules", "crate::rules"),
        ("attribution/src/measures", "crate::measures"),
    ];
    let links = modules.iter().flat_map(|(module, path)| {
        let names = exports(module);
        assert!(names.len() > 1, "{module}: {names:?}");
        // Constants are settings of what is listed anyway.
        let names = names.into_iter().filter(|(_, name)| name.contains(|c: char| c.is_lowercase()));
        names.map(move |(source, name)| {
            let is_shown = match *path {
                "crate::methods" | "crate::measures" => true,
                "nn::layers" => has_windows(&source),
                _ => false,
            };
            (format!("{path}::{name}"), is_shown)
        })
    });
    links.collect()
}

#[test]
fn every_operation_has_a_section_with_a_formula_a_tested_example_and_a_figure_of_its_windows() {
    let sections: Vec<String> = chapters().iter().flat_map(|(_, chapter)| sections(chapter)).collect();
    let links = links();
    let shown = links.iter().filter(|(_, is_shown)| *is_shown).count();
    assert!(shown > 40 && shown < links.len(), "{shown} of {}", links.len());
    let is_derived = |(link, is_shown): &(String, bool)| {
        sections.iter().any(|section| derives(section, link) && (!is_shown || shows(section)))
    };
    let missing: Vec<(String, bool)> = links.into_iter().filter(|link| !is_derived(link)).collect();
    assert!(
        missing.is_empty(),
        "no section links to these, and has a formula, an example and, where true, a figure: {missing:#?}"
    );
}

#[test]
fn every_method_has_a_section_in_the_chapter_that_it_names() {
    let chapters: HashMap<String, String> = chapters().into_iter().collect();
    let methods = attribution::methods::all::<f32>();
    assert!(!methods.is_empty());
    for method in methods {
        let debug = format!("{method:?}");
        let name = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        let named = method.about().chapter;
        let chapter = chapters.get(&format!("{named}.md")).unwrap_or_else(|| panic!("{name} names {named}"));
        let link = format!("crate::methods::{name}");
        let is_derived = sections(chapter).iter().any(|section| derives(section, &link) && shows(section));
        assert!(is_derived, "no section of {named} links to {link}, and has a formula, an example and a figure");
    }
}

#[test]
fn the_front_page_lists_every_chapter() {
    let chapters = chapters();
    let (_, front) = chapters.iter().find(|(name, _)| name == "book.md").unwrap();
    for (name, _) in chapters.iter().filter(|(name, _)| name != "book.md") {
        let link = format!("]({})", name.strip_suffix(".md").unwrap());
        assert!(front.contains(&link), "{name}");
    }
}

#[test]
fn every_exercise_has_an_answer_that_is_tested() {
    for (name, chapter) in chapters() {
        let mut exercises = 0;
        // `None` until the exercise is answered, then whether the answer still lacks code.
        let mut lacks_code = None;
        for (code, line) in lines(&chapter) {
            if code {
                lacks_code = lacks_code.map(|_| false);
                continue;
            }
            let number = line.strip_prefix("**").and_then(|rest| rest.split_once(".**")).map(|(number, _)| number);
            if let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) {
                assert_ne!(lacks_code, Some(true), "{name}: the answer before exercise {number} isn't tested");
                assert!(exercises == 0 || lacks_code.is_some(), "{name}: exercise {exercises} has no answer");
                exercises += 1;
                assert_eq!(number, exercises, "{name}: exercises are numbered in order");
                lacks_code = None;
            }
            for _ in line.matches("*Answer:*") {
                assert!(exercises > 0 && lacks_code.is_none(), "{name}: an answer belongs to no exercise: {line}");
                lacks_code = Some(true);
            }
        }
        assert!(exercises == 0 || lacks_code == Some(false), "{name}: exercise {exercises} isn't answered and tested");
        assert_eq!(exercises >= 2, name != "book.md", "{name}: {exercises} exercises");
    }
}

#[test]
fn formulas_become_mathml_and_code_stays() {
    for (name, source) in chapters() {
        let page = fs::read_to_string(PathBuf::from(env!("OUT_DIR")).join(&name)).unwrap();
        let code =
            |text: &str| lines(text).filter(|(code, _)| *code).map(|(_, line)| line.to_string()).collect::<Vec<_>>();
        assert_eq!(code(&page), code(&source), "{name}");

        let outside = |text: &str| -> String {
            lines(text).filter(|(code, _)| !code).map(|(_, line)| format!("{line}\n")).collect()
        };
        // Code spans are what stands between backticks, every other part.
        let prose = |text: &str| outside(text).split('`').step_by(2).collect::<String>();
        assert!(!prose(&page).contains('$'), "{name}: a dollar sign reaches the page");
        let displayed = prose(&source).matches("\n$$\n").count() / 2;
        let inline = prose(&source).replace("$$", "").matches('$').count() / 2;
        assert_eq!(page.matches("<math display=\"block\"").count(), displayed, "{name}");
        assert_eq!(page.matches("<math").count(), displayed + inline, "{name}");
        assert!(!page.contains("<merror"), "{name}");
    }
}

#[test]
fn the_other_crates_front_pages_name_chapters_that_exist() {
    let chapters = chapters();
    let headings: Vec<&str> =
        chapters.iter().flat_map(|(_, text)| text.lines()).filter_map(|line| line.strip_prefix("# ")).collect();
    for module in ["tensor", "nn"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(module).join("src/lib.rs");
        let source = fs::read_to_string(path).unwrap();
        let named: Vec<&str> = source.split("\n//! - *").skip(1).map(|rest| rest.split('*').next().unwrap()).collect();
        assert!(!named.is_empty(), "{module}");
        for chapter in named {
            assert!(headings.contains(&chapter), "{module} names {chapter}");
        }
    }
}

/// The figures as they are drawn now, by their names.
static FIGURES: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let all = figures::all();
    let named: BTreeMap<&str, String> = all.iter().map(|figure| (figure.name, figure.svg())).collect();
    assert_eq!(named.len(), all.len(), "two figures have one name");
    named
});

fn figures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures")
}

#[test]
fn the_figures_are_what_their_code_draws() {
    let is_blessed = std::env::var("BLESS").is_ok_and(|bless| bless == "1");
    for (name, svg) in FIGURES.iter() {
        let path = figures_folder().join(format!("{name}.svg"));
        if is_blessed {
            fs::write(&path, svg).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == *svg, "{name}.svg is another; if that is right, run this test with BLESS=1");
    }
    for entry in fs::read_dir(figures_folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(FIGURES.contains_key(file.trim_end_matches(".svg")), "no code draws docs/figures/{file}");
    }
}

#[test]
fn every_figure_is_shown_once() {
    let chapters = chapters();
    assert!(FIGURES.len() >= 40, "{} figures", FIGURES.len());
    for name in FIGURES.keys() {
        let shown: usize =
            chapters.iter().map(|(_, text)| text.matches(&format!("](figures/{name}.svg)")).count()).sum();
        assert_eq!(shown, 1, "{name}");
    }
}

#[test]
fn figures_fit_both_themes_and_speak_to_all_readers() {
    for (name, svg) in FIGURES.iter() {
        assert!(svg.len() < 60_000, "{name}: {} bytes", svg.len());
        assert!(svg.contains("role=\"img\"") && svg.contains("fill=\"currentColor\""), "{name}");
        let part = |tag: &str| svg.split_once(&format!("<{tag} id=")).unwrap().1.split_once("</").unwrap().0.len();
        assert!(part("title") > 20 && part("desc") > 80, "{name}: it isn't described");
        // Black, white and greys would vanish in one of the themes. A blank line would end the block of HTML.
        for colour in ["\"black", "\"white", "\"#000", "\"#fff", "<style", "@font-face", "\n\n", "NaN", "$", "`"] {
            assert!(!svg.contains(colour), "{name}: {colour}");
        }
    }
}

#[test]
fn every_chapter_ends_with_an_open_task() {
    let tasks = open_tasks::all();
    for (name, chapter) in chapters().iter().filter(|(name, _)| name != "book.md") {
        let task = tasks
            .iter()
            .find(|task| format!("{}.md", task.chapter) == *name)
            .unwrap_or_else(|| panic!("{name} has none"));
        let last = sections(chapter).pop().unwrap();
        assert!(last.starts_with("## An open task\n") && last.contains(&format!("`{}`", task.name)), "{name}: {last}");
    }
}
