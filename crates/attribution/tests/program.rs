//! The `glassbox` program, run as a user runs it.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use attribution::npy::write_npy;
use ndarray::{Array2, Array3};
use nn::{Layer, Model};
use tempfile::TempDir;

/// Runs `glassbox` in a folder.
fn glassbox(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.current_dir(folder).args(arguments).output().expect("the program starts")
}

/// Standard output of a run that must succeed.
fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = glassbox(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line on standard error of a run that must fail with exit code 1 and write nothing.
fn fails(folder: &Path, arguments: &[&str]) -> String {
    let before = listing(folder);
    let output = glassbox(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
    assert!(errors.starts_with("glassbox: ") && errors.lines().count() == 1, "{arguments:?}: {errors}");
    assert_eq!(listing(folder), before, "{arguments:?} left something behind");
    errors
}

/// All files below a folder, sorted.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

const SMALL: [&str; 9] = ["demo", "--epochs", "1", "--images", "200", "--test-images", "60", "--pictures", "3"];

/// A small demo, run once: its folder and what it printed.
static DEMO: LazyLock<(TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let printed = succeeds(folder.path(), &[&SMALL[..], &["--threads", "2"]].concat());
    (folder, printed)
});

fn demo_file(name: &str) -> String {
    DEMO.0.path().join("glassbox-out").join(name).to_str().unwrap().to_owned()
}

fn a_picture() -> String {
    let inputs = listing(Path::new(&demo_file("inputs")));
    inputs[0].to_str().unwrap().to_owned()
}

/// Without `seconds`, which differ from run to run, and `threads`.
fn figures(report: &str) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_str(report).unwrap();
    for key in ["seconds", "seconds_training", "threads"] {
        assert!(report.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    report
}

#[test]
fn the_demo_writes_what_it_says() {
    let (_, printed) = &*DEMO;
    for line in ["test accuracy 0.", "chance", "guided Grad-CAM", "In glassbox-out/ after"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let report = figures(&fs::read_to_string(demo_file("run.json")).unwrap());
    assert!((0.0..=1.0).contains(&report["accuracy"].as_f64().unwrap()));
    for method in ["cam", "grad-cam", "guided-backprop", "guided-grad-cam"] {
        let score = &report["explanations"][method];
        for key in ["pointing_game", "box_score", "chance"] {
            assert!((0.0..=1.0).contains(&score[key].as_f64().unwrap()), "{method}.{key}");
        }
        assert!((0.1..0.4).contains(&score["chance"].as_f64().unwrap()));
    }
    let files = listing(Path::new(&demo_file("")));
    let pictures: Vec<_> = files.iter().filter(|file| file.extension().is_some_and(|e| e == "png")).collect();
    assert_eq!(pictures.len(), 3 + 3 + 1, "{files:?}");
    assert_eq!(files.len(), pictures.len() + 3, "{files:?}");
    assert!(pictures.iter().all(|path| image::open(path).is_ok()));
}

#[test]
fn the_same_seed_gives_the_same_figures_with_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &[&SMALL[..], &["--threads", "1", "--out", "again"]].concat());
    let read = |path: &Path| fs::read(path).unwrap();
    let again = |name: &str| read(&folder.path().join("again").join(name));
    assert_eq!(again("model.safetensors"), read(Path::new(&demo_file("model.safetensors"))));
    for file in ["summary.png", "index.html"] {
        assert!(again(file) == read(Path::new(&demo_file(file))), "{file} differs");
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(figures(&text(again("run.json"))), figures(&text(read(Path::new(&demo_file("run.json"))))));
}

#[test]
fn explanations_have_the_promised_names_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    let printed = succeeds(folder.path(), &["explain", &picture, "--model", &model, "--out", "maps", "--raw"]);
    assert!(printed.contains("the likeliest") && printed.contains("the last layer with positions"), "{printed}");
    let stem = Path::new(&picture).file_stem().unwrap().to_str().unwrap();
    let header = |file: String| {
        let bytes = fs::read(folder.path().join("maps").join(file)).unwrap();
        String::from_utf8_lossy(&bytes[..128]).into_owned()
    };
    for (method, shape) in [
        ("cam", "(12, 12,)"),
        ("grad-cam", "(12, 12,)"),
        ("guided-backprop", "(48, 48, 1,)"),
        ("guided-grad-cam", "(48, 48, 1,)"),
    ] {
        let header = header(format!("{stem}.{method}.npy"));
        assert!(header.contains(shape) && header.contains("'<f4'"), "{method}: {header}");
    }
    let sheet = folder.path().join("maps").join(format!("{stem}.explained.png"));
    assert!(image::open(sheet).unwrap().width() > 1000);
    let report = fs::read_to_string(folder.path().join("maps/index.html")).unwrap();
    assert!(report.contains(&format!("{stem}.png")) && report.contains("data:image/png;base64,"));
    assert_eq!(report.matches("\"method\":\"grad-cam\"").count(), 1);

    // Of several layers each map, and their mean over the input.
    let layers = ["--method", "grad-cam", "--layer", "relu2,relu4", "--class", "Bag"];
    let arguments = [&["explain", &picture, "--model", &model, "--out", "maps", "--raw"], &layers[..]].concat();
    assert!(succeeds(folder.path(), &arguments).contains("why Bag, as asked"));
    for (ending, shape) in [("", "(48, 48,)"), (".relu2", "(24, 24,)"), (".relu4", "(12, 12,)")] {
        assert!(header(format!("{stem}.grad-cam{ending}.npy")).contains(shape), "{ending}");
    }
}

#[test]
fn classes_and_layers_have_their_rows_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    let explain = |rest: &[&str]| {
        let arguments = [&["explain", &picture, "--model", &model, "--out", "maps", "--raw"], rest].concat();
        succeeds(folder.path(), &arguments)
    };
    let stem = Path::new(&picture).file_stem().unwrap().to_str().unwrap().to_owned();
    let sheet = || image::open(folder.path().join(format!("maps/{stem}.explained.png"))).unwrap();
    let values = |file: &str| {
        let bytes = fs::read(folder.path().join(format!("maps/{stem}.{file}.npy"))).unwrap();
        let numbers = bytes[bytes.len() - 12 * 12 * 4..].as_chunks().0;
        numbers.iter().map(|&number| f32::from_le_bytes(number)).collect::<Vec<_>>()
    };
    let printed = explain(&["--method", "grad-cam", "--layer", "all"]);
    assert_eq!(printed.matches("Grad-CAM ").count(), 14, "each of the layers with positions: {printed}");
    assert!(sheet().height() > 2 * 200, "fourteen panels take two rows");

    let printed = explain(&["--method", "grad-cam", "--class", "Bag", "--class", "0", "--shared-scale"]);
    assert!(printed.contains("why Bag, as asked") && printed.contains("why T-shirt/top, as asked"), "{printed}");
    let (bag, shirt) = (values("8.grad-cam"), values("0.grad-cam"));
    let printed = explain(&["--method", "grad-cam", "--class", "Bag", "--versus", "0"]);
    assert!(printed.contains("why Bag rather than T-shirt/top"), "{printed}");
    // The map is linear in the target, up to rounding.
    let largest = bag.iter().chain(&shirt).fold(0.0_f32, |most, v| most.max(v.abs()));
    for ((versus, bag), shirt) in values("grad-cam").iter().zip(&bag).zip(&shirt) {
        assert!((versus - (bag - shirt)).abs() <= 1e-5 * largest);
    }
    let printed = explain(&["--method", "grad-cam", "--class", "Bag", "--counterfactual"]);
    assert!(printed.contains("why not Bag"), "{printed}");
    assert!(values("grad-cam").iter().zip(&bag).all(|(against, for_it)| *against == -for_it));
}

#[test]
fn a_record_is_verified_and_what_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(a_picture(), at("coat.png")).unwrap();
    fs::copy(demo_file("model.safetensors"), at("net.safetensors")).unwrap();
    let explain = ["explain", "coat.png", "--model", "net.safetensors", "--out", "."];
    succeeds(
        folder.path(),
        &[&explain[..], &["--layer", "relu2,relu4", "--class", "Bag", "--versus", "Coat"]].concat(),
    );
    let record = fs::read_to_string(at("coat.explained.json")).unwrap();
    let printed = succeeds(folder.path(), &["verify", "coat.explained.json"]);
    // Network and input; CAM, three Grad-CAMs, guided backpropagation, two guided Grad-CAMs.
    assert_eq!(printed.matches("same ").count(), 2 + 7, "{printed}");
    assert!(printed.contains("grad-cam at relu2 + relu4, why Bag rather than Coat"), "{printed}");

    // One bit of one map.
    let mut forged: serde_json::Value = serde_json::from_str(&record).unwrap();
    forged["explanations"][1]["sha256"] = "0".repeat(64).into();
    fs::write(at("forged.json"), forged.to_string()).unwrap();
    let error = fails(folder.path(), &["verify", "forged.json"]);
    assert!(error.contains("forged.json: 1 differs, first grad-cam at relu2"), "{error}");
    // Another network, another picture.
    let mut other = Model::load(at("net.safetensors")).unwrap();
    let bias = other.parameter("fc.bias").unwrap().clone().map(|b| b + 1.0);
    other.set_parameter("fc.bias", bias).unwrap();
    other.save(at("other.safetensors")).unwrap();
    let error = fails(folder.path(), &["verify", "coat.explained.json", "--model", "other.safetensors"]);
    assert!(error.contains("1 differs, first the network, other.safetensors"), "no map hangs on the bias: {error}");
    let inputs = listing(Path::new(&demo_file("inputs")));
    let picture = inputs[1].to_str().unwrap();
    let error = fails(folder.path(), &["verify", "coat.explained.json", "--image", picture]);
    assert!(error.contains("8 differ, first the input"), "{error}");
    fs::write(at("none.json"), "{}").unwrap();
    assert!(fails(folder.path(), &["verify", "none.json"]).contains("none.json: expected the record"));
    assert!(fails(folder.path(), &["verify", "absent.json"]).contains("absent.json: can't be read"));
}

#[test]
fn certificates_are_printed_and_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    let certify = ["certify", &picture, "--model", &model];
    let printed = succeeds(folder.path(), &certify);
    for line in ["CAM = Z · Grad-CAM", "worst of 15 layers", "as estimated", "nothing is conserved"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(printed.matches("  holds").count(), 3 + 2 + 2, "{printed}");
    let json = succeeds(folder.path(), &[&certify[..], &["--class", "Bag", "--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["class"], "Bag");
    let found = report["certificates"].as_array().unwrap();
    assert_eq!(found.len(), 3 + 1 + 15 + 2 + 1 + 1, "{json}");
    let checked = found.iter().filter_map(|certificate| certificate["finding"]["checked"].as_object());
    assert!(checked.clone().count() == 21 && checked.clone().all(|c| c["ulps"].as_f64() <= c["allowed"].as_f64()));
    let error = fails(folder.path(), &[&certify[..], &["--class", "Hat"]].concat());
    assert!(error.contains("model.safetensors: ") && error.contains("no class `Hat`"), "{error}");
    assert!(fails(folder.path(), &["certify", "absent.png"]).contains("absent.png: can't be read"));
}

#[test]
fn relevance_and_full_gradients_are_drawn_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(a_picture(), folder.path().join("coat.png")).unwrap();
    let (model, methods) = (demo_file("model.safetensors"), "lrp,full-grad,var-grad");
    let explain = ["explain", "coat.png", "--model", &model, "--method", methods, "--out", ".", "--raw"];
    let printed = succeeds(folder.path(), &explain);
    assert!(printed.contains("zᴮ in 1 layer, z⁺ in 3 layers, ε = 1e-6 in 1 layer; 4 batch norms folded"), "{printed}");
    for (method, shape) in [("lrp", "(48, 48, 1,)"), ("full-grad", "(48, 48,)"), ("var-grad", "(48, 48, 1,)")] {
        let bytes = fs::read(folder.path().join(format!("coat.{method}.npy"))).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..128]).contains(shape), "{method}");
    }
    let verified = succeeds(folder.path(), &["verify", "coat.explained.json"]);
    assert!(verified.contains("3 explanations of coat.png") && verified.matches("same ").count() == 5, "{verified}");
}

#[test]
fn the_evaluation_prints_and_writes_the_same_figures_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let run = |out: &str, threads: &str| {
        let evaluate = ["evaluate", "--model", &model, "--images", "24", "--method", "grad-cam,guided-backprop"];
        let printed = succeeds(folder.path(), &[&evaluate[..], &["--out", out, "--threads", threads]].concat());
        let file = |name: &str| fs::read_to_string(folder.path().join(out).join(name)).unwrap();
        (printed, file("evaluation.csv"), file("evaluation.json"), file("evaluation.svg"), file("index.html"))
    };
    let (printed, csv, json, svg, page) = run("one", "1");
    for text in ["pointing ↑", "deletion ↓", "wrong class ↓", "Grad-CAM", "centred Gaussian", "chance", "±"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert!(printed.contains("randomisation check") && printed.contains("Do they agree?"), "{printed}");
    // Two methods by all measures, and two baselines by those that don't ask about the network.
    assert_eq!(csv.lines().count(), 1 + 2 * 15 + 2 * 10, "{csv}");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let pointing = &report["figures"]["grad-cam"]["pointing"];
    assert!(
        pointing["low"].as_f64() <= pointing["mean"].as_f64() && pointing["mean"].as_f64() <= pointing["high"].as_f64()
    );
    assert_eq!(report["agreement"]["grad-cam"]["grad-cam"], 1.0);
    assert_eq!(report["cascade"].as_array().unwrap().len(), 9);
    assert!(svg.starts_with("<svg") && svg.contains("guided backprop"));
    // The three groups of measures, the randomisation check and the agreement, to be sorted; and what was taken for what.
    assert_eq!((page.matches("<table class=\"sortable\"").count(), page.matches("<table").count()), (5, 6));
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
    assert!(error.contains("true boxes, which test-images doesn't have"), "{error}");
    let printed = succeeds(folder.path(), &[&own[..], &["--method", "cam", "--measure", "deletion,drop"]].concat());
    assert!(printed.contains("12 images of test-images") && !printed.contains("pointing"), "{printed}");
    let error = fails(folder.path(), &["evaluate", "--model", &model, "--data", "fashion-mnist"]);
    assert!(error.contains("[48, 48, 1], found [28, 28, 1]"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(fails(empty.path(), &["evaluate"]).contains("glassbox-out/model.safetensors"));
}

#[test]
fn an_array_is_taken_as_preprocessed() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(demo_file("model.safetensors")).unwrap();
    let photo = image::open(a_picture()).unwrap().into_luma8();
    let mut input = Vec::new();
    model.info().normalization.as_ref().unwrap().apply(photo.as_raw(), &mut input);
    let array = Array3::from_shape_vec((48, 48, 1), input).unwrap();
    write_npy(folder.path().join("array.npy"), array.view()).unwrap();
    fs::copy(a_picture(), folder.path().join("picture.png")).unwrap();

    let model = demo_file("model.safetensors");
    succeeds(folder.path(), &["explain", "array.npy", "picture.png", "--model", &model, "--out", ".", "--raw"]);
    for method in ["cam", "grad-cam", "guided-backprop", "guided-grad-cam"] {
        let [array, picture] =
            ["array", "picture"].map(|stem| fs::read(folder.path().join(format!("{stem}.{method}.npy"))).unwrap());
        assert_eq!(array, picture, "{method}");
    }
}

#[test]
fn a_map_without_evidence_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    write_npy(folder.path().join("nothing.npy"), Array3::<f32>::from_elem((48, 48, 1), f32::NAN).view()).unwrap();
    let printed = succeeds(folder.path(), &["explain", "nothing.npy", "--model", &demo_file("model.safetensors")]);
    assert!(printed.contains("first arose in the image"), "{printed}");
}

#[test]
fn inspect_shows_the_network() {
    let printed = succeeds(DEMO.0.path(), &["inspect", &demo_file("model.safetensors")]);
    for text in ["conv4", "[N, 12, 12, 48]", "9 Ankle boot", "CAM looks at `relu4`", "Grad-CAM at    conv1 48×48"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
}

#[test]
fn inspect_draws_the_tape() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let drawn = |file: &str, arguments: &[&str]| {
        succeeds(folder.path(), &[&["inspect", &model, "--graph", file], arguments].concat());
        fs::read_to_string(folder.path().join(file)).unwrap()
    };
    let guided = drawn("guided.svg", &["--rule", "guided"]);
    assert!(guided.contains("through 16 operations, 4 replaced"), "{guided}");
    let lrp = drawn("lrp.dot", &["--rule", "lrp", "--to", "relu4"]);
    assert!(lrp.contains("through 2 operations, 1 replaced"), "{lrp}");
    let message = fails(folder.path(), &["inspect", &model, "--graph", "tape.pdf"]);
    assert!(message.contains("tape.pdf: expected a file that ends in .svg or .dot"), "{message}");
}

/// Writes an IDX pair: `count` images of `side`×`side`, labels counting round `classes`.
fn idx(folder: &Path, name: &str, count: u8, side: u8, classes: u8) {
    let header = |rank: u8, dims: &[u8]| {
        [&[0, 0, 8, rank][..], &dims.iter().flat_map(|&d| [0, 0, 0, d]).collect::<Vec<_>>()].concat()
    };
    let pixels = (0..usize::from(count) * usize::from(side) * usize::from(side)).map(|i| (i * 37 % 251) as u8);
    let images = [header(3, &[count, side, side]), pixels.collect()].concat();
    let labels = [header(1, &[count]), (0..count).map(|i| i % classes).collect()].concat();
    fs::write(folder.join(format!("{name}-images")), images).unwrap();
    fs::write(folder.join(format!("{name}-labels")), labels).unwrap();
}

const IDX: [&str; 5] = ["train", "--images", "train-images", "--labels", "train-labels"];

#[test]
fn idx_files_are_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 30, 12, 3);
    idx(folder.path(), "test", 9, 12, 3);
    let rest = ["--test-images", "test-images", "--test-labels", "test-labels", "--epochs", "1", "--out", "new/digits"];
    let printed = succeeds(folder.path(), &[&IDX[..], &rest, &["--class-names", "ones,twos,threes"]].concat());
    assert!(printed.contains("Test accuracy") && printed.contains("on 9 images"), "{printed}");
    let model = Model::load(folder.path().join("new/digits/model.safetensors")).unwrap();
    assert_eq!((model.input_shape(), model.class_name(2).as_str()), ([12, 12, 1], "threes"));
}

#[test]
fn lying_idx_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 30, 12, 3);
    let images = folder.path().join("train-images");
    let sound = fs::read(&images).unwrap();
    let mut lying = sound.clone();
    lying[4..8].copy_from_slice(&[0xff; 4]);
    for (bytes, message) in [
        (lying, "the header promises"),
        (sound[..100].to_vec(), "the header promises"),
        (b"no idx at all".to_vec(), "expected an IDX file"),
    ] {
        fs::write(&images, bytes).unwrap();
        let error = fails(folder.path(), &IDX);
        assert!(error.contains("train-images") && error.contains(message), "{error}");
    }
    fs::remove_file(&images).unwrap();
    assert!(fails(folder.path(), &IDX).contains("train-images"));
}

#[test]
fn what_the_network_does_not_have_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    let error = |rest: &[&str]| fails(folder.path(), &[&["explain", &picture, "--model", &model], rest].concat());
    let layer = error(&["--method", "grad-cam", "--layer", "relu9"]);
    assert!(layer.contains("no layer `relu9`") && layer.contains("conv1, bn1, relu1"), "{layer}");
    let flat = error(&["--method", "grad-cam", "--layer", "gap"]);
    assert!(flat.contains("`gap`") && flat.contains("relu4"), "{flat}");
    for class in ["10", "Hat"] {
        let error = error(&["--class", class]);
        assert!(error.contains(&format!("no class `{class}`")) && error.contains("Ankle boot"), "{error}");
    }
}

#[test]
fn cam_without_its_head_says_what_to_use() {
    let folder = tempfile::tempdir().unwrap();
    let flat = Model::builder([48, 48, 1])
        .layer("conv1", Layer::conv(2, 3))
        .layer("relu1", Layer::Relu)
        .layer("flat", Layer::Flatten)
        .layer("fc", Layer::linear(2));
    flat.build(1).unwrap().save(folder.path().join("flat.safetensors")).unwrap();
    let array = Array3::from_shape_fn((48, 48, 1), |(y, x, _)| ((y * x) as f32).sin());
    write_npy(folder.path().join("waves.npy"), array.view()).unwrap();

    let explain = ["explain", "waves.npy", "--model", "flat.safetensors"];
    let error = fails(folder.path(), &[&explain[..], &["--method", "cam"]].concat());
    assert!(error.contains("global average pooling") && error.contains("use Grad-CAM"), "{error}");
    // It has no normalization either.
    let error = fails(folder.path(), &["explain", &a_picture(), "--model", "flat.safetensors"]);
    assert!(error.contains("no normalization") && error.contains(".png: "), "{error}");
    assert!(succeeds(folder.path(), &explain).contains("CAM is left out: CAM needs a model that ends in"));
    // Nor has guided backpropagation a reading for other activations.
    let smooth = Model::builder([48, 48, 1])
        .layer("conv1", Layer::conv(2, 3))
        .layer("silu1", Layer::Silu)
        .layer("gap", Layer::GlobalAvgPool)
        .layer("fc", Layer::linear(2));
    smooth.build(1).unwrap().save(folder.path().join("smooth.safetensors")).unwrap();
    let printed = succeeds(folder.path(), &["explain", "waves.npy", "--model", "smooth.safetensors"]);
    assert!(printed.contains("guided backprop is left out") && printed.contains("silu of layer `silu1`"), "{printed}");
    assert!(printed.contains("Grad-CAM") && printed.contains("evidence"), "{printed}");
}

#[test]
fn images_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let at = |name: &str| folder.path().join(name);
    let picture = fs::read(a_picture()).unwrap();
    fs::write(at("truncated.png"), &picture[..picture.len() / 2]).unwrap();
    fs::write(at("text.png"), "not a picture").unwrap();
    write_npy(at("flat.npy"), Array2::<f32>::zeros((48, 48)).view()).unwrap();
    write_npy(at("large.npy"), Array3::<f32>::zeros((49, 48, 1)).view()).unwrap();
    fs::write(at("text.npy"), "not an array").unwrap();
    let picture = a_picture();
    for (name, expected) in [
        ("truncated.png", "can't be decoded"),
        ("text.png", "expected a PNG, JPEG, WebP, GIF or BMP picture"),
        ("absent.png", "can't be read"),
        ("flat.npy", "expected an array [height, width, channels], found [48, 48]"),
        ("large.npy", "expected an array [48, 48, 1], found [49, 48, 1]"),
        ("text.npy", "expected an .npy file"),
    ] {
        // The sound picture before it isn't explained either.
        let error = fails(folder.path(), &["explain", &picture, name, "--model", &model]);
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn files_of_one_name_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(a_picture(), folder.path().join("coat.png")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::copy(a_picture(), folder.path().join("other/coat.png")).unwrap();
    let model = demo_file("model.safetensors");
    let error = fails(folder.path(), &["explain", "coat.png", "other/coat.png", "--model", &model]);
    assert!(error.contains("coat.png and other/coat.png") && error.contains("--out"), "{error}");
}

#[test]
fn models_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(demo_file("model.safetensors")).unwrap();
    fs::write(folder.path().join("truncated"), &sound[..sound.len() / 2]).unwrap();
    fs::write(folder.path().join("foreign"), fs::read(a_picture()).unwrap()).unwrap();
    for name in ["truncated", "foreign", "absent"] {
        for arguments in [vec!["inspect", name], vec!["explain", &a_picture(), "--model", name]] {
            assert!(fails(folder.path(), &arguments).contains(&format!("{name}: ")));
        }
    }
}

#[test]
fn places_that_cannot_be_written_are_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = fails(folder.path(), &["demo", "--out", "file/out"]);
    assert!(error.contains("file/out: can't be written to"), "{error}");
    let error = fails(folder.path(), &["train", "--out", "file"]);
    assert!(error.contains("file: can't be written to"), "{error}");
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["explain"][..],
        &["explain", "coat.png", "--class", "1", "--top", "2"],
        &["explain", "coat.png", "--model", "m", "--method", "magic"],
        &["train", "--images", "only"],
        &["train", "--rate", "-1"],
        &["demo", "--epochs", "0"],
        &["--threads", "0"],
        &["paint"],
    ] {
        assert_eq!(glassbox(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["help", "explain"], &["--version"]] {
        assert!(!succeeds(folder.path(), arguments).is_empty());
    }
}

#[test]
fn misspelt_variables_are_refused() {
    for (variable, expected) in [
        ("GLASSBOX_SIMD", "glassbox: GLASSBOX_SIMD: expected portable, avx2 or avx512, found \"of\""),
        ("GLASSBOX_WINOGRAD", "glassbox: GLASSBOX_WINOGRAD: expected on or off, found \"of\""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_glassbox")).arg("inspect").env(variable, "of").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().trim_end(), expected);
    }
}

/// Sends Ctrl-C once the program's first line is there, and gives that line and what it says at the end; it must fail.
#[cfg(unix)]
fn interrupted(folder: &Path, arguments: &[&str]) -> (String, String) {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.current_dir(folder).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut line, mut output) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
    output.read_line(&mut line).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    (line, errors)
}

/// Ctrl-C ends the step and saves everything; going on with it ends as if it had never been stopped.
#[cfg(unix)]
#[test]
fn an_interrupted_training_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 250, 12, 3);
    let options = ["--test-images", "train-images", "--test-labels", "train-labels", "--epochs", "30", "--batch", "5"];
    let arguments = [&IDX[..], &options, &["--out", "stopped"]].concat();
    let (line, errors) = interrupted(folder.path(), &arguments);
    assert!(line.starts_with("250 training images"), "{line}");
    assert!(errors.contains("of 1500; all is saved: go on with `glassbox train --resume stopped`"), "{errors}");

    let printed = succeeds(folder.path(), &["train", "--resume", "stopped"]);
    assert!(printed.contains("most often taken for") && printed.contains("top-3 1.0000"), "{printed}");
    succeeds(folder.path(), &[&IDX[..], &options, &["--out", "whole"]].concat());
    let read = |run: &str, file: &str| fs::read(folder.path().join(run).join(file)).unwrap();
    for file in [
        "model.safetensors",
        "best.safetensors",
        "last.checkpoint.safetensors",
        "log.jsonl",
        "curves.svg",
        "film/film.png",
    ] {
        assert!(read("stopped", file) == read("whole", file), "{file}");
    }
    let log = String::from_utf8(read("whole", "log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 1500 + 30);
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let film = image::load_from_memory(&read("whole", "film/film.png")).unwrap();
    assert!(film.width() > 30 * (film.height() / 3), "the pictures and thirty columns of three");
    let csv = String::from_utf8(read("whole", "confusion.csv")).unwrap();
    assert!(csv.starts_with("true \\ predicted,0,1,2\n"), "{csv}");
}

#[test]
fn a_file_says_what_to_train_and_flags_go_before_it() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 30, 12, 3);
    let data = "[data]\nsource = \"idx\"\nimages = \"train-images\"\nlabels = \"train-labels\"\n";
    let rest = "[network]\nchannels = [4]\n[training]\nepochs = 2\nbatch_size = 10\n[output]\nfolder = \"run\"\n";
    fs::write(folder.path().join("run.toml"), [data, rest].concat()).unwrap();
    let printed = succeeds(folder.path(), &["train", "--config", "run.toml", "--epochs", "3", "--dry-run"]);
    for part in ["conv 3×3, 4", "30 images to train on, 12×12×1: 0 10, 1 10, 2 10", "3 epochs, 9 steps, about"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!folder.path().join("run").exists(), "a dry run writes nothing");
    succeeds(folder.path(), &["train", "--config", "run.toml", "--epochs", "3"]);
    let model = Model::load(folder.path().join("run/model.safetensors")).unwrap();
    assert_eq!(model.parameters()[0].value.shape()[..], [3, 3, 1, 4]);
    assert!(fs::read_to_string(folder.path().join("run/run.toml")).unwrap().contains("epochs = 3"));
    assert!(succeeds(folder.path(), &["train", "--config", "run.toml", "--find-rate"]).contains("is a good peak"));

    fs::write(folder.path().join("wrong.toml"), "[training]\nepoch = 3").unwrap();
    let error = fails(folder.path(), &["train", "--config", "wrong.toml"]);
    assert!(error.contains("wrong.toml: there is no field `training.epoch`; did you mean `epochs`?"), "{error}");
    assert!(fails(folder.path(), &["train", "--resume", "nowhere"]).contains("nowhere/run.toml: can't be read"));
    assert!(succeeds(folder.path(), &["train", "--template"]).contains("[training]"));
}

#[cfg(unix)]
#[test]
fn interrupted_explanations_say_how_far_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (demo_file("model.safetensors"), demo_file("inputs"));
    let (line, errors) = interrupted(folder.path(), &["explain", &inputs, "--model", &model, "--method", "rise"]);
    assert!(line.ends_with(".png:\n"), "{line}");
    assert!(errors.starts_with("glassbox: stopped after ") && errors.contains(" of 3 pictures"), "{errors}");
}

#[test]
fn networks_are_exported_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let network = Model::builder([12, 12, 3])
        .layer("conv", Layer::conv(4, 3))
        .layer("relu", Layer::Relu)
        .layer("gap", Layer::GlobalAvgPool)
        .layer("fc", Layer::linear(2));
    let model = network.clone().build(1).unwrap();
    let at = |name: &str| folder.path().join(name);
    model.save(at("net.safetensors")).unwrap();

    succeeds(folder.path(), &["export", "net.onnx", "--model", "net.safetensors"]);
    assert!(Model::load_onnx(at("net.onnx")).unwrap() == model);
    let table = succeeds(folder.path(), &["inspect", "net.onnx"]);
    assert!(table.contains("conv 3×3, 4") && table.contains("CAM looks at `relu`"), "{table}");

    fs::write(at("names.txt"), "cat\ndog\n").unwrap();
    let names = ["--labels", "names.txt", "--mean", "0.5", "--std", "0.25"];
    succeeds(folder.path(), &[&["export", "named.safetensors", "--model", "net.onnx"], &names[..]].concat());
    let named = Model::load(at("named.safetensors")).unwrap();
    assert_eq!(
        (named.parameters(), &named.info().classes[..]),
        (model.parameters(), &["cat".into(), "dog".into()][..])
    );
    write_npy(at("picture.npy"), Array3::from_elem((12, 12, 3), 0.5).view()).unwrap();
    succeeds(folder.path(), &["explain", "picture.npy", "--model", "net.onnx", "--method", "grad-cam"]);

    succeeds(folder.path(), &["export", "weights.safetensors", "--weights", "--model", "net.onnx"]);
    let naming = nn::Naming { layout: nn::WeightLayout::PyTorch, layers: &[] };
    assert!(network.load_weights(at("weights.safetensors"), &naming).unwrap() == model);

    let error = fails(folder.path(), &["export", "net.h5", "--model", "net.onnx"]);
    assert!(error.contains("net.h5: expected a name that ends in .onnx or .safetensors"), "{error}");
    fs::write(at("broken.onnx"), b"no network").unwrap();
    let error = fails(folder.path(), &["inspect", "broken.onnx"]);
    assert!(error.contains("broken.onnx: not an ONNX file, or a damaged one"), "{error}");
}
