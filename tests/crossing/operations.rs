//! Each operation, value and gradients, against PyTorch's in double precision (`tests/reference/README.md`).

use std::collections::BTreeSet;

use attribution::rules::{Deconv, Guided};
use nn::layers::{
    Apply, AvgPool, BatchNorm, ChannelStatistics, Clip, Conv2d, ConvTranspose2d, Elu, Gelu, GlobalAvgPool,
    Interpolation, LeakyRelu, Linear, MaxPool, Relu, Resize, Sigmoid, Silu, Softmax, Softplus, batch_norm_training,
};
use nn::losses::{cross_entropy, log_softmax};
use nn::{Convolution, Padding, Pool2d, Real, TransposedConvolution};
use safetensors::SafeTensors;
use serde_json::Value;
use tensor::{Exact, Rule, Tape, Tensor, Var};

static ARRAYS: &[u8] = include_bytes!("../reference/ops.safetensors");
static SETTINGS: &str = include_str!("../reference/ops.json");

/// One case, to be computed in precision `T`.
struct Case<'a> {
    name: &'a str,
    settings: &'a Value,
    arrays: &'a SafeTensors<'a>,
    /// Largest error allowed, relative to the largest magnitude in the reference array.
    tolerance: f64,
}

impl Case<'_> {
    fn array(&self, name: &str) -> Tensor<f64> {
        let name = format!("{}.{name}", self.name);
        let view = self.arrays.tensor(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(view.dtype(), safetensors::Dtype::F64, "{name}");
        let data = view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        Tensor::new(view.shape(), data)
    }

    fn statistics<T: Real>(&self, version: u32) -> ChannelStatistics<T> {
        let [mean, variance] = ["mean", "var"].map(|name| self.array(&format!("running_{name}{version}")).cast());
        ChannelStatistics { mean, variance }
    }

    fn numbers(&self, setting: &str) -> Vec<usize> {
        let values = self.settings[setting].as_array().unwrap_or_else(|| panic!("{}: no {setting}", self.name));
        values.iter().map(|value| value.as_u64().unwrap() as usize).collect()
    }

    fn pair(&self, setting: &str) -> [usize; 2] {
        self.numbers(setting).try_into().unwrap()
    }

    fn number(&self, setting: &str) -> f64 {
        self.settings[setting].as_f64().unwrap_or_else(|| panic!("{}: no {setting}", self.name))
    }

    fn flag(&self, setting: &str) -> bool {
        self.settings[setting].as_bool().unwrap_or_else(|| panic!("{}: no {setting}", self.name))
    }

    fn pool(&self) -> Pool2d {
        let [kernel, stride] = ["kernel", "stride"].map(|setting| self.number(setting) as usize);
        // The tie case doesn't mention its padding: there is none.
        let padding = self.settings["padding"].as_u64().unwrap_or(0) as usize;
        Pool2d::square(kernel).stride(stride).padding(padding)
    }

    fn compare<T: Real>(&self, what: &str, ours: &Tensor<T>) {
        let reference = self.array(what);
        assert_eq!(ours.len(), reference.len(), "{}.{what}: {} and {}", self.name, ours.shape(), reference.shape());
        let scale = reference.as_slice().iter().fold(0.0_f64, |max, x| max.max(x.abs()));
        let errors =
            ours.as_slice().iter().zip(reference.as_slice()).map(|(x, reference)| (x.as_f64() - reference).abs());
        let error = errors.fold(0.0_f64, |max, error| if error > max || error.is_nan() { error } else { max });
        println!("{:24} {what:12} {} {:9.1e}", self.name, T::NAME, error / scale);
        assert!(
            error <= self.tolerance * scale,
            "{}.{what} in {}: an error of {error:e}, the largest magnitude being {scale:e}",
            self.name,
            T::NAME
        );
    }

    /// Compares the output of `f` for these inputs, and the gradient of each.
    fn check<T: Real>(&self, inputs: &[&str], f: impl FnOnce(&[Var<T>]) -> Var<T>) {
        self.check_under(&Exact, inputs, f);
    }

    /// As [`check`](Self::check), with gradients under a backward rule.
    fn check_under<T: Real>(&self, rule: &dyn Rule<T>, inputs: &[&str], f: impl FnOnce(&[Var<T>]) -> Var<T>) {
        let tape = Tape::new();
        let vars: Vec<Var<T>> = inputs.iter().map(|name| tape.leaf(self.array(name).cast())).collect();
        let output = f(&vars);
        self.compare("out", output.value());
        let seed = self.array("gout").cast::<T>().reshape(*output.shape());
        let gradients = tape.backward_from(&output, seed, rule, &vars).unwrap();
        for (name, var) in inputs.iter().zip(&vars) {
            self.compare(&format!("g{name}"), &gradients[var]);
        }
    }

    fn run<T: Real>(&self) {
        // The family, without the number or the variant at the end of the name.
        let family = ["convtranspose2d", "conv2d", "maxpool", "avgpool", "bilinear", "cross_entropy", "act_leaky_relu"];
        let family = family.into_iter().find(|&family| self.name.starts_with(family)).unwrap_or(self.name);
        match family {
            "conv2d" => {
                let [top, bottom, left, right] = self.numbers("pad_tblr").try_into().unwrap();
                let conv = Convolution {
                    stride: self.pair("stride"),
                    padding: Padding { top, bottom, left, right },
                    dilation: self.pair("dilation"),
                    groups: self.number("groups") as usize,
                };
                self.check::<T>(&["x", "w", "b"], |v| {
                    v[0].apply_with(Conv2d::of(v[1].shape(), conv).with_bias(), &[&v[1], &v[2]])
                });
            }
            "convtranspose2d" => {
                let [stride, padding, dilation, groups, output_padding] =
                    ["stride", "padding", "dilation", "groups", "output_padding"].map(|s| self.number(s) as usize);
                let conv = Convolution::default().stride(stride).padding(padding).dilation(dilation).groups(groups);
                let transposed = TransposedConvolution { conv, output_padding: [output_padding; 2] };
                self.check::<T>(&["x", "w", "b"], |v| {
                    let (out_channels, kernel) = (v[2].value().len(), [v[1].shape()[0], v[1].shape()[1]]);
                    let layer = ConvTranspose2d { out_channels, kernel, transposed, bias: true };
                    v[0].apply_with(layer, &[&v[1], &v[2]])
                });
            }
            "linear" => {
                self.check::<T>(&["x", "w", "b"], |v| v[0].apply_with(Linear::new(v[2].value().len()), &[&v[1], &v[2]]))
            }
            "maxpool" => self.check::<T>(&["x"], |v| v[0].apply(MaxPool(self.pool()))),
            "avgpool" => self.check::<T>(&["x"], |v| {
                v[0].apply(AvgPool { pool: self.pool(), count_padding: self.flag("count_include_pad") })
            }),
            "gap" => self.check::<T>(&["x"], |v| v[0].apply(GlobalAvgPool)),
            "softmax" => self.check::<T>(&["x"], |v| v[0].apply(Softmax)),
            "log_softmax_large" => self.check::<T>(&["x"], |v| log_softmax(&v[0])),
            "cross_entropy" => {
                let smoothing = self.settings["label_smoothing"].as_f64().unwrap_or(0.0);
                self.check::<T>(&["x"], |v| cross_entropy(&v[0], &self.numbers("labels"), smoothing));
            }
            "batchnorm_eval" => self.check::<T>(&["x", "gamma", "beta"], |v| {
                let ChannelStatistics { mean, variance } = self.statistics(0);
                let [mean, variance] = [mean, variance].map(|statistic| v[0].tape().leaf(statistic));
                let layer = BatchNorm { epsilon: self.number("eps"), momentum: 0.1 };
                v[0].apply_with(layer, &[&v[1], &v[2], &mean, &variance])
            }),
            "batchnorm_train" => self.check::<T>(&["x", "gamma", "beta"], |v| {
                let (y, batch) = batch_norm_training(&v[0], &v[1], &v[2], self.number("eps"));
                let mut running = self.statistics(0);
                running.update(&batch, self.number("momentum"));
                self.compare("running_mean1", &running.mean);
                self.compare("running_var1", &running.variance);
                y
            }),
            "relu6" => self.check::<T>(&["x"], |v| v[0].mul_scalar(4.0).apply(Clip::RELU6)), // 4x reaches both bounds
            "guided_relu" => self.check_under::<T>(&Guided, &["x"], |v| v[0].apply(Relu)),
            "guided_relu6" => self.check_under::<T>(&Guided, &["x"], |v| v[0].apply(Clip::RELU6)),
            "deconv_relu" => self.check_under::<T>(&Deconv, &["x"], |v| v[0].apply(Relu)),
            "act_relu" => self.check::<T>(&["x"], |v| v[0].apply(Relu)),
            "act_leaky_relu" => self.check::<T>(&["x"], |v| v[0].apply(LeakyRelu { slope: 0.01 })),
            "act_elu" => self.check::<T>(&["x"], |v| v[0].apply(Elu { alpha: 1.0 })),
            "act_gelu_erf" => self.check::<T>(&["x"], |v| v[0].apply(Gelu { tanh: false })),
            "act_gelu_tanh" => self.check::<T>(&["x"], |v| v[0].apply(Gelu { tanh: true })),
            "act_softplus" => self.check::<T>(&["x"], |v| v[0].apply(Softplus)),
            "act_silu" => self.check::<T>(&["x"], |v| v[0].apply(Silu)),
            "act_sigmoid" => self.check::<T>(&["x"], |v| v[0].apply(Sigmoid)),
            "act_tanh" => self.check::<T>(&["x"], |v| v[0].tanh()),
            "bilinear" => {
                let interpolation = Interpolation::Bilinear { align_corners: self.flag("align_corners") };
                self.check::<T>(&["x"], |v| v[0].apply(Resize { size: self.pair("out"), interpolation }));
            }
            "bicubic_aa_false" => {
                assert_eq!(self.number("a"), -0.75);
                let interpolation = Interpolation::Bicubic { align_corners: self.flag("align_corners") };
                self.check::<T>(&["x"], |v| v[0].apply(Resize { size: self.pair("out"), interpolation }));
            }
            "nearest_up" => self.check::<T>(&["x"], |v| {
                v[0].apply(Resize { size: self.pair("out"), interpolation: Interpolation::Nearest })
            }),
            _ => panic!("no operation is known for the case {}", self.name),
        }
    }
}

/// Runs every case.
fn run_all<T: Real>(tolerance: f64) {
    let arrays = SafeTensors::deserialize(ARRAYS).unwrap();
    let settings: Value = serde_json::from_str(SETTINGS).unwrap();
    let settings = settings.as_object().unwrap();
    let with_arrays: BTreeSet<&str> = arrays.names().iter().map(|name| name.rsplit_once('.').unwrap().0).collect();
    let with_settings: BTreeSet<&str> = settings.keys().map(String::as_str).collect();
    assert_eq!(with_arrays, with_settings);
    for name in with_arrays {
        Case { name, settings: &settings[name], arrays: &arrays, tolerance }.run::<T>();
    }
}

#[test]
fn double_precision_agrees() {
    run_all::<f64>(1e-12);
}

/// 16 units of the last place: rounding the inputs costs about one, and partial sums of at most some seventy terms a few.
#[test]
fn single_precision_agrees() {
    run_all::<f32>(16.0 * f64::from(f32::EPSILON));
}
