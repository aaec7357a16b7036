//! `glassbox certify`.

use crate::support::{a_picture, demo_file, exits, succeeds};

#[test]
fn certificates_are_printed_and_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    let certify = ["certify", &picture, "--model", &model];
    let printed = succeeds(folder.path(), &certify);
    for line in
        ["CAM = Z · Grad-CAM", "worst of 15 layers", "Σ m·Δx = S(x) − S(x₀)", "as estimated", "nothing is conserved"]
    {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(printed.matches("  holds").count(), 3 + 2 + 2 + 1, "{printed}");
    let json = succeeds(folder.path(), &[&certify[..], &["--class", "Bag", "--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["class"], "Bag");
    let found = report["certificates"].as_array().unwrap();
    assert_eq!(found.len(), 3 + 1 + 15 + 2 + 1 + 1 + 1, "{json}");
    let checked = found.iter().filter_map(|certificate| certificate["finding"]["checked"].as_object());
    assert!(checked.clone().count() == 22 && checked.clone().all(|c| c["ulps"].as_f64() <= c["allowed"].as_f64()));
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&report), ["certificates", "class", "image", "model", "score"], "as --help says");
    assert_eq!(keys(&found[0]), ["finding", "identity", "layer", "meaning"]);
    assert_eq!(keys(&found[0]["finding"]["checked"]), ["allowed", "left", "magnitude", "right", "ulps"]);
    let error = exits(2, folder.path(), &[&certify[..], &["--class", "Hat"]].concat());
    assert!(error.contains("model.safetensors: ") && error.contains("no class `Hat`"), "{error}");
    assert!(exits(2, folder.path(), &["certify", "absent.png"]).contains("absent.png: can't be read"));
    assert!(
        succeeds(folder.path(), &["certify", "--help"]).contains("0 everything holds; 1 something does not hold; 2")
    );
}
