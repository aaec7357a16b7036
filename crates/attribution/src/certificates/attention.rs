//! What a softmax, a layer norm and a group norm keep of the relevance, and bounds on its rounding errors.

use nn::Real;
use nn::layers::{GroupNormalization, LayerNormalization};
use tensor::{Node, Tensor};

use super::residual::gamma;
use super::rounding::by_image;

/// For each image Σ |v|·γ(n).
fn bound<T: Real>(terms: &Tensor<T>, roundings: usize, images: usize) -> Vec<f64> {
    by_image(terms, images).into_iter().map(|sum| gamma::<T>(roundings) * sum).collect()
}

/// What s = softmax(x) keeps under the upstream g, row by row: sᵢ·gᵢ − xᵢ·sᵢ·(gᵢ − Σⱼ sⱼgⱼ).
///
/// It is computed from s, x and g alone, not from what the backward pass gave. The backward pass rounds the products sⱼgⱼ, their
/// sum, its product with sᵢ and the difference; the kept relevance a few steps more.
pub(super) fn softmax<T: Real>(node: &Node<T>, gradient: &Tensor<T>, images: usize) -> (Tensor<T>, Vec<f64>) {
    let (x, s) = (node.input(0), node.output());
    let classes = s.shape().last().map_or(1, |&classes| classes.max(1));
    let mut kept = gradient.clone().zip(s, |g, s| g * s);
    let mut terms = kept.clone().map(T::abs);
    let rows = x.as_slice().chunks_exact(classes).zip(s.as_slice().chunks_exact(classes));
    let both = kept.make_mut().chunks_exact_mut(classes).zip(terms.make_mut().chunks_exact_mut(classes));
    for ((kept, terms), (x, s)) in both.zip(rows) {
        let [total, size] = [tensor::pairwise_sum(kept), tensor::pairwise_sum(terms)];
        for i in 0..classes {
            kept[i] -= x[i] * (kept[i] - s[i] * total);
            terms[i] += x[i].abs() * (terms[i] + s[i] * size);
        }
    }
    (kept, bound(&terms, 2 * classes + 16, images))
}

/// Something of each value, by its index.
type OfValue<'a, V> = Box<dyn Fn(usize) -> V + 'a>;

/// What y = γ(x − μ)·r + β keeps under the upstream g: β·g.
///
/// The mean μ of m values is a sum and a quotient. The rest takes four more steps, and the backward pass as many again.
pub(super) fn normalization<T: Real>(node: &Node<T>, gradient: &Tensor<T>, images: usize) -> (Tensor<T>, Vec<f64>) {
    let [gamma, beta] = [1, 2].map(|input| node.input(input).as_slice());
    let (x, channels) = (node.input(0), gamma.len());
    let kept = Tensor::from_fn(gradient.shape(), |i| beta[i % channels] * gradient.as_slice()[i]);
    // The values that have a mean in common, and r of each value.
    let image = (x.len() / images).max(1);
    let (of_group, r): (OfValue<'_, usize>, OfValue<'_, T>) = match node.op::<LayerNormalization<T>>() {
        Some(op) => (Box::new(|i| i / channels), Box::new(|i| op.inverse_deviations()[i / channels])),
        None => {
            let op = node.op::<GroupNormalization<T>>().expect("a layer norm or a group norm");
            let each = channels / op.groups();
            let group = move |i: usize| i / image * op.groups() + i % channels / each;
            (Box::new(group), Box::new(move |i| op.inverse_deviations()[i / image * channels + i % channels]))
        }
    };
    let groups = of_group(x.len().saturating_sub(1)) + 1;
    let count = x.len() / groups;
    let mut means = vec![T::zero(); groups];
    x.as_slice().iter().enumerate().for_each(|(i, x)| means[of_group(i)] += x.abs());
    let size = |i: usize| x.as_slice()[i].abs() + means[of_group(i)] / T::from_f64(count as f64);
    let terms = Tensor::from_fn(gradient.shape(), |i| {
        kept.as_slice()[i].abs() + size(i) * r(i) * (gamma[i % channels] * gradient.as_slice()[i]).abs()
    });
    (kept, bound(&terms, 2 * count + 16, images))
}

#[cfg(test)]
mod tests {
    use nn::layers::{Apply, GroupNorm, LayerNorm, Softmax};
    use tensor::{Tape, Var};

    use super::*;
    use crate::rules::{Composite, Epsilon};
    use crate::testing::wave;

    type Balance<T> = fn(&Node<T>, &Tensor<T>, usize) -> (Tensor<T>, Vec<f64>);

    /// The relevance unaccounted for in each image, relative to the bound, when one number of its gradient is off by `fault`.
    fn missing<T: Real>(of: impl Fn(&Tape<T>, &Var<T>) -> Var<T>, balance: Balance<T>, fault: f64) -> Vec<f64> {
        let tape = Tape::new();
        let x = tape.leaf(wave([2, 3, 40], 1.0));
        let (y, g) = (of(&tape, &x), wave::<T>([2, 3, 40], 5.0));
        let rule = Composite::everywhere(Epsilon::default()).on(&tape, &x).unwrap();
        let mut arrived = tape.backward_from(&y, g.clone(), &rule, [&x]).unwrap().take(&x).unwrap();
        [7, 130].into_iter().for_each(|index| arrived.make_mut()[index] += T::from_f64(fault));
        let (kept, allowed) = balance(y.node(), &g, 2);
        let products = |a: &Tensor<T>, b: &Tensor<T>| by_image(&a.cast::<f64>().zip(&b.cast(), |a, b| a * b), 2);
        let (whole, passed, kept) = (products(y.value(), &g), products(x.value(), &arrived), by_image(&kept, 2));
        (0..2).map(|image| (whole[image] - passed[image] - kept[image]).abs() / allowed[image]).collect()
    }

    fn norm<T: Real>(tape: &Tape<T>, x: &Var<T>) -> Var<T> {
        let [gamma, beta] = [2.0, 3.0].map(|phase| tape.leaf(wave([40], phase)));
        x.apply_with(LayerNorm { epsilon: 1e-6 }, &[&gamma, &beta])
    }

    fn group<T: Real>(tape: &Tape<T>, x: &Var<T>) -> Var<T> {
        let [gamma, beta] = [2.0, 3.0].map(|phase| tape.leaf(wave([40], phase)));
        x.apply_with(GroupNorm { groups: 4, epsilon: 1e-6 }, &[&gamma, &beta])
    }

    #[test]
    fn what_is_kept_is_what_does_not_arrive() {
        for fault in [0.0, 0.1] {
            for missing in [
                missing::<f64>(|_, x| x.apply(Softmax), softmax, fault),
                missing::<f32>(|_, x| x.apply(Softmax), softmax, fault),
                missing::<f64>(norm, normalization, fault),
                missing::<f32>(norm, normalization, fault),
                missing::<f64>(group, normalization, fault),
                missing::<f32>(group, normalization, fault),
            ] {
                assert!(missing.iter().all(|&share| (share <= 1.0) == (fault == 0.0)), "{fault}: {missing:?}");
            }
        }
    }
}
