//! Chapter 11: maps of every pixel.

use attribution::methods::{
    Augmented, ExpectedGradients, Gradient, InputXGradient, IntegratedGradients, Occlusion, Rise, Shapley, SmoothGrad,
    VarGrad,
};
use attribution::question::Method;
use attribution::{Baseline, Pass};
use ndarray::{Array2, Axis};
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu, Silu};
use tensor::Tensor;

use super::drawing::{FIRST, SECOND, column, number, row};
use super::picture::heat;
use super::plot::{plot, sampled};
use super::{Figure, figure, table};

pub(crate) fn all() -> Vec<Figure> {
    vec![products(), path(), many_baselines(), smoothing(), covering(), orders(), copies()]
}

/// The class that the disc speaks for.
const CLASS: usize = 1;

/// A bright disc on a dark ground, off the middle.
fn picture() -> Tensor<f64> {
    Tensor::from_fn([16, 16, 1], |at| {
        let [y, x] = [(at / 16) as f64, (at % 16) as f64];
        if (y - 5.5).hypot(x - 9.5) < 3.6 { 1.0 } else { 0.1 + 0.05 * ((x * 1.3 + y * 2.1).sin()) }
    })
}

fn network(curved: bool) -> Model<f64> {
    let conv = Model::builder([16, 16, 1]).layer("conv", Conv2d::new(6, 5));
    let activated = if curved { conv.layer("activation", Silu) } else { conv.layer("activation", Relu) };
    let mut model = activated.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(2).unwrap();
    model.set_parameter("fc.weight", Tensor::from_fn([6, 2], |i| if i % 2 == CLASS { 1.0 } else { -1.0 })).unwrap();
    model.cast()
}

fn map(pass: &Pass<'_, f64>, method: &dyn Method<f64>) -> Array2<f64> {
    pass.why(CLASS).explain(method).unwrap().raw().index_axis(Axis(2), 0).to_owned()
}

fn products() -> Figure {
    let (model, image) = (network(false), picture());
    let pass = Pass::new(&model, &image).unwrap();
    let [gradient, product] = [map(&pass, &Gradient), map(&pass, &InputXGradient)];
    let share = |map: &Array2<f64>| {
        let inside = map.indexed_iter().filter(|((y, x), _)| (*y as f64 - 5.5).hypot(*x as f64 - 9.5) < 3.6);
        inside.map(|(_, value)| value.abs()).sum::<f64>() / map.mapv(f64::abs).sum()
    };
    let drawing = row([
        heat(table(&image, 16).view(), 8.0).titled("a picture"),
        heat(gradient.view(), 8.0).titled("gradient"),
        heat(product.view(), 8.0).titled("input × gradient"),
    ]);
    let about = format!(
        "A bright disc on a dark ground, the gradient of a small network's score, and its product with the picture. {:.0} % of the \
         gradient's magnitude lies on the disc, {:.0} % of the product's: the product vanishes where the picture is black.",
        100.0 * share(&gradient),
        100.0 * share(&product)
    );
    figure("input-times-gradient", "The gradient, and its product with the picture", about, drawing)
}

fn path() -> Figure {
    let (model, image) = (network(true), picture());
    let black = Tensor::zeros([16, 16, 1]);
    let at = |t: f64| image.clone().map(|x| t * x);
    let score = |t: f64| Pass::new(&model, at(t)).unwrap().scores(CLASS).unwrap()[0];
    let slope = |t: f64| {
        let moved = at(t);
        let pass = Pass::new(&model, &moved).unwrap();
        (map(&pass, &Gradient) * table(&image, 16)).sum()
    };
    let difference = score(1.0) - Pass::new(&model, &black).unwrap().scores(CLASS).unwrap()[0];
    let pass = Pass::new(&model, &image).unwrap();
    let error = |steps: usize| {
        let method = IntegratedGradients { steps, baseline: Baseline::Value(0.0) };
        let (_, completeness) = method.with_completeness(&pass.why(CLASS)).unwrap().remove(0);
        completeness.error().abs().max(1e-16).log10()
    };
    let errors: Vec<[f64; 2]> = (1..=8).map(|steps| [steps as f64, error(steps).floor()]).collect();
    let slopes = sampled([0.0, 1.0], slope);
    let top = slopes.iter().fold(0.0, |top: f64, [_, s]| top.max(s.abs()));
    let drawing = row([
        plot([0.0, 1.0], [-1.1 * top, 1.1 * top], "t, from the baseline to the picture", "derivative of the score")
            .curve("", slopes)
            .draw(),
        plot([1.0, 8.0], [-17.0, 0.0], "steps", "powers of ten of the gap").curve("", errors.clone()).draw(),
    ]);
    let about = format!(
        "Left, the derivative of the score along the straight line from black to the picture. The area under it is the difference of the \
         scores, {}. Right, the gap between this difference and the sum of the map: below 10 to the power of {} with one step, of {} with \
         four.",
        number(difference),
        number(errors[0][1] + 1.0),
        number(errors[3][1] + 1.0)
    );
    figure("integrated-path", "Integrated gradients: the path and the error", about, drawing)
}

/// A dark disc on a bright ground: what a black baseline doesn't see.
fn many_baselines() -> Figure {
    let (model, image) = (network(true), picture().map(|x| if x == 1.0 { 0.0 } else { 1.0 - x }));
    let pass = Pass::new(&model, &image).unwrap();
    let integrated = IntegratedGradients { steps: 20, baseline: Baseline::Value(0.0) };
    let expected = ExpectedGradients { samples: 400, ..ExpectedGradients::default() };
    let maps = [("integrated, from black", map(&pass, &integrated)), ("expected gradients", map(&pass, &expected))];
    let on_disc = |map: &Array2<f64>| {
        let disc = map.indexed_iter().filter(|((y, x), _)| (*y as f64 - 5.5).hypot(*x as f64 - 9.5) < 3.6);
        disc.map(|(_, value)| value.abs()).fold(0.0, f64::max)
            / map.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
    };
    assert_eq!(on_disc(&maps[0].1), 0.0);
    let [a, b] = maps.each_ref().map(|(name, map)| heat(map.view(), 8.0).titled(name));
    let about = format!(
        "A black disc on a bright ground. Integrated gradients from black are zero all over the disc. Expected gradients, whose baselines have the \
         colours of random pixels, are not: on the disc they reach {:.0} % of their largest magnitude, against the class, since the disc is \
         darker than most baselines.",
        100.0 * on_disc(&maps[1].1)
    );
    let drawing = row([heat(table(&image, 16).view(), 8.0).titled("a black disc"), a, b]);
    figure("many-baselines", "One black baseline, and many", about, drawing)
}

fn smoothing() -> Figure {
    let (model, image) = (network(false), picture());
    let pass = Pass::new(&model, &image).unwrap();
    let smooth = |samples: usize| SmoothGrad { samples, relative_sigma: 0.3, seed: 1 };
    let maps = [
        ("gradient", map(&pass, &Gradient)),
        ("SmoothGrad, 5 samples", map(&pass, &smooth(5))),
        ("100 samples", map(&pass, &smooth(100))),
        ("VarGrad, 100", map(&pass, &VarGrad(smooth(100)))),
    ];
    let jumps = |map: &Array2<f64>| {
        let step: f64 = map.windows([1, 2]).into_iter().map(|pair| (pair[[0, 0]] - pair[[0, 1]]).abs()).sum();
        step / map.mapv(f64::abs).sum()
    };
    let (before, after) = (jumps(&maps[0].1), jumps(&maps[2].1));
    let drawing = row(maps.each_ref().map(|(name, map)| heat(map.view(), 8.0).titled(name)));
    let about = format!(
        "The gradient of the picture of the disc, the mean of the gradients of 5 and of 100 noisy copies, and their variance, which is large \
         where the network bends. Neighbouring pixels of the gradient differ by {before:.2} of its mean magnitude, those of the mean over \
         100 copies by {after:.2}."
    );
    figure("smoothing", "Means and variances over noisy copies", about, drawing)
}

fn covering() -> Figure {
    let (model, image) = (network(true), picture());
    let pass = Pass::new(&model, &image).unwrap();
    let patches = Occlusion { window: Some([4, 4]), stride: Some([2, 2]), baseline: Baseline::Value(0.0) };
    let rise = |masks: usize| Rise { masks, cells: 5, ..Rise::default() };
    let one = |method: &dyn Method<f64>| pass.why(CLASS).explain(method).unwrap().over_input();
    let zoom = 8.0;
    let first = heat(table(&image, 16).view(), zoom)
        .outlined([0.0, 0.0], [4.0 * zoom; 2], SECOND, 2.4)
        .outlined([2.0 * zoom, 0.0], [4.0 * zoom; 2], SECOND, 1.2)
        .outlined([8.0 * zoom, 4.0 * zoom], [4.0 * zoom; 2], FIRST, 2.4);
    let drawing = column([
        row([first.titled("patches of 4 × 4, 2 apart"), heat(one(&patches).view(), zoom).titled("occlusion")]),
        row([20, 200, 2000].map(|masks| heat(one(&rise(masks)).view(), zoom).titled(&format!("RISE, {masks} masks")))),
    ]);
    let about = "Above, the picture of the disc with three of the patches that cover it in turn, and the falls of the score, each averaged \
                 over the patches that cover a pixel. Below, RISE with 20, 200 and 2000 random masks of 5 × 5 cells: with few masks the map \
                 shows the masks, with many the network.";
    figure("covering-up", "Patches, and random masks", about, drawing)
}

fn orders() -> Figure {
    let (model, image) = (network(true), picture());
    let pass = Pass::new(&model, &image).unwrap();
    let shapley = |grid: [usize; 2]| Shapley { grid, orders: 60, baseline: Baseline::Value(0.0), seed: 1 };
    let found = |grid| shapley(grid).with_values(&pass.why(CLASS)).unwrap().remove(0).1;
    let (exact, sampled) = (found([4, 2]), found([8, 8]));
    let alone = Occlusion { window: Some([4, 8]), stride: Some([4, 8]), baseline: Baseline::Value(0.0) };
    let drawing = row([
        heat(map(&pass, &alone).view(), 8.0).titled("occlusion, 4 × 2 patches"),
        heat(map(&pass, &shapley([4, 2])).view(), 8.0).titled("Shapley values, exact"),
        heat(map(&pass, &shapley([8, 8])).view(), 8.0).titled("8 × 8 patches, 60 orders"),
    ]);
    let about = format!(
        "The picture of the disc in patches. Left, how far the score falls when one patch is covered; in the middle the patches' Shapley \
         values from all 256 coalitions, which add up to {}; right those of 64 smaller patches from 60 random orders, which add up to \
         {}, with standard errors of at most {:.4}.",
        number(exact.values.sum()),
        number(sampled.values.sum()),
        sampled.errors.iter().copied().fold(0.0, f64::max)
    );
    figure("shapley", "Patches one by one, and in all orders", about, drawing)
}

fn copies() -> Figure {
    let (model, image) = (network(false), picture());
    let pass = Pass::new(&model, &image).unwrap();
    let mirrored = Tensor::from_fn([16, 16, 1], |at| image.as_slice()[at / 16 * 16 + 15 - at % 16]);
    let other = Pass::new(&model, &mirrored).unwrap();
    let drawing = row([
        heat(table(&mirrored, 16).view(), 8.0).titled("mirrored"),
        heat(map(&other, &InputXGradient).view(), 8.0).titled("its map"),
        heat(map(&pass, &InputXGradient).view(), 8.0).titled("the picture's map"),
        heat(map(&pass, &Augmented { of: "input-x-gradient".into() }).view(), 8.0).titled("mean of six copies"),
    ]);
    let about = "The picture of the disc mirrored, and the mirrored picture's map of input × gradient; beside it the map of the picture itself, \
                 and the mean of the maps of six copies, mirrored back.";
    figure("augmented", "Maps of changed copies, brought back", about, drawing)
}
