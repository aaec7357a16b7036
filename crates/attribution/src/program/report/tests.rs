use std::{env, fs};

use attribution::methods::{Cam, Deconvnet, Gradient, GuidedBackprop, InputXGradient};
use attribution::{Map, Method, Pass};
use ndarray::Array3;
use nn::data::Normalization;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use nn::{Model, ModelInfo};
use serde_json::{Value, json};
use tensor::Tensor;

use super::*;
use crate::program::files::picture::Picture;

const SCRIPTED: &str = "</script><script>alert(1)</script>\"'&amp;<!--";

/// A network whose classes have hostile names, for pictures of this size.
fn model(side: usize) -> Model {
    Model::builder([side, side, 3])
        .layer("conv", Conv2d::new(4, 3))
        .layer(SCRIPTED, Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .info(ModelInfo {
            classes: vec![format!("0{SCRIPTED}"), format!("1{SCRIPTED}")],
            normalization: Some(Normalization::new(vec![0.5; 3], vec![0.5; 3]).unwrap()),
            ..ModelInfo::default()
        })
        .build(3)
        .unwrap()
}

/// Waves with noise, so that the maps' bytes are hard to compress.
fn picture(model: &Model) -> Picture {
    let grain = |y: usize, x: usize, c: usize| (y * 7919 + x * 104_729 + c * 1_299_709) % 251 % 24;
    let pixels = Array3::from_shape_fn((model.input_shape()[0], model.input_shape()[1], 3), |(y, x, c)| {
        (100.0 + 60.0 * (y as f64 / 31.0).sin() * (x as f64 / (17.0 + c as f64)).cos()) as u8 + grain(y, x, c) as u8
    });
    Picture::from_pixels(pixels.view(), model).unwrap()
}

fn explain(entry: &mut Entry, pass: &Pass<'_>, methods: &[&dyn Method]) {
    let found: Vec<_> = methods.iter().map(|method| (method.about(), pass.why(0).explain(*method).unwrap())).collect();
    let explanations = found.iter().enumerate().map(|(number, (about, map))| {
        let (title, scale) = (about.title, map.scale());
        // A method that appears twice has a different id the second time.
        Explanation { id: ["a", "b", "c", "d", "e", "f", "g", "h", "i"][number], title, about, map, scale }
    });
    entry.explain(SCRIPTED, explanations);
}

/// A page with one hostile picture and every kind of section.
fn hostile() -> String {
    let model = model(12);
    let picture = picture(&model);
    let pass = picture.observe(&model).unwrap();
    let mut page = Page::new("explain", SCRIPTED, vec![("Network", SCRIPTED.into())], 1);
    let mut entry = Entry::new(SCRIPTED.into(), &picture, &pass, page.budget(1)).unwrap();
    entry = entry.with_truth(SCRIPTED.into(), None).with_certificates(&pass.certify(0).unwrap());
    explain(&mut entry, &pass, &[&Cam, &Gradient]);
    page.add(entry).unwrap();
    page.training(&[Curve { name: "Loss", lines: vec![("training", vec![2.0, 1.0])] }]);
    let rows = vec![(SCRIPTED.to_string(), vec![Some(Figure { shown: SCRIPTED.into(), value: 1.0 })])];
    page.measures(&[Table { caption: SCRIPTED.into(), subject: "Method", heads: vec![SCRIPTED.into()], rows }], &[]);
    page.confusion(&Confusion::new(vec![SCRIPTED.into()]));
    page.film(&[(SCRIPTED.into(), picture.shown())]).unwrap();
    page.text("Settings", "settings", SCRIPTED);
    let folder = tempfile::tempdir().unwrap();
    fs::read_to_string(page.write(folder.path()).unwrap()).unwrap()
}

#[test]
fn what_comes_from_outside_stays_text() {
    let page = hostile();
    // Three scripts: the shared data, one picture, the code.
    assert_eq!(page.matches("<script").count(), 3);
    assert!(!page.contains("<!--"));
    assert!(page.matches("&lt;/script&gt;&lt;script&gt;alert(1)").count() > 5);
    let data = page.split("id=\"entry-0\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let expected = [
        (&data["name"], SCRIPTED.to_string()),
        (&data["truth"]["class"], SCRIPTED.into()),
        (&data["classes"][0]["why"], SCRIPTED.into()),
        (&data["classes"][0]["maps"][0]["layer"], SCRIPTED.into()),
    ];
    for (found, expected) in expected {
        assert_eq!(found, &expected);
    }
    assert!(data["top"][0][0].as_str().unwrap().ends_with(SCRIPTED));
}

#[test]
fn the_page_holds_everything_itself() {
    let page = hostile();
    for outside in ["http:", "https:", "//cdn", "@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for attribute in ["src=\"", "href=\""] {
        let mut links = page.split(attribute).skip(1);
        assert!(links.all(|link| link.starts_with("data:") || link.starts_with('#')), "{attribute}");
    }
    assert!(page.contains("default-src 'none'") && !page.contains("unsafe"));
}

/// Up to eight pixel maps of a photograph's size.
#[test]
fn two_hundred_pictures_stay_below_40_mb() {
    let model = model(224);
    let picture = picture(&model);
    let pass = picture.observe(&model).unwrap();
    let signed: [&dyn Method; 4] = [&Gradient, &InputXGradient, &GuidedBackprop, &Deconvnet];
    let page = Page::new("explain", "", Vec::new(), 200);
    for methods in [&signed[..1], &signed, &signed.repeat(2)] {
        let mut entry = Entry::new("picture".into(), &picture, &pass, page.budget(1)).unwrap();
        explain(&mut entry, &pass, methods);
        let (choice, _) = entry.finish().unwrap();
        let bytes = choice.data.len() + choice.picture.len();
        assert!(200 * bytes < 40_000_000, "{} maps: {bytes} bytes a picture", methods.len());
    }
}

/// What the script's own tests compare it with.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/report/fixture.json");

/// A network whose weights are multiples of 1/8, and whose 4 × 8 cells lie nearer to the upper left: on pixels that are
/// black or white, its sums are exact in whatever order they are taken.
fn exact_model() -> Model {
    let mut model = Model::builder([13, 25, 3])
        .layer("conv", Conv2d::new(2, 5).stride(3).padding(1))
        .layer("relu", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .info(ModelInfo {
            normalization: Some(Normalization::new(vec![0.5; 3], vec![0.5; 3]).unwrap()),
            ..ModelInfo::default()
        })
        .build(3)
        .unwrap();
    let shapes: Vec<_> = model.parameters().iter().map(|p| (p.name.clone(), p.value.shape().to_vec())).collect();
    for (name, shape) in shapes {
        model.set_parameter(&name, Tensor::from_fn(shape, |i| (i * i * 7 % 17) as f32 / 8.0 - 1.0)).unwrap();
    }
    model
}

#[test]
fn the_scripts_fixture_is_what_is_computed_here() {
    let model = exact_model();
    let pixels = Array3::from_shape_fn((13, 25, 3), |(y, x, c)| if (y * y + x * x + 5 * c) % 7 < 3 { 255 } else { 0 });
    let picture = Picture::from_pixels(pixels.view(), &model).unwrap();
    let pass = picture.observe(&model).unwrap();
    let explain = |method: &dyn Method| (method.about(), pass.why(0).explain(method).unwrap());
    let (about, cells) = explain(&Cam);
    let found = [(about, cells.clone()), (about, cells.stretched()), explain(&Gradient), explain(&InputXGradient)];
    let mut entry = Entry::new("picture".into(), &picture, &pass, usize::MAX).unwrap();
    entry.explain(
        "class",
        found.iter().map(|(about, map)| Explanation {
            id: about.title,
            title: about.title,
            about,
            map,
            scale: map.scale(),
        }),
    );
    let data: Value = serde_json::from_str(&entry.finish().unwrap().0.data).unwrap();
    let strength = |(_, map): &(_, Map)| map.strength().iter().copied().collect::<Vec<f32>>();
    let fixture = json!({
        "input": data["input"],
        "maps": data["classes"][0]["maps"],
        "values": data["values"],
        "strengths": found.iter().map(strength).collect::<Vec<_>>(),
    });
    let fixture = format!("{fixture}\n");
    if env::var("BLESS").is_ok_and(|bless| bless == "1") {
        fs::write(FIXTURE, &fixture).unwrap();
    }
    let stored = fs::read_to_string(FIXTURE).unwrap();
    assert!(stored == fixture, "{FIXTURE} is another; if that is right, run this test with BLESS=1");
}
