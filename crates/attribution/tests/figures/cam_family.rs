//! Chapter 9: other weights of the same features.

use attribution::Pass;
use attribution::methods::{
    AblationCam, GradCam, ScoreCam, eigen_cam, grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam,
};
use attribution::question::Method;
use ndarray::Axis;
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use tensor::Tensor;

use super::cam::{channel, drawn, example};
use super::drawing::{column, leads_to, number, row, words};
use super::picture::heat;
use super::plot::{bars, plot};
use super::{Figure, figure, table};

pub(crate) fn all() -> Vec<Figure> {
    vec![hires(), layer(), xgrad(), plus_plus(), element_wise(), eigen(), without_gradients()]
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
