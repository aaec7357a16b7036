//! AttnLRP on a small transformer against its paper read literally: relevances instead of gradients, in loops.

use ndarray::{Array1, Array2, Array3, Axis, Slice};
use nn::Model;
use nn::layers::{Add, Apply, Conv2d, Erf, Flatten, GlobalAvgPool, Linear, Mul, Silu, Tanh};
use tensor::{Tape, Tensor};

use super::near;
use crate::certificates::Finding;
use crate::methods::{Lrp, Preset};
use crate::rules::{Composite, Epsilon};
use crate::testing::{HEADS, PATCHES, Readout, WIDTH, pictures, transformer, wave};
use crate::{Pass, Target};

const EPSILON: f64 = 0.01;

struct Network {
    model: Model<f64>,
    readout: Readout,
}

impl Network {
    fn vector(&self, name: &str) -> Array1<f64> {
        Array1::from(self.model.parameter(name).unwrap().as_slice().to_vec())
    }

    fn matrix(&self, name: &str) -> Array2<f64> {
        let value = self.model.parameter(name).unwrap();
        let columns = value.shape()[value.shape().len() - 1];
        Array2::from_shape_vec((value.len() / columns, columns), value.as_slice().to_vec()).unwrap()
    }

    fn linear(&self, name: &str, x: &Array2<f64>) -> Array2<f64> {
        x.dot(&self.matrix(&format!("{name}.weight"))) + self.vector(&format!("{name}.bias"))
    }

    /// Bach et al. 2015, the ε-rule.
    fn linear_back(&self, name: &str, x: &Array2<f64>, r: &Array2<f64>) -> Array2<f64> {
        let (w, z) = (self.matrix(&format!("{name}.weight")), self.linear(name, x));
        Array2::from_shape_fn(x.dim(), |(t, i)| {
            let part = |j: usize| x[[t, i]] * w[[i, j]] * r[[t, j]] / (z[[t, j]] + EPSILON * z[[t, j]].signum());
            (0..w.dim().1).map(part).sum()
        })
    }

    /// The mean and the deviation of a row.
    fn moments(row: ndarray::ArrayView1<f64>) -> [f64; 2] {
        let mean = row.mean().unwrap();
        [mean, (row.mapv(|x| (x - mean).powi(2)).mean().unwrap() + 1e-6).sqrt()]
    }

    fn norm(&self, name: &str, x: &Array2<f64>) -> Array2<f64> {
        let (gamma, beta) = (self.vector(&format!("{name}.weight")), self.vector(&format!("{name}.bias")));
        Array2::from_shape_fn(x.dim(), |(t, c)| {
            let [mean, deviation] = Self::moments(x.row(t));
            gamma[c] * (x[[t, c]] - mean) / deviation + beta[c]
        })
    }

    /// With a constant deviation it is linear: each input gets its part of each output.
    fn norm_back(&self, name: &str, x: &Array2<f64>, r: &Array2<f64>) -> Array2<f64> {
        let (gamma, y) = (self.vector(&format!("{name}.weight")), self.norm(name, x));
        Array2::from_shape_fn(x.dim(), |(t, k)| {
            let [_, deviation] = Self::moments(x.row(t));
            let weight = |c: usize| gamma[c] * (f64::from(u8::from(c == k)) - 1.0 / WIDTH as f64) / deviation;
            (0..WIDTH).map(|c| x[[t, k]] * weight(c) * r[[t, c]] / y[[t, c]]).sum()
        })
    }

    /// The queries, keys and values of a block, `[3, heads, T, d]` with the channels `[3, heads, d]`.
    fn divided(qkv: &Array2<f64>, part: usize, head: usize) -> Array2<f64> {
        let each = WIDTH / HEADS;
        let first = (part * HEADS + head) * each;
        qkv.slice_axis(Axis(1), Slice::from(first..first + each)).to_owned()
    }

    /// The logits and the relevance of the image `[H, W, C]`.
    fn relevance(&self, image: &Array3<f64>, class: usize) -> Array3<f64> {
        let [rows, columns] = PATCHES;
        let pixel = |t: usize, i: usize| [2 * (t / columns) + i / 4, 2 * (t % columns) + i / 2 % 2, i % 2];
        let pixels = Array2::from_shape_fn((rows * columns, 8), |(t, i)| image[pixel(t, i)]);
        let patches = self.linear("patches", &pixels);
        let has_class = self.readout == Readout::ClassToken;
        let tokens = if has_class {
            ndarray::concatenate(Axis(0), &[self.matrix("class.value").view(), patches.view()]).unwrap()
        } else {
            patches.clone()
        };
        let mut x = &tokens + &self.matrix("position.bias");
        let start = x.clone();
        let mut blocks = Vec::new();
        for block in 0..2 {
            let name = |part: &str| format!("block{block}.{part}");
            let n1 = self.norm(&name("norm1"), &x);
            let qkv = self.linear(&name("qkv"), &n1);
            let scale = self.vector(&name("scores.weight"))[0];
            let (mut scores, mut attention, mut outputs) = (Vec::new(), Vec::new(), Vec::<Array2<f64>>::new());
            for head in 0..HEADS {
                let [q, k, v] = [0, 1, 2].map(|part| Self::divided(&qkv, part, head));
                let score = q.dot(&k.t()) * scale;
                let mut a = score.mapv(f64::exp);
                a.axis_iter_mut(Axis(0)).for_each(|mut row| row /= row.sum());
                outputs.push(a.dot(&v));
                scores.push(score);
                attention.push(a);
            }
            let views: Vec<_> = outputs.iter().map(|o| o.view()).collect();
            let merged = ndarray::concatenate(Axis(1), &views).unwrap();
            let projected = self.linear(&name("projected"), &merged);
            let sum1 = &x + &projected;
            let n2 = self.norm(&name("norm2"), &sum1);
            let wide = self.linear(&name("wide"), &n2);
            let erf = Tape::new().leaf(Tensor::from(&wide / 2.0_f64.sqrt())).apply(Erf).value().clone();
            let gelu = &wide * 0.5 * (erf.view().into_dimensionality::<ndarray::Ix2>().unwrap().to_owned() + 1.0);
            let narrow = self.linear(&name("narrow"), &gelu);
            let sum2 = &sum1 + &narrow;
            blocks.push((
                x,
                n1,
                qkv,
                scores,
                attention,
                merged,
                projected,
                sum1.clone(),
                n2,
                gelu,
                narrow,
                sum2.clone(),
            ));
            x = sum2;
        }
        let last = self.norm("norm", &x);
        let read = match self.readout {
            Readout::ClassToken => last.slice_axis(Axis(0), Slice::from(..1)).to_owned(),
            Readout::Mean => last.mean_axis(Axis(0)).unwrap().insert_axis(Axis(0)),
        };
        let logits = self.linear("fc", &read);

        let mut top = Array2::zeros(logits.dim());
        top[[0, class]] = logits[[0, class]];
        let r_read = self.linear_back("fc", &read, &top);
        let r_last = match self.readout {
            Readout::ClassToken => {
                Array2::from_shape_fn(last.dim(), |(t, c)| if t == 0 { r_read[[0, c]] } else { 0.0 })
            }
            Readout::Mean => Array2::from_shape_fn(last.dim(), |(t, c)| {
                last[[t, c]] / last.dim().0 as f64 / read[[0, c]] * r_read[[0, c]]
            }),
        };
        let mut r = self.norm_back("norm", &x, &r_last);
        for (block, (x, n1, qkv, scores, attention, merged, projected, sum1, n2, gelu, narrow, sum2)) in
            blocks.iter().enumerate().rev()
        {
            let name = |part: &str| format!("block{block}.{part}");
            // Each term of a sum gets its part; the GELU passes on all.
            let shared = &r / sum2;
            let r_wide = self.linear_back(&name("narrow"), gelu, &(&shared * narrow));
            let r_n2 = self.linear_back(&name("wide"), n2, &r_wide);
            let r_sum1 = &shared * sum1 + self.norm_back(&name("norm2"), sum1, &r_n2);
            let shared = r_sum1 / sum1;
            let r_merged = self.linear_back(&name("projected"), merged, &(&shared * projected));
            let mut r_qkv = Array2::zeros(qkv.dim());
            let each = WIDTH / HEADS;
            for head in 0..HEADS {
                let (a, score) = (&attention[head], &scores[head]);
                let [q, k, v] = [0, 1, 2].map(|part| Self::divided(qkv, part, head));
                let (o, r_o) = (a.dot(&v), r_merged.slice_axis(Axis(1), Slice::from(head * each..(head + 1) * each)));
                let t = a.dim().0;
                let (mut r_a, mut r_parts) =
                    (Array2::<f64>::zeros((t, t)), [0; 3].map(|_| Array2::<f64>::zeros((t, each))));
                for (j, i, p) in ndarray::indices((t, t, each)) {
                    let half = a[[j, i]] * v[[i, p]] * r_o[[j, p]] / (2.0 * o[[j, p]]);
                    r_a[[j, i]] += half;
                    r_parts[2][[i, p]] += half;
                }
                let r_score = Array2::from_shape_fn((t, t), |(j, i)| {
                    score[[j, i]] * (r_a[[j, i]] - a[[j, i]] * r_a.row(j).sum())
                });
                let product = q.dot(&k.t());
                for (j, i, p) in ndarray::indices((t, t, each)) {
                    let half = q[[j, p]] * k[[i, p]] * r_score[[j, i]] / (2.0 * product[[j, i]]);
                    r_parts[0][[j, p]] += half;
                    r_parts[1][[i, p]] += half;
                }
                for (part, values) in r_parts.iter().enumerate() {
                    let first = (part * HEADS + head) * each;
                    r_qkv.slice_axis_mut(Axis(1), Slice::from(first..first + each)).assign(values);
                }
            }
            let r_n1 = self.linear_back(&name("qkv"), n1, &r_qkv);
            r = &shared * x + self.norm_back(&name("norm1"), x, &r_n1);
        }
        // The position embedding and the class token keep their parts.
        let r_tokens = &r * &tokens / &start;
        let r_patches = r_tokens.slice_axis(Axis(0), Slice::from(usize::from(has_class)..)).to_owned();
        let r_pixels = self.linear_back("patches", &pixels, &r_patches);
        let mut map = Array3::zeros(image.dim());
        r_pixels.indexed_iter().for_each(|((t, i), &r)| map[pixel(t, i)] = r);
        map
    }
}

#[test]
fn a_transformer_agrees_with_loops() {
    for readout in [Readout::ClassToken, Readout::Mean] {
        let network = Network { model: transformer(readout), readout };
        let pass = Pass::new(&network.model, pictures(2)).unwrap();
        let lrp = Composite::everywhere(Epsilon(EPSILON));
        for class in 0..3 {
            let found = pass.why(class).explain_each(&lrp).unwrap();
            for (image, found) in found.iter().enumerate() {
                let x = Array3::from_shape_vec((8, 6, 2), pass.values_of(image).to_vec()).unwrap();
                let expected = network.relevance(&x, class);
                near(found.raw().as_slice().unwrap(), expected.as_slice().unwrap(), "AttnLRP");
            }
        }
    }
}

/// Every certificate of relevance, checked in both precisions.
fn conserves(model: &Model<f64>, images: &Tensor<f64>) {
    fn check<T: nn::Real>(model: &Model<T>, images: &Tensor<T>) {
        let pass = Pass::new(model, images).unwrap();
        for target in [Target::from(1), Target::contrast(0, 2)] {
            let all = pass.certify(target).unwrap();
            let relevance: Vec<_> = all.iter().filter(|certificate| certificate.identity.contains("LRP")).collect();
            assert_eq!(relevance.len(), 2);
            for certificate in relevance {
                let Finding::Checked(residual) = certificate.finding else { panic!("{certificate:?}") };
                assert!(residual.holds(), "{certificate:?}");
                assert!(residual.allowed * T::epsilon().as_f64() < 1e-3, "the bound says something: {residual:?}");
            }
        }
    }
    check(model, images);
    check(&model.cast::<f32>(), &images.cast());
}

#[test]
fn relevance_is_conserved_on_a_transformer() {
    for readout in [Readout::ClassToken, Readout::Mean] {
        conserves(&transformer(readout), &pictures(2));
    }
}

/// Products of two values with and without broadcasting, as in squeeze-and-excitation.
#[test]
fn relevance_is_conserved_through_gates() {
    let mut model = Model::builder([6, 5, 2])
        .layer("conv", Conv2d::new(4, 3))
        .layer("silu", Silu)
        .layer("pooled", GlobalAvgPool)
        .layer("squeeze", Linear::new(4))
        .layer("gate", Tanh)
        .layer_from("gated", Mul, &["silu", "gate"])
        .layer_from("squared", Mul, &["gated", "gated"])
        .layer_from("sum", Add, &["squared", "silu"])
        .layer("flat", Flatten)
        .layer("fc", Linear::new(3))
        .build(2)
        .unwrap()
        .cast::<f64>();
    for (name, phase) in [("conv.bias", 1.0), ("squeeze.bias", 2.0), ("fc.bias", 3.0)] {
        model.set_parameter(name, wave(model.parameter(name).unwrap().shape(), phase)).unwrap();
    }
    conserves(&model, &wave([2, 6, 5, 2], 4.0));
}

#[test]
fn the_presets_apply_to_transformers() {
    let model = transformer(Readout::ClassToken);
    let pass = Pass::new(&model, pictures(1)).unwrap();
    let coverage = |preset| pass.why(0).explain(&Lrp { preset }).unwrap().coverage().unwrap().to_string();
    assert_eq!(coverage(Preset::Epsilon), "ε = 1e-6 in 10 layers");
    assert_eq!(coverage(Preset::EpsilonPlusBox), "flat in 1 layer, ε = 1e-6 in 9 layers");
}
