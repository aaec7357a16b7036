//! Global average pooling.

#[cfg(feature = "onnx")]
mod onnx;

use tensor::blocks::{for_each_part, grain};

use crate::layers::inputs::image;
use crate::layers::prelude::*;

/// `F[n,k] = 1/Z · Σ f[n,x,y,k]` over all positions (x, y), with Z = H·W: `[N, H, W, C]` → `[N, C]` (Lin, Chen and Yan,
/// *Network in network*, 2014).
///
/// Every position has weight 1/Z: `∂f[n,x,y,k] = ∂F[n,k]/Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("global average pool")]
pub struct GlobalAvgPool;

impl<T: Real> Op<T> for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global avg pool"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let shape = *node.input_shape(0);
        let mut df = Tensor::scratch(shape);
        let shares = upstream.map(|g| g / T::from_f64((shape[1] * shape[2]) as f64));
        let (pixels, channels) = (shape[1] * shape[2], shape[3].max(1));
        let block = grain(channels);
        for_each_part(df.make_mut(), block * channels, |first, part| {
            for (i, pixel) in part.chunks_exact_mut(channels).enumerate() {
                let image = (first * block + i) / pixels;
                pixel.copy_from_slice(&shares.as_slice()[image * channels..][..channels]);
            }
        });
        Grads::one(df)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Linear
    }
}

impl Kind for GlobalAvgPool {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        Ok(vec![image(inputs)?[2]])
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Lost
    }
}

impl Record for GlobalAvgPool {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let &[n, h, w, c] = &**x.shape() else { unreachable!("the input is a picture") };
        assert!(h * w > 0, "global avg pool: no pixel in {}", x.shape());
        let sums = x.value().reshape([n, h * w, c]).sum_axis(1).reshape([n, c]);
        x.tape().record(GlobalAvgPool, &[&x], sums.map(|sum| sum / T::from_f64((h * w) as f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::GlobalAvgPool;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_mean_over_rows_and_columns() {
        let x = random([3, 5, 7, 4], 1);
        let literal = x.view().mean_axis(ndarray::Axis(1)).unwrap().mean_axis(ndarray::Axis(1)).unwrap();
        let y = Tape::new().leaf(x).apply(GlobalAvgPool);
        approx::assert_abs_diff_eq!(y.value(), &literal.into(), epsilon = 1e-15);
    }

    #[test]
    fn an_image_does_not_depend_on_its_batch() {
        let x = random([3, 9, 9, 4], 1).cast::<f32>();
        let last = tensor::Tensor::new([1, 9, 9, 4], x.as_slice()[2 * 324..].to_vec());
        let tape = Tape::new();
        assert_eq!(
            tape.leaf(x).apply(GlobalAvgPool).value().as_slice()[8..],
            *tape.leaf(last).apply(GlobalAvgPool).value().as_slice()
        );
    }
}
