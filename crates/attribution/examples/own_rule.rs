//! A backward rule of your own: ReLUs that pass a part of the gradient where they were off, between the chain rule (0) and the
//! deconvnet's way (1). The tape is recorded once and read under each rule.
//!
//! ```sh
//! cargo run --release --example own_rule
//! ```

use std::error::Error;
use std::sync::Arc;

use attribution::Pass;
use attribution::nn::Model;
use attribution::nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use attribution::tensor::{Grads, Nature, Node, Reason, Rule, Tensor, Wanted};

/// A ReLU passes g where x > 0, and `leak` · g elsewhere.
struct LeakyBackward {
    leak: f32,
}

impl Rule<f32> for LeakyBackward {
    fn name(&self) -> &'static str {
        "leaky backward"
    }

    fn vjp(&self, node: &Node<f32>, upstream: &Tensor<f32>, _: Wanted<'_>) -> Option<Grads<f32>> {
        let is_relu = matches!(node.any_op().nature(), Nature::Rectifier { .. });
        is_relu.then(|| {
            // A ReLU's output is positive where its input was.
            Grads::one(upstream.clone().zip(node.output(), |g, y| if y > 0.0 { g } else { self.leak * g }))
        })
    }

    fn check(&self, path: &[Arc<Node<f32>>]) -> Result<(), Reason> {
        let relus = path.iter().any(|node| matches!(node.any_op().nature(), Nature::Rectifier { .. }));
        if relus { Ok(()) } else { Err("the network has no ReLU".into()) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = Model::builder([16, 16, 1])
        .layer("conv1", Conv2d::new(8, 3))
        .layer("relu1", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
        .build(7)?;
    let image = Tensor::from_fn([16, 16, 1], |i| (i as f32 * 0.3).sin());
    let pass = Pass::new(&model, &image)?;
    let exact = pass.why(0).explain(&attribution::methods::Gradient)?;
    for leak in [0.0, 0.1, 1.0] {
        let map = &pass.why(0).under_rule(&LeakyBackward { leak })?[0];
        let coverage = map.coverage().map(ToString::to_string).unwrap_or_default();
        println!("leak {leak}: {coverage}, Σ|g| = {:.4}", map.raw().mapv(f32::abs).sum());
        if leak == 0.0 {
            assert_eq!(map.raw(), exact.raw(), "without a leak, it is the chain rule");
        }
    }
    Ok(())
}
