//! Chapters 13 and 14: quotients of differences, and a pooling between mean and maximum.

use ndarray::Array2;

use super::cells::{array, cells};
use super::drawing::row;
use super::plot::plot;
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![quotients(), smooth_maximum()]
}

fn quotients() -> Figure {
    let (f, x, exact) = (|x: f64| x.sin().exp(), 0.7_f64, 0.7_f64.cos() * 0.7_f64.sin().exp());
    let forward = |h: f64| (f(x + h) - f(x)) / h;
    let central = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
    let five = |h: f64| (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h);
    // The largest error near each h, as a power of ten: rounding makes single errors jump.
    let error = |quotient: &dyn Fn(f64) -> f64, power: f64| {
        let near = (0..12).map(|k| (quotient(10_f64.powf(power + 0.02 * f64::from(k))) - exact).abs());
        near.fold(1e-16, f64::max).log10()
    };
    let curve = |quotient: &dyn Fn(f64) -> f64| {
        (0..=26).map(|k| -13.0 + 0.5 * f64::from(k)).map(|p| [p, error(quotient, p)]).collect()
    };
    let drawing = plot([-13.0, 0.0], [-14.0, 0.0], "power of ten of h", "power of ten of the error")
        .curve("forward", curve(&forward))
        .curve("central", curve(&central))
        .curve("five points", curve(&five))
        .draw();
    let about = "The error of three difference quotients against the step h, both as powers of ten. From the right, the errors fall along \
                 lines with the slopes 1, 2 and 4, until rounding takes over; then all rise along the same line to the left. The lowest points \
                 lie near h = 10 to the power −8, −5 and −3.";
    figure("difference-quotients", "Errors of difference quotients", about, drawing)
}

fn smooth_maximum() -> Figure {
    let f = array(3, 3, |i, j| [[0.2, 1.0, 0.4], [0.6, 2.0, 1.6], [0.0, 0.8, 0.3]][i][j]);
    let weights = |sharpness: f64| -> Array2<f64> {
        let powers = f.mapv(|f| (sharpness * f).exp());
        let total = powers.sum();
        powers / total
    };
    let pooled = |sharpness: f64| (f.mapv(|f| (sharpness * f).exp()).mean().unwrap()).ln() / sharpness;
    let part = |sharpness: f64| {
        let title = format!("r = {sharpness}: y = {:.2}", pooled(sharpness));
        cells(weights(sharpness).view()).sized(36.0).of_scale(1.0).draw().titled(&title)
    };
    let drawing = row([cells(f.view()).sized(36.0).draw().titled("f"), part(0.1), part(2.0), part(20.0)]);
    let about = "A channel of 3 × 3 values with the maximum 2, and the gradients of its log-sum-exp for three sharpnesses. At 0.1 all nine \
                 are about a ninth, as for a mean. At 2 the largest values get most. At 20 the maximum gets all.";
    figure("smooth-maximum", "From the mean to the maximum", about, drawing)
}
