//! Chapter 9: how features and gradients become a map.

use attribution::Pass;
use attribution::methods::{Cam, GradCam, GuidedBackprop, GuidedGradCam, cam, grad_cam};
use attribution::question::Method;
use ndarray::{Array2, Array3, Axis};
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use tensor::Tensor;

use super::cells::{cells, vector};
use super::drawing::{Drawing, column, leads_to, number, row, words};
use super::picture::heat;
use super::{Figure, figure, wave};

pub(crate) fn all() -> Vec<Figure> {
    vec![sum(), weights(), product()]
}

/// Two channels of 3 × 3 features, and gradients that differ from cell to cell.
pub(super) fn example() -> [Array3<f64>; 2] {
    let f =
        Array3::from_shape_vec((3, 3, 2), vec![2., 0., 1., 1., 0., 0., 3., 0., 2., 1., 0., 2., 0., 1., 0., 3., 0., 2.]);
    let g = Array3::from_shape_vec(
        (3, 3, 2),
        vec![1., -1., 1., 0., 0., 1., -2., 1., 1., -1., 1., 1., 0., 2., 1., -1., 1., 0.],
    );
    [f.unwrap(), g.unwrap()]
}

pub(super) fn channel(values: &Array3<f64>, c: usize) -> Array2<f64> {
    values.index_axis(Axis(2), c).to_owned()
}

pub(super) fn drawn(map: &Array2<f64>) -> Drawing {
    cells(map.view()).sized(34.0).draw()
}

/// The network of the chapter's examples, and its picture.
pub(super) fn network() -> (Model<f64>, Tensor<f64>) {
    let mut model = Model::builder([12, 12, 1])
        .layer("conv1", Conv2d::new(6, 3).stride(2))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(5, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
        .build(7)
        .unwrap();
    model.set_parameter("fc.bias", Tensor::new([3], vec![0.1, -0.2, 0.3])).unwrap();
    (model.cast(), wave(&[12, 12, 1], 0.7))
}

fn sum() -> Figure {
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let features = pass.forward().activation(model.layer_index("relu2").unwrap()).value().reshape([6, 6, 5]);
    let weights: Vec<f64> = (0..5).map(|c| model.parameter("fc.weight").unwrap().view()[[c, 0]]).collect();
    let map = pass.why(0).explain(&Cam).unwrap().per_cell();
    let f = features.to_array().into_shape_with_order((6, 6, 5)).unwrap();
    assert!((&cam(f.view(), &weights) - &map).iter().all(|difference| difference.abs() < 1e-12));
    let term = |c: usize| heat(channel(&f, c).view(), 13.0).titled(&number(weights[c]));
    let terms = row((0..5).map(term)).titled("weights of the class over the channels of the last features");
    let (mean, bias) = (map.mean().unwrap(), model.parameter("fc.bias").unwrap().as_slice()[0]);
    let score = pass.scores(0).unwrap()[0];
    let result = row([
        leads_to("weighted sum"),
        heat(map.view(), 18.0).titled("the map"),
        leads_to("mean"),
        words(format!("{mean:.4} + bias {bias:.4} = score {score:.4}").replace('-', "−")),
    ]);
    let about = format!(
        "Five channels of 6 × 6 features with the weights of a class, and their weighted sum, which is the map: orange cells speak for \
         the class, blue ones against it. The mean of the map is {mean:.4}; with the bias {bias:.4} it is the score {score:.4}."
    );
    figure("cam", "CAM is a weighted sum of features", about, column([terms, result]))
}

fn weights() -> Figure {
    let [f, g] = example();
    let map = grad_cam(f.view(), g.view());
    let weight = |c: usize| channel(&g, c).mean().unwrap();
    let term = |c: usize| {
        row([
            drawn(&channel(&g, c)).titled(&format!("g, channel {c}")),
            leads_to("mean"),
            vector(&[weight(c)]).sized(44.0).draw(),
            words("×"),
            drawn(&channel(&f, c)).titled(&format!("f, channel {c}")),
        ])
    };
    let by_hand = channel(&f, 0) * weight(0) + channel(&f, 1) * weight(1);
    assert!((&map - &by_hand).iter().all(|difference| difference.abs() < 1e-12));
    let drawing = row([column([term(0), term(1)]), leads_to("sum"), drawn(&map).titled("the map, signed")]);
    let about = format!(
        "Two channels of 3 × 3 cells. The mean of the gradients of the first is {}, of the second {}. The features are multiplied by \
         these weights and added.",
        number(weight(0)),
        number(weight(1))
    );
    figure("grad-cam-weights", "Grad-CAM's weights are mean gradients", about, drawing)
}

fn product() -> Figure {
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let why = pass.why(0).at("relu2");
    let map = |method: &dyn Method<f64>| why.explain(method).unwrap().stretched();
    let (place, guided, both) = (map(&GradCam).strength(), map(&GuidedBackprop), map(&GuidedGradCam));
    let pixels = |map: &attribution::Map<f64>| map.raw().index_axis(Axis(2), 0).to_owned();
    let drawing = row([
        heat(place.view(), 10.0).titled("Grad-CAM, upsampled"),
        words("⊙"),
        heat(pixels(&guided).view(), 10.0).titled("guided"),
        words("="),
        heat(pixels(&both).view(), 10.0).titled("guided Grad-CAM"),
    ]);
    let zeros = both.raw().iter().filter(|value| **value == 0.0).count();
    let about = format!(
        "A smooth map without negative values, a fine one with both signs, and their product: fine, and zero in the {zeros} of 144 \
         pixels where Grad-CAM is."
    );
    figure("guided-grad-cam", "Guided Grad-CAM is a product", about, drawing)
}
