//! One way to write each.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};

pub fn pull_back(jacobian: &[Vec<f64>], upstream: &[f64]) -> Vec<f64> {
    let columns = jacobian.first().map_or(0, Vec::len);
    (0..columns).map(|j| jacobian.iter().zip(upstream).map(|(row, y)| row[j] * y).sum()).collect()
}

pub fn backward(tape: &[Vec<(usize, f64)>]) -> Vec<f64> {
    let mut gradients = vec![0.0; tape.len()];
    gradients[tape.len() - 1] = 1.0;
    for (entry, inputs) in tape.iter().enumerate().rev() {
        for &(input, derivative) in inputs {
            gradients[input] += gradients[entry] * derivative;
        }
    }
    gradients
}

pub fn fully_connected(
    x: ArrayView2<f64>,
    w: ArrayView2<f64>,
    upstream: ArrayView2<f64>,
) -> (Array2<f64>, Array2<f64>, Vec<f64>) {
    (upstream.dot(&w.t()), x.t().dot(&upstream), upstream.sum_axis(Axis(0)).to_vec())
}

pub fn convolution(w: &[f64], upstream: &[f64], n: usize, stride: usize, padding: usize) -> Vec<f64> {
    let mut gradient = vec![0.0; n];
    for (i, y) in upstream.iter().enumerate() {
        for (u, tap) in w.iter().enumerate() {
            if let Some(place) = (i * stride + u).checked_sub(padding).and_then(|a| gradient.get_mut(a)) {
                *place += tap * y;
            }
        }
    }
    gradient
}

pub fn maximum(x: &[f64], window: usize, stride: usize, upstream: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; x.len()];
    for (i, y) in upstream.iter().enumerate() {
        let first = i * stride;
        let winner = (first..first + window).fold(first, |best, at| if x[at] > x[best] { at } else { best });
        gradient[winner] += y;
    }
    gradient
}

pub fn batch_norm(x: &[f64], gamma: f64, epsilon: f64, upstream: &[f64]) -> Vec<f64> {
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / x.len() as f64;
    let middle = mean(&mut x.iter().copied());
    let r = 1.0 / (mean(&mut x.iter().map(|x| (x - middle).powi(2))) + epsilon).sqrt();
    let hat: Vec<f64> = x.iter().map(|x| (x - middle) * r).collect();
    let of_beta = mean(&mut upstream.iter().copied());
    let of_gamma = mean(&mut upstream.iter().zip(&hat).map(|(y, hat)| y * hat));
    upstream.iter().zip(&hat).map(|(y, hat)| gamma * r * (y - of_beta - of_gamma * hat)).collect()
}

pub fn probability_minus_target(scores: &[f64], truth: usize) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().enumerate().map(|(class, power)| power / total - f64::from(u8::from(class == truth))).collect()
}

pub fn guided(x: &[f64], g: &[f64]) -> Vec<f64> {
    x.iter().zip(g).map(|(&x, &g)| if x > 0.0 && g > 0.0 { g } else { 0.0 }).collect()
}

pub fn grad_cam(features: ArrayView3<f64>, gradients: ArrayView3<f64>) -> Array2<f64> {
    let (h, w, channels) = features.dim();
    let mut map = Array2::zeros((h, w));
    for c in 0..channels {
        let weight = gradients.index_axis(Axis(2), c).sum() / (h * w) as f64;
        map.scaled_add(weight, &features.index_axis(Axis(2), c));
    }
    map
}

pub fn receptive_field(layers: &[(usize, usize)]) -> (usize, usize) {
    layers.iter().fold((1, 1), |(step, field), (kernel, stride)| (step * stride, field + (kernel - 1) * step))
}

pub fn integrated(gradient: &dyn Fn(&[f64]) -> Vec<f64>, x: &[f64], baseline: &[f64], steps: usize) -> Vec<f64> {
    let mut map = vec![0.0; x.len()];
    for k in 0..steps {
        let t = (k as f64 + 0.5) / steps as f64;
        let place: Vec<f64> = x.iter().zip(baseline).map(|(x, from)| from + t * (x - from)).collect();
        for (at, slope) in gradient(&place).iter().enumerate() {
            map[at] += slope / steps as f64 * (x[at] - baseline[at]);
        }
    }
    map
}

pub fn epsilon_rule(x: &[f64], w: &[Vec<f64>], b: &[f64], relevance: &[f64], epsilon: f64) -> Vec<f64> {
    let share = |j: usize| {
        let y = x.iter().zip(w).map(|(x, w)| x * w[j]).sum::<f64>() + b[j];
        relevance[j] / (y + if y < 0.0 { -epsilon } else { epsilon })
    };
    let shares: Vec<f64> = (0..b.len()).map(share).collect();
    x.iter().zip(w).map(|(x, w)| x * w.iter().zip(&shares).map(|(w, share)| w * share).sum::<f64>()).collect()
}

pub fn central_differences(f: &dyn Fn(&[f64]) -> f64, x: &[f64], h: f64) -> Vec<f64> {
    let moved = |at: usize, by: f64| {
        let mut x = x.to_vec();
        x[at] += by;
        f(&x)
    };
    (0..x.len()).map(|at| (moved(at, h) - moved(at, -h)) / (2.0 * h)).collect()
}

pub fn smooth_maximum(f: &[f64], r: f64, upstream: f64) -> Vec<f64> {
    let most = f.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = f.iter().map(|f| (r * (f - most)).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total * upstream).collect()
}

pub fn gamma_rule(x: &[f64], w: &[f64], relevance: f64, gamma: f64) -> Vec<f64> {
    let parts: Vec<f64> = x.iter().zip(w).map(|(x, w)| x * (w + gamma * w.max(0.0))).collect();
    let total: f64 = parts.iter().sum();
    parts.iter().map(|part| part / total * relevance).collect()
}

pub fn deletion(map: &[f64], probability: &dyn Fn(&[usize]) -> f64) -> f64 {
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by(|&a, &b| map[b].total_cmp(&map[a]));
    let curve: Vec<f64> = (0..=map.len()).map(|removed| probability(&order[..removed])).collect();
    curve.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).sum::<f64>() / map.len() as f64
}

pub fn tree_sum(values: &[f32]) -> f32 {
    match values {
        [] => 0.0,
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(values.len().next_power_of_two() / 2);
            tree_sum(left) + tree_sum(right)
        }
    }
}

pub fn rollout(blocks: &[Array2<f64>]) -> Array2<f64> {
    let tokens = blocks[0].nrows();
    blocks.iter().fold(Array2::eye(tokens), |rolled, block| {
        let mut mixed = (block + &Array2::<f64>::eye(tokens)) / 2.0;
        for mut row in mixed.rows_mut() {
            let total = row.sum();
            row /= total;
        }
        mixed.dot(&rolled)
    })
}

pub fn strongest(pictures: &[Vec<f64>], most: usize) -> Vec<usize> {
    let largest = |picture: &Vec<f64>| picture.iter().copied().fold(0.0, f64::max);
    let mut driven: Vec<(f64, usize)> =
        pictures.iter().map(largest).zip(0..).filter(|(value, _)| *value > 0.0).collect();
    driven.sort_by(|a, b| b.0.total_cmp(&a.0));
    driven.into_iter().take(most).map(|(_, picture)| picture).collect()
}

pub fn adam(gradients: &[f64], rate: f64) -> Vec<f64> {
    let [mut m, mut v, mut w] = [0.0; 3];
    let step = |(t, g): (i32, &f64)| {
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        w -= rate * (m / (1.0 - 0.9_f64.powi(t))) / ((v / (1.0 - 0.999_f64.powi(t))).sqrt() + 1e-8);
        w
    };
    (1..).zip(gradients).map(step).collect()
}

pub fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let rank = |value: &f64| {
            let below = values.iter().filter(|other| *other < value).count() as f64;
            let equal = values.iter().filter(|other| *other == value).count() as f64;
            below + (equal - 1.0) / 2.0
        };
        values.iter().map(|value| rank(value) - (values.len() as f64 - 1.0) / 2.0).collect()
    };
    let (r, s) = (ranks(a), ranks(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (product(&r, &r) * product(&s, &s)).sqrt();
    (scale > 0.0).then(|| product(&r, &s) / scale)
}
