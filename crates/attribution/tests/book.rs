//! The chapters cover what there is, and their formulas reach the page.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Whether the section links to this, and has a displayed formula and a tested example.
fn derives(section: &str, link: &str) -> bool {
    let targets = [format!("]({link})"), format!("]({link}())")];
    targets.iter().any(|target| section.contains(target)) && section.contains("\n$$\n") && section.contains("\n```\n")
}

/// What a module's source exports, except how layers are described and applied, and errors.
fn exports(module: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(module).join("mod.rs");
    let source = fs::read_to_string(path).unwrap();
    let uses = source.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let others = ["apply", "error", "kind", "layer", "measure", "parameter", "refusal", "run", "settings"];
    let uses = uses.filter(|path| !others.contains(&path.split("::").next().unwrap()));
    let names = uses.flat_map(|path| path.rsplit("::").next().unwrap().split([',', '{', '}']));
    names.map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect()
}

/// What is public and computes something, as the chapters link to it.
fn links() -> Vec<String> {
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
        let names = names.into_iter().filter(|name| name.contains(|c: char| c.is_lowercase()));
        names.map(move |name| format!("{path}::{name}"))
    });
    links.collect()
}

#[test]
fn every_operation_has_a_section_with_a_formula_and_a_tested_example() {
    let sections: Vec<String> = chapters().iter().flat_map(|(_, chapter)| sections(chapter)).collect();
    let is_derived = |link: &String| sections.iter().any(|section| derives(section, link));
    let missing: Vec<String> = links().into_iter().filter(|link| !is_derived(link)).collect();
    assert!(missing.is_empty(), "no section links to these, and has a formula and an example: {missing:#?}");
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
        let is_derived = sections(chapter).iter().any(|section| derives(section, &link));
        assert!(is_derived, "no section of {named} links to {link}, and has a formula and an example");
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
