//! `glassbox explain`.

use std::fs;
use std::path::Path;

use attribution::npy::write_npy;
use ndarray::{Array2, Array3};
use nn::Model;
use nn::layers::{Conv2d, Flatten, GlobalAvgPool, Linear, Relu, Silu};

#[cfg(unix)]
use crate::support::interrupted;
use crate::support::{a_picture, demo_file, fails, glassbox, succeeds};

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
    assert!(succeeds(folder.path(), &arguments).contains("why Bag, as requested"));
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
    assert!(
        printed.contains("why Bag, as requested") && printed.contains("why T-shirt/top, as requested"),
        "{printed}"
    );
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
        .layer("conv1", Conv2d::new(2, 3))
        .layer("relu1", Relu)
        .layer("flat", Flatten)
        .layer("fc", Linear::new(2));
    flat.build(1).unwrap().save(folder.path().join("flat.safetensors")).unwrap();
    let array = Array3::from_shape_fn((48, 48, 1), |(y, x, _)| ((y * x) as f32).sin());
    write_npy(folder.path().join("waves.npy"), array.view()).unwrap();

    let explain = ["explain", "waves.npy", "--model", "flat.safetensors"];
    let error = fails(folder.path(), &[&explain[..], &["--method", "cam"]].concat());
    assert!(error.contains("global average pooling") && error.contains("use Grad-CAM"), "{error}");
    // It has no normalization either.
    let picture = a_picture();
    let unnormalized = ["explain", &picture, "--model", "flat.safetensors", "--method", "grad-cam"];
    let error = fails(folder.path(), &unnormalized);
    assert!(error.contains("no normalization") && error.contains(".png: "), "{error}");
    let explained = |arguments: &[&str]| {
        let output = glassbox(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, warnings) = explained(&explain);
    assert!(warnings.contains("CAM is skipped: CAM needs a model that ends in"), "{warnings}");
    // Nor has guided backpropagation a reading for other activations.
    let smooth = Model::builder([48, 48, 1])
        .layer("conv1", Conv2d::new(2, 3))
        .layer("silu1", Silu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2));
    smooth.build(1).unwrap().save(folder.path().join("smooth.safetensors")).unwrap();
    let (printed, warnings) = explained(&["explain", "waves.npy", "--model", "smooth.safetensors"]);
    assert!(
        warnings.contains("guided backprop is skipped") && warnings.contains("silu of layer `silu1`"),
        "{warnings}"
    );
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
        ("text.png", "expected a PNG, JPEG, WebP, GIF, BMP or TIFF picture"),
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
fn a_limit_takes_the_first_pictures_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (demo_file("model.safetensors"), demo_file("inputs"));
    let explain = ["explain", &inputs, "--model", &model, "-m", "cam", "-o", "out", "--limit"];
    let explained =
        |limit: &str| succeeds(folder.path(), &[&explain[..], &[limit]].concat()).matches(".explained.png").count();
    assert_eq!([explained("2"), explained("9")], [2, 3]);
    assert_eq!(glassbox(folder.path(), &[&explain[..], &["0"]].concat()).status.code(), Some(2));
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

#[cfg(unix)]
#[test]
fn interrupted_explanations_say_how_far_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (demo_file("model.safetensors"), demo_file("inputs"));
    let (line, errors) = interrupted(folder.path(), &["explain", &inputs, "--model", &model, "--method", "rise"]);
    assert!(line.ends_with(".png:\n"), "{line}");
    assert!(errors.starts_with("glassbox: stopped after ") && errors.contains(" of 3 pictures"), "{errors}");
}
