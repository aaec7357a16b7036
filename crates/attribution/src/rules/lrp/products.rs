//! A layer of products, for the rules of LRP.

use nn::layers::{BatchNormEvaluation, Linear};
use nn::{ConvGeometry, Convolution, Real};
use tensor::{Node, Tensor};

use super::{Inputs, LrpRule, Part};

/// A layer of products y = x ∗ w + b: a convolution, or a fully connected layer as a convolution over pictures of one
/// pixel, or of one row of tokens. If a batch norm follows, it is folded into the layer: y = a·(x ∗ w + b) + c = x ∗ (a·w) + (a·b + c).
#[derive(Clone, Debug)]
pub struct Products<T: Real> {
    /// `[N, H, W, Cin]`.
    input: Tensor<T>,
    /// `[Kh, Kw, Cin/groups, Cout]`.
    weight: Tensor<T>,
    /// `[Cout]`.
    bias: Option<Tensor<T>>,
    /// The sum of the magnitudes of b's terms, `[Cout]`.
    offset: Option<Tensor<T>>,
    /// `[N, Ho, Wo, Cout]`.
    output: Tensor<T>,
    geometry: ConvGeometry,
}

impl<T: Real> Products<T> {
    /// The convolution recorded by this node. A fully connected layer is a convolution over pictures of one pixel.
    /// `None` for other operations.
    pub(super) fn convolution(node: &Node<T>) -> Option<Convolution> {
        let fully_connected = node.op::<Linear>().map(|_| Convolution::default());
        fully_connected.or_else(|| node.op::<Convolution>().copied())
    }

    /// The layer recorded by this node, with the batch norm after it; `None` for other operations.
    pub(crate) fn of(node: &Node<T>, batch_norm: Option<&Node<T>>) -> Option<Self> {
        let conv = Self::convolution(node)?;
        let picture = |x: &Tensor<T>| match x.shape()[..] {
            [_, _, _, _] => x.clone(),
            ref shape => {
                let [n, channels] = [shape[0], shape[shape.len() - 1]];
                x.reshape([n, 1, x.len() / (n * channels).max(1), channels])
            }
        };
        let kernel = |w: &Tensor<T>| match w.shape()[..] {
            [inputs, outputs] => w.reshape([1, 1, inputs, outputs]),
            _ => w.clone(),
        };
        let (input, mut weight) = (picture(node.input(0)), kernel(node.input(1)));
        let mut bias = (node.input_count() == 3).then(|| node.input(2).clone());
        let mut offset = bias.clone().map(|bias| bias.map(T::abs));
        let mut output = picture(node.output());
        if let Some(norm) = batch_norm {
            let op = norm.op::<BatchNormEvaluation<T>>()?;
            let [factor, shift] = op.affine(norm.input(1), norm.input(2));
            let channels = factor.len();
            weight = Tensor::from_fn(weight.shape(), |i| weight.as_slice()[i] * factor.as_slice()[i % channels]);
            let scaled = bias.map_or_else(|| Tensor::zeros([channels]), |bias| bias.zip(&factor, |b, a| b * a));
            // y = (x ∗ w + b − μ)·a + β, and c = β − a·μ.
            let summed = scaled.clone().zip(&shift, |ab, c| ab.abs() + c.abs());
            offset = Some(summed.zip(norm.input(2), |sum, beta| sum + T::from_f64(2.0) * beta.abs()));
            bias = Some(scaled.zip(&shift, |b, c| b + c));
            output = picture(norm.output());
        }
        let geometry = conv.geometry(input.shape(), weight.shape()).expect("a recorded convolution fits");
        Some(Self { input, weight, bias, offset, output, geometry })
    }

    /// x, `[N, H, W, Cin]`.
    #[must_use]
    pub fn input(&self) -> &Tensor<T> {
        &self.input
    }

    /// w, `[Kh, Kw, Cin/groups, Cout]`.
    #[must_use]
    pub fn weight(&self) -> &Tensor<T> {
        &self.weight
    }

    /// b, `[Cout]`.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor<T>> {
        self.bias.as_ref()
    }

    /// y, `[N, Ho, Wo, Cout]`.
    #[must_use]
    pub fn output(&self) -> &Tensor<T> {
        &self.output
    }

    /// R = y ⊙ g.
    #[must_use]
    pub fn relevance(&self, upstream: &Tensor<T>) -> Tensor<T> {
        upstream.clone().zip(&self.output, |g, y| g * y)
    }

    /// The relevance of the inputs under `rule`: g with R = x ⊙ g, or R itself for a rule for the image.
    pub(super) fn distributed(&self, rule: &dyn LrpRule<T>, upstream: &Tensor<T>) -> Tensor<T> {
        let mut sum = Tensor::zeros(self.input.shape());
        for Part { inputs, weight, shares } in rule.parts(self, upstream) {
            let part = self.transposed(&weight, &shares);
            let part = match inputs {
                Inputs::All => part,
                Inputs::Positive => part.zip(&self.input, |g, x| if x < T::zero() { T::zero() } else { g }),
                Inputs::Negative => part.zip(&self.input, |g, x| if x < T::zero() { g } else { T::zero() }),
                Inputs::Instead(other) => part.zip(&other, |g, x| g * x),
            };
            sum = sum.zip(&part, |sum, part| sum + part);
        }
        sum
    }

    /// The values that replace the input.
    pub(crate) fn read(&self, inputs: &Inputs<T>) -> Tensor<T> {
        match inputs {
            Inputs::All => self.input.clone(),
            Inputs::Positive => self.input.positive_part(),
            Inputs::Negative => super::negative_part(&self.input),
            Inputs::Instead(other) => other.clone(),
        }
    }

    /// The sum of the magnitudes of the bias's terms, `[Cout]`.
    pub(crate) fn offset(&self) -> Option<&Tensor<T>> {
        self.offset.as_ref()
    }

    /// Cin.
    pub(super) fn channels(&self) -> usize {
        self.geometry.in_channels
    }

    /// Limits on the number of products in one output's sum, and in one input's gradient.
    pub(crate) fn terms(&self) -> [usize; 2] {
        let geometry = &self.geometry;
        let taps = geometry.kernel[0] * geometry.kernel[1];
        [geometry.in_channels, geometry.out_channels].map(|channels| taps * channels / geometry.conv.groups)
    }

    /// The geometry, which determines the kernel.
    pub(crate) fn geometry(&self) -> &nn::ConvGeometry {
        &self.geometry
    }

    /// x ∗ w without a bias, for any x and w of this layer's shapes.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn forward(&self, input: &Tensor<T>, weight: &Tensor<T>) -> Tensor<T> {
        assert_eq!(
            (input.shape(), weight.shape()),
            (self.input.shape(), self.weight.shape()),
            "the layer's own shapes"
        );
        let mut output = Tensor::scratch(self.output.shape());
        T::conv2d(&self.geometry, input.as_slice(), weight, None, output.make_mut());
        output
    }

    /// The transpose: the input gradient of this layer with other weights, `[N, Ho, Wo, Cout]` → `[N, H, W, Cin]`.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn transposed(&self, weight: &Tensor<T>, shares: &Tensor<T>) -> Tensor<T> {
        assert_eq!(
            (shares.shape(), weight.shape()),
            (self.output.shape(), self.weight.shape()),
            "the layer's own shapes"
        );
        let mut input = Tensor::scratch(self.input.shape());
        T::conv2d_input_gradient(&self.geometry, shares.as_slice(), weight, input.make_mut());
        input
    }

    /// `sums` `[N, Ho, Wo, Cout]` plus `part(b)` at every position.
    pub(super) fn plus_bias(&self, mut sums: Tensor<T>, part: impl Fn(T) -> T) -> Tensor<T> {
        if let Some(bias) = &self.bias {
            for pixel in sums.make_mut().chunks_exact_mut(bias.len()) {
                pixel.iter_mut().zip(bias.as_slice()).for_each(|(sum, &b)| *sum += part(b));
            }
        }
        sums
    }
}
