//! Every method of the list, through the program.

use std::fs;

use attribution::methods::all;
use attribution::question::{About, Cost, LooksAt};

use crate::support::{a_picture, demo_file, fails, succeeds};

/// Settings that keep the slow methods short.
const SHORT: [(&str, &str); 7] = [
    ("smooth-grad", "smooth-grad(samples=8,seed=3)"),
    ("var-grad", "var-grad(samples=8)"),
    ("integrated-gradients", "integrated-gradients(steps=6,baseline=mean)"),
    ("expected-gradients", "expected-gradients(samples=8)"),
    ("occlusion", "occlusion(window=16x12,stride=8)"),
    ("rise", "rise(masks=64)"),
    ("shapley", "shapley(grid=2x3)"),
];

/// Whether a method can explain the demo's convolutional network.
fn has_meaning(about: &About) -> bool {
    about.looks_at != LooksAt::Attention
}

#[test]
fn every_method_is_explained_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(a_picture(), folder.path().join("coat.png")).unwrap();
    fs::copy(demo_file("model.safetensors"), folder.path().join("net.safetensors")).unwrap();
    let abouts: Vec<_> = all::<f32>().iter().map(|method| method.about()).filter(|about| has_meaning(about)).collect();
    let ids: Vec<&str> = abouts.iter().map(|about| about.id).collect();
    let typed = |id: &&str| SHORT.iter().find(|(method, _)| method == id).map_or(*id, |(_, typed)| typed).to_string();
    let methods = ids.iter().map(typed).collect::<Vec<_>>().join(",");
    let explain = ["explain", "coat.png", "--model", "net.safetensors", "--raw", "--full-size", "--method", &methods];
    let printed = succeeds(folder.path(), &[&explain[..], &["--out", "."]].concat());
    for about in abouts {
        let (id, title) = (about.id, about.title);
        assert!(printed.contains(&format!("\n  {title} ")), "{id}: {printed}");
        for ending in ["npy", "png"] {
            assert!(folder.path().join(format!("coat.{id}.{ending}")).is_file(), "{id}.{ending}");
        }
    }
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("coat.explained.json")).unwrap()).unwrap();
    let explanations = record["explanations"].as_array().unwrap();
    let settings = |id: &str| &explanations.iter().find(|found| found["method"] == id).unwrap()["settings"];
    assert_eq!(settings("smooth-grad"), &serde_json::json!({ "samples": 8, "relative_sigma": 0.15, "seed": 3 }));
    assert_eq!(settings("occlusion")["window"], serde_json::json!([16, 12]));
    assert!(settings("grad-cam").is_null());

    let verified = succeeds(folder.path(), &["verify", "coat.explained.json"]);
    assert_eq!(verified.matches("same ").count(), 2 + ids.len(), "{verified}");
    let json = succeeds(folder.path(), &["verify", "coat.explained.json", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["compared"].as_array().unwrap().len(), 2 + ids.len());

    let json = succeeds(folder.path(), &[&explain[..], &["--json", "--out", "again"]].concat());
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["pictures"][0]["explanations"], record["explanations"]);
    assert_eq!(told["pictures"][0]["top"].as_array().unwrap().len(), 5);
}

#[test]
fn the_documented_default_of_evaluate_runs() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let evaluate = ["evaluate", "--model", &model, "--limit", "4", "--measure", "pointing,deletion", "--json"];
    let printed = succeeds(folder.path(), &evaluate);
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    for method in all::<f32>() {
        let about = method.about();
        let is_measured = about.cost == Cost::OnePass && has_meaning(about);
        assert_eq!(report["figures"].get(about.id).is_some(), is_measured, "{}", about.id);
    }
}

#[test]
fn settings_that_do_not_exist_or_fit_are_refused_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    let explain = |method| ["explain", &picture, "--model", &model, "--method", method].map(String::from).to_vec();
    let usage = |method| {
        let arguments = explain(method);
        let output = crate::support::glassbox(folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{method}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(usage("smooth-grad(sample=3)").contains("unknown field `sample`"));
    assert!(usage("smooth-grad(samples=3").contains("expected METHOD or METHOD(SETTING=VALUE,…)"));
    assert!(usage("grad-camm").contains("did you mean `grad-cam`?"));
    assert!(usage("grad-cam(layer=relu1)").contains("grad-cam takes no settings"));
    let refused = |method| fails(folder.path(), &explain(method).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(refused("occlusion(window=64)").contains("a window of at most [48, 48]"));
    assert!(refused("rise(probability=0)").contains("a probability in (0, 1]"));
    assert!(refused("smooth-grad(samples=0)").contains("samples of at least 1"));
}
