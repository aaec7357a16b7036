//! Chapter 9: how features and gradients become a map.

use attribution::Pass;
use attribution::methods::{
    AblationCam, Cam, Concepts, FinerCam, GradCam, GradCamPlusPlus, GuidedBackprop, GuidedGradCam, RefineCam, ScoreCam,
    cam, eigen_cam, factorize, grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam,
};
use attribution::question::Method;
use ndarray::{Array2, Array3, Axis};
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use tensor::Tensor;

use super::cells::{cells, vector};
use super::drawing::{Drawing, column, leads_to, number, row, words};
use super::picture::heat;
use super::plot::{bars, plot};
use super::{Figure, figure, table, wave};

pub(crate) fn all() -> Vec<Figure> {
    let maps = vec![sum(), weights(), product(), hires(), layer(), xgrad()];
    let others = [plus_plus(), element_wise(), eigen(), without_gradients(), finer(), refined(), concepts()];
    maps.into_iter().chain(others).collect()
}

/// Two channels of 3 × 3 features, and gradients that differ from cell to cell.
fn example() -> [Array3<f64>; 2] {
    let f =
        Array3::from_shape_vec((3, 3, 2), vec![2., 0., 1., 1., 0., 0., 3., 0., 2., 1., 0., 2., 0., 1., 0., 3., 0., 2.]);
    let g = Array3::from_shape_vec(
        (3, 3, 2),
        vec![1., -1., 1., 0., 0., 1., -2., 1., 1., -1., 1., 1., 0., 2., 1., -1., 1., 0.],
    );
    [f.unwrap(), g.unwrap()]
}

fn channel(values: &Array3<f64>, c: usize) -> Array2<f64> {
    values.index_axis(Axis(2), c).to_owned()
}

fn drawn(map: &Array2<f64>) -> Drawing {
    cells(map.view()).sized(34.0).draw()
}

/// The network of the chapter's examples, and its picture.
fn network() -> (Model<f64>, Tensor<f64>) {
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

fn hires() -> Figure {
    let [f, g] = example();
    let term = |c: usize| {
        row([drawn(&channel(&g, c)), words("⊙"), drawn(&channel(&f, c))]).titled(&format!("g and f, channel {c}"))
    };
    let maps = [("HiResCAM", hires_cam(f.view(), g.view())), ("Grad-CAM", grad_cam(f.view(), g.view()))];
    let drawing =
        column([row([term(0), words("+"), term(1)]), row(maps.each_ref().map(|(name, map)| drawn(map).titled(name)))]);
    let about = format!(
        "The same gradients and features, multiplied cell by cell and added: HiResCAM, beside Grad-CAM. In the second row, first cell, a \
         gradient of −2 meets a feature of 3: HiResCAM has {} there, Grad-CAM {}.",
        number(maps[0].1[[1, 0]]),
        number(maps[1].1[[1, 0]])
    );
    figure("hires-cam", "HiResCAM multiplies before it averages", about, drawing)
}

fn layer() -> Figure {
    let [f, g] = example();
    let positive = g.mapv(|g| g.max(0.0));
    let map = layer_cam(f.view(), g.view());
    let term = |c: usize| {
        row([drawn(&channel(&positive, c)), words("⊙"), drawn(&channel(&f, c))])
            .titled(&format!("[g]₊ and f, channel {c}"))
    };
    let drawing = column([row([term(0), words("+"), term(1)]), drawn(&map).titled("LayerCAM")]);
    let about = "The positive parts of the gradients times the features, cell by cell, and their sum over two channels. No cell of the \
                 map is negative: where a gradient is negative, its channel adds nothing.";
    figure("layer-cam", "LayerCAM drops negative gradients", about, drawing)
}

fn xgrad() -> Figure {
    let [f, g] = example();
    let weight = |c: usize| {
        let (f, g) = (channel(&f, c), channel(&g, c));
        ((&f * &g).sum() / f.sum(), g.mean().unwrap())
    };
    let [(x0, plain0), (x1, plain1)] = [weight(0), weight(1)];
    let map = xgrad_cam(f.view(), g.view());
    let [sum, score] = [map.sum(), (&f * &g).sum()];
    assert!((sum - score).abs() < 1e-5);
    let drawing = row([
        bars(&[("channel 0", x0), ("channel 1", x1)]).titled("weighted by the features"),
        bars(&[("channel 0", plain0), ("channel 1", plain1)]).titled("plain means: Grad-CAM"),
        drawn(&map).titled("XGrad-CAM"),
    ]);
    let about = format!(
        "Two weights, of two channels, as means of the gradient weighted by the features, {} and {}, and as plain means, {} and {}. With \
         the first ones the map sums to {}, which is the sum of all features times gradients.",
        number(x0),
        number(x1),
        number(plain0),
        number(plain1),
        number(sum)
    );
    figure("xgrad-cam", "XGrad-CAM's weights", about, drawing)
}

fn plus_plus() -> Figure {
    let [f, g] = example();
    let alpha = |c: usize| {
        let total = channel(&f, c).sum();
        channel(&g, c).mapv(|g| if g > 0.0 { g * g / (2.0 * g * g + g.powi(3) * total) } else { 0.0 })
    };
    let weight = |c: usize| (alpha(c) * channel(&g, c)).sum();
    let map = grad_cam_plus_plus(f.view(), g.view());
    let by_hand = channel(&f, 0) * weight(0) + channel(&f, 1) * weight(1);
    assert!((&map - &by_hand).iter().all(|difference| difference.abs() < 1e-3));
    let term = |c: usize| drawn(&alpha(c)).titled(&format!("α, channel {c}: weight {}", number(weight(c))));
    let drawing = row([term(0), term(1), leads_to("Σ w f"), drawn(&map).titled("Grad-CAM++")]);
    let about = format!(
        "The factors α of the cells whose gradient is positive, in two channels. The larger a gradient and the sum of the channel, the \
         smaller its factor. The weights of the channels are {} and {}, and the map is the weighted sum of the features.",
        number(weight(0)),
        number(weight(1))
    );
    figure("grad-cam-plus-plus", "Grad-CAM++ weighs positive gradients", about, drawing)
}

fn element_wise() -> Figure {
    let [f, g] = example();
    // Features that can be negative, as behind a tanh.
    let f = f.mapv(|f| f - 1.0);
    let element_wise = (&f * &g).mapv(|product| product.max(0.0)).sum_axis(Axis(2));
    let layer = layer_cam(f.view(), g.view());
    let term = |c: usize| {
        row([drawn(&channel(&g, c)), words("⊙"), drawn(&channel(&f, c))]).titled(&format!("g and f, channel {c}"))
    };
    let drawing = column([
        row([term(0), words("+"), term(1)]),
        row([drawn(&element_wise).titled("positive products"), drawn(&layer).titled("LayerCAM")]),
    ]);
    let negative = layer.iter().filter(|value| **value < 0.0).count();
    let about = format!(
        "Features that may be negative, times gradients. If only positive products count, no cell is negative. LayerCAM, which drops \
         negative gradients but not negative features, has {negative} negative cells of nine."
    );
    figure("grad-cam-element-wise", "Positive products, cell by cell", about, drawing)
}

fn eigen() -> Figure {
    let [f, _] = example();
    let map = eigen_cam(f.view());
    let rows: Vec<[f64; 2]> = f.lanes(Axis(2)).into_iter().map(|cell| [cell[0], cell[1]]).collect();
    // The direction, from a projection: map = A v, so v ∝ Aᵀ map.
    let mut direction = [0.0; 2];
    rows.iter().zip(&map).for_each(|(cell, m)| (0..2).for_each(|c| direction[c] += cell[c] * m));
    let length = direction[0].hypot(direction[1]);
    let [dx, dy] = direction.map(|part| part / length);
    let axes = plot([0.0, 3.5], [0.0, 3.5], "channel 0", "channel 1 of each cell")
        .curve("v", vec![[0.0, 0.0], [3.4 * dx.abs(), 3.4 * dy.abs()]]);
    let axes = rows.iter().fold(axes, |axes, &cell| axes.dot(cell, ""));
    let drawing = row([axes.draw(), leads_to("project on v"), drawn(&map).titled("Eigen-CAM")]);
    let about = format!(
        "The nine cells as points in the plane of two channels. The direction v = ({}, {}) is the one along which they are longest \
         together, and the map holds each cell's length along it. No class occurs.",
        number(dx.abs()),
        number(dy.abs())
    );
    figure("eigen-cam", "Eigen-CAM projects the cells on a direction", about, drawing)
}

fn without_gradients() -> Figure {
    let model = Model::builder([6, 6, 1])
        .layer("conv", Conv2d::new(3, 3).stride(2))
        .layer("relu", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .build(3)
        .unwrap()
        .cast::<f64>();
    let image = Tensor::from_fn([6, 6, 1], |i| (i as f64).sin());
    let pass = Pass::new(&model, &image).unwrap();
    let f = pass.forward().activation(1).value().to_array().into_shape_with_order((3, 3, 3)).unwrap();
    let map = |method: &dyn Method<f64>| pass.why(0).at("relu").explain(method).unwrap().per_cell();
    let features = row((0..3).map(|c| drawn(&channel(&f, c)).titled(&format!("channel {c}"))));
    let maps = [("Ablation-CAM", map(&AblationCam)), ("Score-CAM", map(&ScoreCam)), ("Grad-CAM", map(&GradCam))];
    let drawing = column([
        row([heat(table(&image, 6).view(), 14.0).titled("the picture"), leads_to("network"), features]),
        row(maps.each_ref().map(|(name, map)| drawn(map).titled(name))),
    ]);
    let about = "A picture of 6 × 6 pixels, three channels of 3 × 3 features, and three maps of them. Ablation-CAM's is proportional to \
                 Grad-CAM's here, as the score is linear in the features. Score-CAM's weights come from a softmax and are all positive, \
                 so a channel that speaks against the class counts for it.";
    figure("ablation-and-score-cam", "Weights from tried changes", about, drawing)
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
