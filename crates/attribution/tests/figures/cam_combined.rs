//! Chapter 9: several classes, several layers, and concepts.

use attribution::Pass;
use attribution::methods::{Concepts, FinerCam, GradCam, GradCamPlusPlus, RefineCam, factorize};
use ndarray::{Array2, Array3};

use super::cam::{channel, network};
use super::drawing::{column, leads_to, number, row, words};
use super::picture::heat;
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![finer(), refined(), concepts()]
}

fn finer() -> Figure {
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let of_class = |class: usize| pass.why(class).explain(&GradCam).unwrap().per_cell();
    let against = pass.why(0).explain(&FinerCam::default()).unwrap().per_cell();
    let drawing = row([
        heat(of_class(0).view(), 18.0).titled("Grad-CAM, class 0"),
        heat(of_class(1).view(), 18.0).titled("class 1"),
        heat(of_class(2).view(), 18.0).titled("class 2"),
        leads_to("compared"),
        heat(against.view(), 18.0).titled("Finer-CAM, class 0"),
    ]);
    let about = "Grad-CAM of the three classes of a small network, and Finer-CAM of the first: what speaks for it rather than for the other \
                 two, weighted by their probabilities.";
    figure("finer-cam", "A class against those that are similar", about, drawing)
}

fn refined() -> Figure {
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let at = |layer: &'static str| pass.why(0).at(layer).explain(&GradCamPlusPlus).unwrap();
    let both = ["relu1", "relu2"];
    let mean = pass.why(0).at_each(both).explain(&GradCamPlusPlus).unwrap().over_input();
    let product = pass.why(0).at_each(both).explain(&RefineCam).unwrap().over_input();
    let strong = |map: &Array2<f64>| map.iter().filter(|&&v| v > 0.5).count();
    let drawing = row([
        heat(at("relu1").over_input().view(), 9.0).titled("relu1"),
        heat(at("relu2").over_input().view(), 9.0).titled("relu2"),
        heat(mean.view(), 9.0).titled("mean"),
        heat(product.view(), 9.0).titled("product"),
    ]);
    let about = format!(
        "Grad-CAM++ at an early and at a late layer, their mean and their product. {} of {} pixels are above a half in the mean, {} in the \
         product.",
        strong(&mean),
        mean.len(),
        strong(&product)
    );
    figure("refine-cam", "The mean and the product of two layers' maps", about, drawing)
}

fn concepts() -> Figure {
    let mixtures = [[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]];
    let features = Array3::from_shape_fn((4, 6, 3), |(i, j, c)| mixtures[usize::from(j >= 3)][c] * (i as f64 + 1.0));
    let Concepts { maps, features: found } = factorize(features.view(), 2, 1);
    let concept = |k: usize| {
        let mixture = (0..3).map(|c| number(found[[k, c]])).collect::<Vec<_>>().join(", ");
        column([heat(channel(&maps, k).view(), 16.0).titled(&format!("concept {k}")), words(mixture)])
    };
    let drawing = row([
        row((0..3).map(|c| heat(channel(&features, c).view(), 16.0).titled(&format!("channel {c}")))),
        leads_to("factorized"),
        row([concept(0), concept(1)]),
    ]);
    let about = "Three channels of features, of which the left half mixes the first and the third, and the right half the second and the \
                 third. Factorized into two concepts, each has a map of one half, and under it its mixture of the channels.";
    figure("concepts", "Features as sums of two concepts", about, drawing)
}
