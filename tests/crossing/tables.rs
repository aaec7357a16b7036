//! Tables that are generated from the lists of methods and measures. `BLESS=1 cargo test --test crossing tables` updates
//! them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use attribution::measures;
use attribution::methods::{all, written};
use attribution::question::About;
use serde_json::Value;

/// The name of a method's type.
fn type_name(method: &dyn attribution::Method) -> String {
    format!("{method:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

fn code(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// For the documentation of the module.
fn methods() -> String {
    let mut text = String::from(
        "| method | with its settings | source | what it computes | in other programs |\n| --- | --- | --- | --- | --- |\n",
    );
    for method in all::<f32>() {
        let About { source, formula, elsewhere, .. } = method.about();
        let (name, settings, elsewhere) = (type_name(&*method), written(&*method, None), code(elsewhere));
        writeln!(text, "| [`{name}`] | `{settings}` | {source} | {formula} | {elsewhere} |").unwrap();
    }
    text
}

/// For the README.
fn methods_in_short() -> String {
    let mut text = String::from("| Method | `--method` | It tells |\n| --- | --- | --- |\n");
    for method in all::<f32>() {
        let About { id, title, source, tells, .. } = method.about();
        writeln!(text, "| {title} ({source}) | `{id}` | {tells} |").unwrap();
    }
    text
}

fn measures() -> String {
    let mut text = String::from("| measure | id | what it computes |\n| --- | --- | --- |\n");
    for measure in measures::ALL {
        writeln!(text, "| {} | `{}` | {} |", measure.head(), measure.id, measure.what).unwrap();
    }
    text
}

/// What `glassbox certify --json` printed for the network and the first picture of the demo.
fn certificates() -> String {
    let stored = stored("demo", "certificates.json");
    let all = stored["certificates"].as_array().unwrap();
    let residual = |certificate: &Value| {
        let finding = &certificate["finding"];
        let (finding, is_bound) = match &finding["checked"] {
            Value::Null => (&finding["estimated"], false),
            checked => (checked, true),
        };
        Some((finding["ulps"].as_f64()?, finding["allowed"].as_f64()?, is_bound))
    };
    let mut text = String::from("| identity | residual, ulps | largest by rounding |\n| --- | ---: | ---: |\n");
    let mut row = |name: String, certificate: &Value| {
        if let Some((ulps, allowed, is_bound)) = residual(certificate) {
            let about = if is_bound { "" } else { "about " };
            writeln!(text, "| {name} | {} | {about}{} |", number(ulps), number(allowed.round())).unwrap();
        }
    };
    for group in all.chunk_by(|a, b| a["identity"] == b["identity"]) {
        row(group[0]["identity"].as_str().unwrap().into(), &group[0]);
        let share = |certificate: &&Value| residual(certificate).map_or(0.0, |(ulps, allowed, _)| ulps / allowed);
        if let Some(worst) = group[1..].iter().max_by(|a, b| share(a).total_cmp(&share(b))) {
            row(format!("… at the worst of {} layers, `{}`", group.len() - 1, worst["layer"].as_str().unwrap()), worst);
        }
    }
    text
}

/// What `glassbox evaluate --limit 1000` wrote, with these measures and their heads.
fn evaluation(folder: &str, measures: &[(&str, &str)]) -> String {
    let stored = stored(folder, "evaluation.json");
    let figure = |subject: &str, measure: &str| {
        let interval = &stored["figures"][subject][measure];
        let [mean, low, high] = ["mean", "low", "high"].map(|end| interval[end].as_f64());
        mean.map(|mean| (mean, (high.unwrap() - low.unwrap()) / 2.0))
    };
    let percent = |subject, measure| {
        let (mean, half) = figure(subject, measure).unwrap();
        format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * half)
    };
    let heads: Vec<&str> = measures.iter().map(|(_, head)| *head).collect();
    let mut text = format!("| method | {} | half random ↓ | |\n", heads.join(" | "));
    writeln!(text, "| --- |{} ---: | --- |", " ---: |".repeat(heads.len())).unwrap();
    let abouts = all::<f32>().into_iter().map(|method| method.about());
    let measured = abouts.filter(|about| stored["figures"].get(about.id).is_some());
    let mut subjects: Vec<(&str, &str)> = measured.map(|about| (about.id, about.title)).collect();
    let pointing = |id: &str| figure(id, "pointing").unwrap().0;
    subjects.sort_by(|a, b| pointing(b.0).total_cmp(&pointing(a.0)));
    for (id, title) in subjects.into_iter().chain([("centre", "a Gaussian in the middle"), ("chance", "chance")]) {
        let columns: Vec<String> = measures.iter().map(|(measure, _)| percent(id, measure)).collect();
        let columns = columns.join(" | ");
        let (random, verdict) = match figure(id, "random-half") {
            Some((mean, half)) => (format!("{mean:.2} ± {half:.2}"), if mean < 0.5 { "passes" } else { "fails" }),
            None => (String::new(), ""),
        };
        writeln!(text, "| {title} | {columns} | {random} | {verdict} |").unwrap();
    }
    text
}

/// A file that the program wrote.
fn stored(folder: &str, name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(folder).join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Two digits, and thousands apart.
fn number(value: f64) -> String {
    if value < 10.0 && value != value.round() {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}

/// Checks that a file holds a table between two comments, or is the table.
pub(crate) fn holds(file: &str, name: Option<&str>, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&path).unwrap();
    let expected = match name {
        None => table.to_string(),
        Some(name) => {
            let (before, rest) = text.split_once(&format!("<!-- {name} -->\n")).expect(name);
            let (_, after) = rest.split_once("<!-- end -->").expect(name);
            format!("{before}<!-- {name} -->\n\n{table}\n<!-- end -->{after}")
        }
    };
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(text == expected, "{file} is out of date: BLESS=1 cargo test --test crossing tables");
    }
}

#[test]
fn the_documentation_lists_every_method() {
    holds("crates/attribution/docs/methods.md", None, &methods());
}

#[test]
fn the_documentation_lists_every_measure() {
    holds("crates/attribution/docs/measures.md", None, &measures());
}

#[test]
fn the_readme_lists_every_method_and_what_the_commands_found() {
    holds("README.md", Some("methods"), &methods_in_short());
    holds("README.md", Some("certificates"), &certificates());
    let measures = [
        ("pointing", "pointing game ↑"),
        ("energy", "energy in the box ↑"),
        ("deletion", "deletion ↓"),
        ("insertion", "insertion ↑"),
    ];
    holds("README.md", Some("evaluation"), &evaluation("demo", &measures));
}

/// The table of the chapter on attention, and the sentences below it.
#[test]
fn the_book_says_which_method_finds_what_a_transformer_saw() {
    let measures = [("pointing", "pointing game ↑"), ("energy", "energy in the box ↑")];
    let chapter = "crates/attribution/docs/chapter_18_attention.md";
    holds(chapter, Some("transformer"), &evaluation("transformer", &measures));
    let stored = stored("transformer", "evaluation.json");
    let pointing = |id: &str, end: &str| stored["figures"][id]["pointing"][end].as_f64().unwrap();
    let accuracy = stored["accuracy"].as_f64().unwrap();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(chapter)).unwrap();
    assert!(text.contains(&format!("recognises {:.1} % of them", 100.0 * accuracy)), "{accuracy}");
    // Even if it pointed right in all pictures that aren't recognised.
    assert!((pointing("gradient-attention", "mean") - (1.0 - accuracy)) / accuracy >= 0.8);
    assert!(pointing("gradient-attention", "low") > pointing("centre", "high"));
    assert!(pointing("attention-rollout", "low") > pointing("centre", "high"));
    assert!(pointing("grad-cam", "high") < pointing("centre", "low"));
}

/// The sentences below the README's table.
#[test]
fn grad_cam_points_better_than_guided_backpropagation_and_chance() {
    let stored = stored("demo", "evaluation.json");
    let end = |id: &str, measure: &str, end: &str| stored["figures"][id][measure][end].as_f64().unwrap();
    assert!(end("grad-cam", "pointing", "low") > end("guided-backprop", "pointing", "high"));
    assert!(end("guided-backprop", "pointing", "low") > end("chance", "pointing", "high"));
    assert!(end("grad-cam", "random-half", "high") < 0.5 && end("guided-backprop", "random-half", "low") > 0.5);
    for id in ["eigen-cam", "grad-cam++", "layer-cam"] {
        assert!(end(id, "pointing", "mean") > end("grad-cam", "pointing", "mean"), "{id}");
        assert!(end(id, "random-half", "mean") > 0.5, "{id}");
        assert_eq!(end(id, "random-half", "low") < 0.5, id == "eigen-cam", "{id}");
    }
}
