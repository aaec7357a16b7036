//! The chapters cover what there is, and their formulas reach the page.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources of the chapters, with their names.
fn chapters() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let chapters = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    chapters
        .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read_to_string(path).unwrap()))
        .collect()
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

/// What a module's source exports, except how layers are described and applied, and errors.
fn exports(module: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(module).join("mod.rs");
    let source = fs::read_to_string(path).unwrap();
    let uses = source.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let others = ["apply", "error", "kind", "layer", "parameter", "refusal", "run"];
    let uses = uses.filter(|path| !others.contains(&path.split("::").next().unwrap()));
    let names = uses.flat_map(|path| path.rsplit("::").next().unwrap().split([',', '{', '}']));
    names.map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect()
}

/// The public functions that the files of the methods give to a pass.
fn methods_of_a_pass() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/methods");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let sources = files.map(|path| fs::read_to_string(path).unwrap());
    let functions = |source: String| -> Vec<String> {
        let of_a_pass = source.split("\nimpl").filter(|part| part.lines().next().unwrap().contains("Pass<"));
        let starts = of_a_pass.flat_map(|part| part.split("\n    pub fn ").skip(1));
        starts.map(|rest| rest.split(['<', '(']).next().unwrap().to_string()).collect()
    };
    sources.flat_map(functions).collect()
}

/// What is public and computes something, as the chapters link to it.
fn links() -> Vec<String> {
    let modules = [
        ("tensor/src/ops", "tensor::ops"),
        ("nn/src/layers", "nn::layers"),
        ("nn/src/losses", "nn::losses"),
        ("attribution/src/methods", "crate::methods"),
        ("attribution/src/rules", "crate::rules"),
    ];
    let exported = modules.iter().flat_map(|(module, path)| {
        let names = exports(module);
        assert!(names.len() > 1, "{module}: {names:?}");
        names.into_iter().map(move |name| format!("{path}::{name}"))
    });
    let methods = methods_of_a_pass();
    assert!(methods.len() > 10, "{methods:?}");
    exported.chain(methods.into_iter().map(|name| format!("crate::Pass::{name}"))).collect()
}

#[test]
fn every_operation_and_method_has_a_section_with_a_formula_and_a_tested_example() {
    let chapters = chapters();
    let sections: Vec<String> = chapters.iter().flat_map(|(_, chapter)| sections(chapter)).collect();
    let derived = |link: &String| {
        let targets = [format!("]({link})"), format!("]({link}())")];
        let mut linking = sections.iter().filter(|section| targets.iter().any(|target| section.contains(target)));
        linking.any(|section| section.contains("\n$$\n") && section.contains("\n```\n"))
    };
    let missing: Vec<String> = links().into_iter().filter(|link| !derived(link)).collect();
    assert!(missing.is_empty(), "no section links to these, and has a formula and an example: {missing:#?}");
}

#[test]
fn every_exercise_has_an_answer_that_is_tested() {
    for (name, chapter) in chapters() {
        let exercises = chapter.matches("\n**1.** ").count() + chapter.matches("\n**2.** ").count();
        assert_eq!(exercises, if name == "book.md" { 0 } else { 2 }, "{name}");
        assert!(chapter.matches("*Answer:*").count() >= exercises, "{name}");
        // Each answer is tested.
        let mut answers = chapter.split("*Answer:*").skip(1);
        assert!(answers.all(|answer| answer.contains("\n```\n")), "{name}");
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
fn the_other_crates_front_pages_link_to_chapters_that_exist() {
    let names: Vec<String> = chapters().into_iter().map(|(name, _)| name).collect();
    for module in ["tensor", "nn"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(module).join("src/lib.rs");
        let source = fs::read_to_string(path).unwrap();
        let linked: Vec<&str> = source.split("](../attribution/book/").skip(1).collect();
        assert!(!linked.is_empty(), "{module}");
        for link in linked {
            let chapter = link.split("/index.html)").next().unwrap();
            assert!(names.contains(&format!("{chapter}.md")), "{module} links to {chapter}");
        }
    }
}
