//! Chapter 21: one photograph, read in six ways by the network that the program contains.

use std::path::Path;

use attribution::measures::rank_correlation;
use attribution::methods::{GradCam, Gradient, InputXGradient, IntegratedGradients, Lrp, Occlusion};
use attribution::question::Method;
use attribution::{Baseline, Pass, Photo, Target};
use image::{Rgb, RgbImage};
use ndarray::{Array2, s};
use nn::data::Normalization;
use nn::zoo::{BatchNorms, Head, efficientnet_lite0};
use nn::{Model, ModelInfo, Naming};

use super::drawing::{column, number, row};
use super::picture::{heat, picture};
use super::plot::bars;
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    let (model, photo) = (network(), photo());
    let pass = Pass::new(&model, &photo).unwrap();
    vec![six_maps(&pass, &photo), another_class(&pass)]
}

const SIDE: usize = 128;
/// What it says of the figures' numbers must be true.
const CHAPTER: &str = include_str!("../../docs/chapter_21_one_photograph.md");

fn network() -> Model<f64> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pretrained/efficientnet-lite0");
    let labels = std::fs::read_to_string(folder.join("labels.txt")).unwrap();
    let classes: Vec<String> = labels.lines().map(String::from).collect();
    let normalization = Normalization::new(vec![127.0; 3], vec![128.0; 3]).unwrap().with_scale(1.0).unwrap();
    let builder = efficientnet_lite0([SIDE, SIDE, 3], classes.len(), Head::GlobalAvgPool, BatchNorms::Folded);
    let info = ModelInfo { classes, normalization: Some(normalization), ..ModelInfo::default() };
    let weights = std::fs::read(folder.join("weights.safetensors")).unwrap();
    builder.info(info).build_with(&weights, &Naming::default()).unwrap().cast()
}

fn photo() -> Photo {
    Photo::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/photos/chelsea.png")).unwrap()
}

/// The means of 2 × 2 pixels.
fn halved(map: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((SIDE / 2, SIDE / 2), |(y, x)| {
        map.slice(s![2 * y..2 * y + 2, 2 * x..2 * x + 2]).mean().unwrap()
    })
}

fn six_maps(pass: &Pass<'_, f64>, photo: &Photo) -> Figure {
    let best = pass.top(3);
    let class = best[0].class;
    let integrated = IntegratedGradients { steps: 6, ..IntegratedGradients::default() };
    let occlusion = Occlusion { window: Some([32, 32]), stride: Some([24, 24]), baseline: Baseline::default() };
    let methods: [(&str, &dyn Method<f64>); 6] = [
        ("Grad-CAM", &GradCam),
        ("occlusion", &occlusion),
        ("LRP", &Lrp::default()),
        ("gradient", &Gradient),
        ("input × gradient", &InputXGradient),
        ("integrated gradients", &integrated),
    ];
    let [a, b, c, d, e, f] = methods.map(|(name, method)| {
        heat(halved(&pass.why(class).explain(method).unwrap().over_input()).view(), 2.0).titled(name)
    });
    let small = photo.fit(SIDE / 2, SIDE / 2, attribution::nn::data::Crop::default());
    let pixel = |x: u32, y: u32| Rgb([0, 1, 2].map(|c| small.pixels()[[y as usize, x as usize, c]]));
    let original = picture(RgbImage::from_fn(SIDE as u32 / 2, SIDE as u32 / 2, pixel), 2.0).titled("the photograph");
    let drawing = column([row([original, a, b, c]), row([d, e, f])]);
    for prediction in &best {
        let amount = format!("{:.0} %", 100.0 * prediction.value);
        assert!(CHAPTER.contains(&format!("*{}*", prediction.name)) && CHAPTER.contains(&amount), "{prediction:?}");
    }
    let said: Vec<String> = best.iter().map(|p| format!("{} {:.0} %", p.name, 100.0 * p.value)).collect();
    let about = format!(
        "A tabby cat's face, and six maps of it for the likeliest class; the network says {}. Grad-CAM covers most of the \
         picture in smooth cells, strongest right of the middle. Occlusion marks blocks from the forehead down between the \
         eyes, strongest beside the right one. LRP draws the rings of the eyes and the edge of the nose. The gradient is \
         scattered over the whole picture and the ground behind the ear. Its product with the picture follows the bright edge \
         from an eye to the nose, and integrated gradients are as grainy.",
        said.join(", ")
    );
    figure("six-maps", "One photograph and six maps of it", about, drawing)
}

/// How alike the maps of other classes are.
fn another_class(pass: &Pass<'_, f64>) -> Figure {
    let named = |name: &str| pass.model().info().classes.iter().position(|class| class == name).unwrap();
    let [own, near, absent] = ["Egyptian cat", "tabby", "espresso"].map(named);
    let methods: [(&str, &dyn Method<f64>); 3] =
        [("Grad-CAM", &GradCam), ("LRP", &Lrp::default()), ("gradient", &Gradient)];
    let [with_near, with_absent] = [near, absent].map(|other| {
        methods.map(|(name, method)| {
            // With their signs, summed over the colours.
            let [a, b] = [own, other].map(|class| {
                let map = pass.why(class).explain(method).unwrap();
                map.raw().sum_axis(ndarray::Axis(2)).mapv(|value| value as f32)
            });
            (name, rank_correlation(a.view(), b.view()).unwrap())
        })
    });
    let difference = pass.why(Target::contrast(own, near)).explain(&GradCam).unwrap().per_cell();
    assert!(difference.iter().any(|&cell| cell > 0.0) && difference.iter().any(|&cell| cell < 0.0));
    let cells = heat(difference.view(), 24.0).titled("Egyptian cat − tabby");
    let drawing = row([
        bars(&with_near).titled("with the map of tabby"),
        bars(&with_absent).titled("with that of espresso"),
        cells,
    ]);
    let list = |bars: &[(&str, f64)]| {
        bars.iter().map(|(name, rho)| format!("{name} {}", number(*rho))).collect::<Vec<_>>().join(", ")
    };
    let about = format!(
        "Rank correlations of the signed map of Egyptian cat with that of tabby, a class that is as near as can be: {}; and with that of espresso, which \
         isn't in the picture: {}. Beside them Grad-CAM's four by four cells for the difference of the scores of Egyptian cat and tabby, with both signs.",
        list(&with_near),
        list(&with_absent)
    );
    figure("another-class", "How alike the maps of other classes are", about, drawing)
}
