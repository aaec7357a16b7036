//! `glassbox evaluate`.

use std::fs;

use crate::support::{demo_file, fails, idx, succeeds};

#[test]
fn the_evaluation_prints_and_writes_the_same_figures_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let run = |out: &str, threads: &str| {
        let evaluate = ["evaluate", "--model", &model, "--limit", "24", "--method", "grad-cam,guided-backprop"];
        let printed = succeeds(folder.path(), &[&evaluate[..], &["--out", out, "--threads", threads]].concat());
        let file = |name: &str| fs::read_to_string(folder.path().join(out).join(name)).unwrap();
        (printed, file("evaluation.csv"), file("evaluation.json"), file("evaluation.svg"), file("index.html"))
    };
    let (printed, csv, json, svg, page) = run("one", "1");
    for text in ["pointing ↑", "deletion ↓", "wrong class ↓", "Grad-CAM", "centred Gaussian", "chance", "±"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert!(printed.contains("randomization check") && printed.contains("Do they agree?"), "{printed}");
    // Two methods by all measures, and two baselines by those that don't ask about the network.
    assert_eq!(csv.lines().count(), 1 + 2 * 19 + 2 * 14, "{csv}");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let pointing = &report["figures"]["grad-cam"]["pointing"];
    assert!(
        pointing["low"].as_f64() <= pointing["mean"].as_f64() && pointing["mean"].as_f64() <= pointing["high"].as_f64()
    );
    assert_eq!(report["agreement"]["grad-cam"]["grad-cam"], 1.0);
    assert_eq!(report["cascade"].as_array().unwrap().len(), 9);
    assert!(svg.starts_with("<svg") && svg.contains("guided backprop"));
    // The four groups of measures, the randomization check and the agreement, to be sorted; and what was taken for what.
    assert_eq!((page.matches("<table class=\"sortable\"").count(), page.matches("<table").count()), (6, 7));
    let again = run("two", "2");
    assert_eq!((&csv, &json, &svg), (&again.1, &again.2, &again.3));
    assert!(page == again.4, "the reports differ");
}

#[test]
fn images_without_boxes_are_evaluated_by_the_other_measures() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "test", 12, 48, 3);
    let model = demo_file("model.safetensors");
    let own = ["evaluate", "--model", &model, "--test-images", "test-images", "--test-labels", "test-labels"];
    let error = fails(folder.path(), &[&own[..], &["--measure", "pointing"]].concat());
    assert!(error.contains("true boxes or masks, which test-images doesn't have"), "{error}");
    let printed = succeeds(folder.path(), &[&own[..], &["--method", "cam", "--measure", "deletion,drop"]].concat());
    assert!(printed.contains("12 images of test-images") && !printed.contains("pointing"), "{printed}");
    let json = [&own[..], &["--method", "cam", "--measure", "drop", "--out", "json", "--json"]].concat();
    let printed = succeeds(folder.path(), &json);
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(report["figures"]["cam"]["drop"]["mean"].is_number(), "{printed}");
    assert_eq!(printed, fs::read_to_string(folder.path().join("json/evaluation.json")).unwrap());
    let error = fails(folder.path(), &["evaluate", "--model", &model, "--data", "fashion-mnist"]);
    assert!(error.contains("[48, 48, 1], found [28, 28, 1]"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(fails(empty.path(), &["evaluate"]).contains("glassbox-out/model.safetensors"));
}
