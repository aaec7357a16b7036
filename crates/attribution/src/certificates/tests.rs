//! All certificates that apply hold on random architectures, and fail if something is wrong.

use nn::layers::{
    Add, AvgPool, BatchNorm, Clip, Concat, Conv2d, Elu, Flatten, GlobalAvgPool, LeakyRelu, Linear, MaxPool, Relu,
};
use nn::{Convolution, Layer, Model, Pool2d, Real};
use proptest::prelude::*;

use super::{Certificate, Finding};
use crate::methods::InputXGradient;
use crate::testing::{model, wave};
use crate::{Pass, Target};

#[derive(Clone, Debug)]
struct Architecture {
    phase: f64,
    gap: bool,
    residual: bool,
    batch_norm: bool,
    rectifier: usize,
    stride: usize,
    valid: bool,
    pool: usize,
}

prop_compose! {
    fn architecture()(
        phase in 0.0_f64..100.0, gap: bool, residual: bool, batch_norm: bool, rectifier in 0_usize..4,
        stride in 1_usize..3, valid: bool, pool in 0_usize..4,
    ) -> Architecture {
        Architecture { phase, gap, residual, batch_norm, rectifier, stride, valid, pool }
    }
}

const INPUT: [usize; 3] = [12, 10, 2];

impl Architecture {
    fn model<T: Real>(&self) -> Model<T> {
        let rectifier = || match self.rectifier {
            0 => Layer::from(Relu),
            1 => Clip::RELU6.into(),
            2 => Clip { min: -0.5, max: 0.5 }.into(),
            _ => LeakyRelu { slope: 0.1 }.into(),
        };
        let conv = |out_channels, stride| {
            let conv = Convolution::default().padding(usize::from(!self.valid)).stride(stride);
            Conv2d { out_channels, kernel: [3, 3], conv, bias: true }
        };
        let mut builder = Model::builder(INPUT).layer("conv1", conv(4, 1));
        if self.batch_norm {
            builder = builder.layer("bn1", BatchNorm::new());
        }
        builder = builder.layer("relu1", rectifier());
        let overlapping = Pool2d { kernel: [3, 3], stride: [1, 1], padding: Default::default() };
        match self.pool {
            1 => builder = builder.layer("pool", MaxPool::new(2)),
            2 => builder = builder.layer("pool", MaxPool(overlapping)),
            3 => builder = builder.layer("pool", AvgPool { pool: overlapping, count_padding: true }),
            _ => {}
        }
        builder = builder.layer("conv2", conv(5, self.stride));
        builder = builder.layer("relu2", rectifier());
        if self.batch_norm {
            // After the activation, so that it can't be folded into a convolution.
            builder = builder.layer("bn2", BatchNorm::new());
        }
        if self.residual {
            let from = if self.batch_norm { "bn2" } else { "relu2" };
            builder = builder
                .layer("conv3", Conv2d::new(5, 3))
                .layer("relu3", rectifier())
                .layer_from("sum", Add, &[from, "relu3", "conv3"])
                .layer_from("both", Concat::default(), &["sum", from]);
        }
        builder = builder.layer("pooled", if self.gap { Layer::from(GlobalAvgPool) } else { Flatten.into() });
        let mut model = builder.layer("fc", Linear::new(3)).build(self.phase.to_bits()).unwrap().cast::<T>();
        let names: Vec<String> = model.parameters().iter().map(|p| p.name.clone()).collect();
        for (index, name) in names.iter().enumerate().filter(|(_, n)| n.contains("bn") || n.contains("bias")) {
            let noise = wave::<T>(model.parameter(name).unwrap().shape(), self.phase + index as f64);
            let positive = name.ends_with("var");
            let value = noise.map(|v| if positive { T::one() + v * T::from_f64(0.5) } else { v });
            model.set_parameter(name, value).unwrap();
        }
        model
    }

    fn certificates<T: Real>(&self) -> Vec<Certificate> {
        let model = self.model::<T>();
        let pass = Pass::new(&model, wave(&[2, INPUT[0], INPUT[1], INPUT[2]][..], self.phase)).unwrap();
        let mut all = pass.certify(1).unwrap();
        all.extend(pass.certify(Target::contrast(0, 2)).unwrap());
        all
    }
}

/// The number of certificates that were checked. All of them must hold.
fn checked(certificates: &[Certificate]) -> Result<usize, TestCaseError> {
    let mut count = 0;
    for certificate in certificates {
        if let Finding::Checked(residual) = &certificate.finding {
            prop_assert!(residual.holds(), "{certificate:?}");
            count += 1;
        }
    }
    Ok(count)
}

/// In both precisions, all certificates that apply hold.
fn certified(architecture: &Architecture) -> Result<(), TestCaseError> {
    for certificates in [architecture.certificates::<f64>(), architecture.certificates::<f32>()] {
        let of_head = certificates.iter().filter(|c| c.identity.contains("CAM") && c.holds().is_some()).count();
        prop_assert_eq!(of_head, if architecture.gap { 6 } else { 0 });
        // Two rules of LRP, DeepLIFT, the image and some cuts, for each of two targets.
        prop_assert!(checked(&certificates)? >= 2 * (3 + 3) + of_head);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn certificates_hold_on_random_architectures(architecture in architecture()) {
        certified(&architecture)?;
    }
}

/// Every combination of skip connection, batch norm, stride and padding, with and without a pooling head. Each kind of
/// activation and pooling occurs.
#[test]
fn certificates_hold_on_every_combination() {
    for number in 0..32 {
        let has = |bit: usize| number >> bit & 1 == 1;
        let architecture = Architecture {
            phase: number as f64,
            gap: has(0),
            residual: has(1),
            batch_norm: has(2),
            rectifier: (number + number / 4) % 4,
            stride: 1 + usize::from(has(3)),
            valid: has(4),
            pool: (number / 4 + number / 16) % 4,
        };
        certified(&architecture).unwrap_or_else(|error| panic!("{architecture:?}: {error}"));
    }
}

#[test]
fn integrated_gradients_are_complete_as_far_as_their_points_show() {
    for phase in [1.0, 2.0, 3.0] {
        let architecture = Architecture {
            phase,
            gap: true,
            residual: true,
            batch_norm: true,
            rectifier: 1,
            stride: 1,
            valid: false,
            pool: 1,
        };
        let certificates = architecture.certificates::<f64>();
        let estimated = certificates.iter().filter_map(|certificate| match certificate.finding {
            Finding::Estimated(residual) => Some(residual),
            _ => None,
        });
        let estimated: Vec<_> = estimated.collect();
        assert_eq!(estimated.len(), 2);
        assert!(estimated.iter().all(|residual| residual.holds()), "{estimated:?}");
    }
}

/// Without the biases, the sums don't match.
#[test]
fn a_wrong_sum_is_far_beyond_the_bound() {
    let architecture = Architecture {
        phase: 5.0,
        gap: true,
        residual: false,
        batch_norm: false,
        rectifier: 0,
        stride: 1,
        valid: false,
        pool: 1,
    };
    let model = architecture.model::<f64>();
    let image = wave::<f64>([1, 12, 10, 2], 5.0);
    let pass = Pass::new(&model, image).unwrap();
    let certificates = pass.certify(1).unwrap();
    let at_image = certificates.iter().find(|c| c.layer.as_deref() == Some("input")).unwrap();
    let Finding::Checked(residual) = &at_image.finding else { panic!("{at_image:?}") };
    let without_biases = pass.why(1).explain(&InputXGradient).unwrap().raw().sum();
    let wrong = super::Residual::new::<f64>(without_biases, residual.right, residual.magnitude, 0.0);
    assert!(residual.holds() && wrong.ulps > 1e6 * residual.allowed);
    let guided = certificates.last().unwrap();
    let Finding::Unconserved { arrived, score } = guided.finding else { panic!("{guided:?}") };
    assert!(guided.holds().is_none() && (arrived - score).abs() > 1e-3 * score.abs());
}

#[test]
fn certificates_that_do_not_apply_give_the_reason() {
    let reasons = |model: &Model<f64>, target: Target<f64>| -> Vec<String> {
        let pass = Pass::new(model, wave([1, 9, 8, 2], 1.0)).unwrap();
        let inapplicable = |certificate: Certificate| match certificate.finding {
            Finding::Inapplicable { reason } => Some(reason),
            _ => None,
        };
        pass.certify(target).unwrap().into_iter().filter_map(inapplicable).collect()
    };
    let of_function = reasons(&model(), Target::function(|y| y.tanh().pick(1)));
    assert_eq!(of_function, vec!["the target isn't a sum of scores"; 7]);
    let smooth = Model::builder([9, 8, 2]).layer("conv", Conv2d::new(3, 3)).layer("elu", Elu { alpha: 1.0 });
    let smooth = smooth.layer("flatten", Flatten).layer("fc", Linear::new(2)).build(1).unwrap().cast();
    let found = reasons(&smooth, 1.into());
    assert!(found[..3].iter().all(|reason| reason.contains("doesn't end in global average pooling")));
    assert!(found[3..].iter().all(|reason| reason.contains("elu of layer `elu`")), "{found:?}");
    assert_eq!(found.len(), 3 + 2 + 1, "the gradient of a smooth network is complete, too");
}
