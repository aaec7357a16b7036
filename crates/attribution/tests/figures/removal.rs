//! Chapter 16: what removed pixels cost, and whether a map foretells it.

use attribution::Pass;
use attribution::measures::noise;
use ndarray::Array2;
use nn::data::Normalization;
use nn::layers::{GlobalAvgPool, Linear};
use nn::{Model, ModelInfo};
use tensor::Tensor;

use super::drawing::{Drawing, column, number, row};
use super::picture::heat;
use super::plot::bars;
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![road(), infidelity()]
}

/// P grows with the brightness of the picture.
fn brightness(weight: f32, bias: f32) -> Model {
    let normalization = Some(Normalization::new(vec![0.0], vec![1.0]).unwrap());
    let layers = Model::builder([8, 8, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2));
    let mut model = layers.info(ModelInfo { normalization, ..ModelInfo::default() }).build(1).unwrap();
    model.set_parameter("fc.weight", Tensor::new([1, 2], vec![weight, 0.0])).unwrap();
    model.set_parameter("fc.bias", Tensor::new([2], vec![bias, 0.0])).unwrap();
    model
}

fn judged(maps: &[(&str, Array2<f32>)], values: &[f64], measure: &str) -> Drawing {
    let maps_drawn = maps.iter().map(|(name, map)| heat(map.mapv(f64::from).view(), 10.0).titled(name));
    let named: Vec<(&str, f64)> = maps.iter().map(|(name, _)| *name).zip(values.iter().copied()).collect();
    column([row(maps_drawn), bars(&named).titled(measure)])
}

fn road() -> Figure {
    let model = brightness(20.0, -5.0);
    let bright = |y: usize, x: usize| f32::from(u8::from((2..6).contains(&y) && (2..6).contains(&x)));
    let image = Tensor::from_fn([8, 8, 1], |i| bright(i / 8, i % 8));
    let pass = Pass::new(&model, image).unwrap();
    let right = Array2::from_shape_fn((8, 8), |(y, x)| bright(y, x));
    let maps = [("the square", right.clone()), ("the rest", right.mapv(|v| 1.0 - v)), ("noise", noise(8, 8, 1, 0))];
    let values = maps.each_ref().map(|(_, map)| pass.road(std::slice::from_ref(map), &[0], 0, None).unwrap()[0]);
    let about = format!(
        "Three maps of a picture that shows a bright square, for a network that reads brightness, and their ROAD: {} for the map of the square, {} \
         for the map of everything else, {} for noise. It is the mean difference of the probability without the last and without the first pixels.",
        number(values[0]),
        number(values[1]),
        number(values[2])
    );
    figure("road", "ROAD of a right, a wrong and a random map", about, judged(&maps, &values, "ROAD"))
}

fn infidelity() -> Figure {
    let model = brightness(0.5, 0.0);
    let image = Tensor::from_fn([8, 8, 1], |i| ((i as f32) * 0.9).sin().abs());
    let pass = Pass::new(&model, image.clone()).unwrap();
    let right = Array2::from_shape_vec((8, 8), image.as_slice().to_vec()).unwrap();
    let maps =
        [("the picture", right.clone()), ("its negative", right.mapv(|v| 1.0 - v)), ("noise", noise(8, 8, 1, 0))];
    let values = maps.each_ref().map(|(_, map)| pass.infidelity(std::slice::from_ref(map), &[0], 0, None).unwrap()[0]);
    let about = format!(
        "Three maps of a picture, for a network that takes its mean: the picture itself, its negative and noise. Infidelity is {:.3} for the first, which \
         foretells what each covered square costs, {:.3} for the second and {:.3} for the third.",
        values[0], values[1], values[2]
    );
    figure("infidelity", "Infidelity of three maps", about, judged(&maps, &values, "infidelity"))
}
