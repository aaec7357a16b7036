//! The forward pass.

use tensor::{Keep, Tape, Tensor, Var, on_pool};

use super::{Model, ModelError, ModelNode, Source};
use crate::geometry::Padding;
use crate::layer::Layer;
use crate::ops::{self, ChannelStatistics, Clip, Gelu, NetworkOps};
use crate::real::Real;

/// How a forward pass treats batch norm and dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, no dropout: to predict and to explain.
    Evaluation,
    /// Statistics of the batch, dropout drawn from this seed.
    Training {
        /// Seed of the dropout masks; another for each step.
        seed: u64,
    },
}

/// What a forward pass left on its tape.
#[derive(Clone, Debug)]
pub struct Forward<T: Real> {
    /// The images, `[N, H, W, C]`; the outputs of the trunk, where a pass began behind it.
    pub input: Var<T>,
    /// The scores, `[N, classes]`.
    pub logits: Var<T>,
    /// For each layer its output, if the tape keeps all values.
    activations: Vec<Option<Var<T>>>,
    /// For each of the model's parameters its variable; running statistics have none.
    parameters: Vec<Option<Var<T>>>,
    /// The batch's statistics for each batch norm, in training.
    statistics: Vec<BatchStatistics<T>>,
}

/// Mean and variance of one batch, for a batch norm's running statistics.
#[derive(Clone, Debug)]
pub struct BatchStatistics<T: Real> {
    /// The layer's place in the model.
    layer: usize,
    batch: ChannelStatistics<T>,
}

impl<T: Real> Forward<T> {
    /// The output of the layer at this place in [`Model::layers`].
    ///
    /// # Panics
    /// Where there is no such layer, or the tape doesn't keep all values.
    #[must_use]
    pub fn activation(&self, layer: usize) -> &Var<T> {
        self.activations[layer].as_ref().expect("the tape keeps all values")
    }

    /// The variables of the trained parameters, with their places in [`Model::parameters`]; those of frozen layers aren't.
    pub fn trained(&self, model: &Model<T>) -> impl Iterator<Item = (usize, &Var<T>)> {
        let variables = self.parameters.iter().enumerate();
        variables.filter_map(|(index, var)| Some((index, var.as_ref().filter(|_| model.is_trained(index))?)))
    }

    /// The batch's statistics, to update the running ones with ([`Model::update_statistics`]).
    #[must_use]
    pub fn into_statistics(self) -> Vec<BatchStatistics<T>> {
        self.statistics
    }
}

impl<T: Real> Model<T> {
    /// Runs the model on images `[N, H, W, C]` and records it on `tape`. Layers' outputs carry their names as labels.
    ///
    /// # Errors
    /// Where the images are of another shape than the model takes.
    pub fn forward(&self, tape: &Tape<T>, images: Tensor<T>, mode: Mode) -> Result<Forward<T>, ModelError> {
        self.check(&images)?;
        Ok(self.forward_from(tape, Source::Image, images, mode))
    }

    /// The rest of a forward pass, from the images or a layer's outputs `[N, …]` on; nothing behind reads what is before.
    pub(crate) fn forward_from(&self, tape: &Tape<T>, from: Source, values: Tensor<T>, mode: Mode) -> Forward<T> {
        on_pool(|| self.record(tape, from, values, self.nodes.len(), mode))
    }

    /// The outputs `[N, …]` of a layer for images `[N, H, W, C]`, or these themselves; nothing is kept for a backward pass.
    ///
    /// # Errors
    /// Where the images are of another shape than the model takes.
    pub(crate) fn outputs(&self, of: Source, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        self.check(&images)?;
        let Source::Layer(layer) = of else { return Ok(images) };
        let tape = Tape::keeping(Keep::Nothing);
        let forward = on_pool(|| self.record(&tape, Source::Image, images, layer + 1, Mode::Evaluation));
        Ok(forward.logits.value().clone())
    }

    /// Whether images are of the shape that the model takes.
    fn check(&self, images: &Tensor<T>) -> Result<(), ModelError> {
        match images.shape().split_first() {
            Some((_, shape)) if *shape == self.input => Ok(()),
            _ => Err(ModelError::Input { expected: self.input.to_vec(), found: images.shape().to_vec() }),
        }
    }

    /// The layers behind `from` and before place `end`, of values that fit; `logits` are the outputs of the last of them.
    fn record(&self, tape: &Tape<T>, from: Source, values: Tensor<T>, end: usize, mode: Mode) -> Forward<T> {
        let input = tape.leaf(values).labelled(self.source_name(from));
        let (mut activations, first) = match from {
            Source::Image => (Vec::with_capacity(end), 0),
            Source::Layer(layer) => (vec![None; layer], layer + 1),
        };
        activations.extend((first > 0).then(|| Some(input.clone())));
        let owned = |layers: &[ModelNode]| layers.iter().map(|node| node.parameters.len()).sum::<usize>();
        let (before, used) = (owned(&self.nodes[..first]), owned(&self.nodes[..end]));
        let parameters: Vec<Option<Var<T>>> = (self.parameters.iter().enumerate())
            .map(|(index, p)| {
                let used = p.trainable && (before..used).contains(&index);
                used.then(|| tape.leaf(p.value.clone()).labelled(p.name.as_str()))
            })
            .collect();
        let last_reader = self.last_readers();
        let fuses = |index: usize| tape.keep() != Keep::All && index + 1 < end && self.ends_in_relu(index, mode);
        let mut statistics = Vec::new();
        for (index, node) in self.nodes.iter().enumerate().take(end).skip(first) {
            let inputs: Vec<Var<T>> = (node.inputs.iter())
                .map(|source| match *source {
                    Source::Image => input.clone(),
                    Source::Layer(from) => activations[from].clone().expect("read no later than by its last reader"),
                })
                .collect();
            if tape.keep() != Keep::All {
                // What no later layer reads is this layer's alone: it may be overwritten.
                let finished = |&(from, _): &(usize, &mut Option<Var<T>>)| last_reader[from] == index;
                activations.iter_mut().enumerate().filter(finished).for_each(|(_, activation)| *activation = None);
            }
            let fused = fuses(index) || index > first && fuses(index - 1);
            let output = self.apply(index, inputs, fused, &parameters, mode, &mut statistics);
            activations.push(Some(output.labelled(node.name.as_str())));
        }
        let logits = activations.last().cloned().flatten().expect("a model has layers");
        if tape.keep() != Keep::All {
            activations.clear();
        }
        Forward { input, logits, activations, parameters, statistics }
    }

    /// The scores `[N, classes]` of images `[N, H, W, C]`; nothing is kept for a backward pass.
    ///
    /// # Errors
    /// Where the images are of another shape than the model takes.
    pub fn predict(&self, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        let forward = self.forward(&Tape::keeping(Keep::Nothing), images, Mode::Evaluation)?;
        Ok(forward.logits.value().clone())
    }

    /// Mixes a batch's statistics into the running ones: `running ← (1 − momentum)·running + momentum·batch`.
    pub fn update_statistics(&mut self, statistics: &[BatchStatistics<T>]) {
        for BatchStatistics { layer, batch } in statistics {
            let ModelNode { layer: Layer::BatchNorm { momentum, .. }, parameters, .. } = &self.nodes[*layer] else {
                continue;
            };
            let momentum = T::from_f64(*momentum);
            let [_, _, running_mean, running_variance] = &mut self.parameters[parameters.clone()] else { continue };
            for (running, batch) in [(running_mean, &batch.mean), (running_variance, &batch.variance)] {
                let values = running.value.make_mut().iter_mut().zip(batch.as_slice());
                values.for_each(|(running, &batch)| *running = (T::one() - momentum) * *running + momentum * batch);
            }
        }
    }

    /// Whether this layer is a convolution, or a batch norm in training, that the next layer, a ReLU, reads and no other
    /// does: then the two can be computed as one.
    fn ends_in_relu(&self, index: usize, mode: Mode) -> bool {
        let node = &self.nodes[index];
        let fits = match node.layer {
            Layer::Conv2d { .. } => true,
            Layer::BatchNorm { .. } => matches!(mode, Mode::Training { .. }) && !node.frozen,
            _ => false,
        };
        let readers = self.nodes.iter().filter(|node| node.inputs.contains(&Source::Layer(index))).count();
        let next_is_relu = self
            .nodes
            .get(index + 1)
            .is_some_and(|next| matches!(next.layer, Layer::Relu) && next.inputs == [Source::Layer(index)]);
        fits && readers == 1 && next_is_relu
    }

    /// For each layer the last one that reads it; itself if none does.
    fn last_readers(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.nodes.len()).collect();
        for (reader, node) in self.nodes.iter().enumerate() {
            for source in &node.inputs {
                if let Source::Layer(from) = *source {
                    last[from] = reader;
                }
            }
        }
        last
    }

    /// One layer's forward pass. `fused` makes of a convolution or a batch norm one that ends in the ReLU behind it, and
    /// nothing of that ReLU.
    pub(super) fn apply(
        &self,
        index: usize,
        mut inputs: Vec<Var<T>>,
        fused: bool,
        parameters: &[Option<Var<T>>],
        mode: Mode,
        statistics: &mut Vec<BatchStatistics<T>>,
    ) -> Var<T> {
        let node = &self.nodes[index];
        let mode = if node.frozen { Mode::Evaluation } else { mode };
        let parameter = |place: usize| parameters[node.parameters.clone()].get(place).and_then(Option::as_ref);
        let weight = || parameter(0).expect("a weight or bias");
        match &node.layer {
            Layer::Add => return combined(&inputs, Var::add),
            Layer::Sub => return combined(&inputs, Var::sub),
            Layer::Mul => return combined(&inputs, Var::mul),
            Layer::Div => return combined(&inputs, Var::div),
            Layer::Concat => {
                let axis = inputs[0].shape().len() - 1;
                return tensor::ops::concat(&inputs.iter().collect::<Vec<_>>(), axis);
            }
            _ => {}
        }
        let x = inputs.pop().expect("one input");
        match &node.layer {
            Layer::Conv2d { conv, .. } if fused => ops::conv2d_relu(&x, weight(), parameter(1), *conv),
            Layer::Conv2d { conv, .. } => ops::conv2d(&x, weight(), parameter(1), *conv),
            Layer::ConvTranspose2d { transposed, .. } => ops::conv_transpose2d(&x, weight(), parameter(1), *transposed),
            Layer::Linear { .. } => ops::linear(&x, weight(), parameter(1)),
            Layer::BatchNorm { epsilon, .. } => {
                let (gamma, beta) = (weight(), parameter(1).expect("a bias"));
                if let Mode::Training { .. } = mode {
                    let batch_norm = if fused { ops::batch_norm_relu } else { ops::batch_norm_training };
                    let (y, batch) = batch_norm(&x, gamma, beta, *epsilon);
                    statistics.push(BatchStatistics { layer: index, batch });
                    return y;
                }
                let [_, _, mean, variance] = &self.parameters[node.parameters.clone()] else {
                    unreachable!("a batch norm has four parameters")
                };
                let running = ChannelStatistics { mean: mean.value.clone(), variance: variance.value.clone() };
                ops::batch_norm_evaluation(&x, gamma, beta, &running, *epsilon)
            }
            Layer::LayerNorm { epsilon } => ops::layer_norm(&x, weight(), parameter(1).expect("a bias"), *epsilon),
            Layer::GroupNorm { groups, epsilon } => {
                ops::group_norm(&x, weight(), parameter(1).expect("a bias"), *groups, *epsilon)
            }
            Layer::Relu if fused => x,
            Layer::Relu => ops::relu(x),
            Layer::Clip { min, max } => ops::clip(x, Clip { min: *min, max: *max }),
            Layer::LeakyRelu { slope } => ops::leaky_relu(x, *slope),
            Layer::PRelu => ops::prelu(&x, weight()),
            Layer::Elu { alpha } => ops::elu(x, *alpha),
            Layer::Gelu { tanh } => ops::gelu(&x, Gelu { tanh: *tanh }),
            Layer::Softplus => ops::softplus(x),
            Layer::Sigmoid => ops::sigmoid(x),
            Layer::HardSigmoid { slope, offset } => {
                ops::clip(x.mul_scalar(*slope).add_scalar(*offset), Clip { min: 0.0, max: 1.0 })
            }
            Layer::Tanh => x.tanh(),
            Layer::Erf => ops::erf(&x),
            Layer::Power { exponent } => ops::power(&x, *exponent),
            Layer::Silu => ops::silu(&x),
            Layer::Softmax => ops::softmax(x),
            Layer::MaxPool(pool) => ops::max_pool(&x, *pool),
            Layer::AvgPool { pool, count_padding } => ops::avg_pool(&x, *pool, *count_padding),
            Layer::GlobalAvgPool => ops::global_avg_pool(&x),
            Layer::ChannelMean => {
                let axis = x.shape().len() - 1;
                x.mean_axes(&[axis]).reshape(x.shape().with(axis, 1))
            }
            Layer::ChannelMax => ops::channel_max(&x),
            Layer::Flatten => x.flatten(),
            Layer::Unflatten { shape: [h, w, c] } => x.reshape([x.shape()[0], *h, *w, *c]),
            Layer::Resize { size, interpolation } => ops::resize(&x, *size, *interpolation),
            Layer::Scale { .. } => x.mul(weight()),
            Layer::Shift { .. } => x.add(weight()),
            Layer::Pad { padding: Padding { top, bottom, left, right }, channels: [before, behind], value } => {
                x.pad(&[(0, 0), (*top, *bottom), (*left, *right), (*before, *behind)], T::from_f64(*value))
            }
            Layer::Select { axis, places } => x.select(axis + 1, places),
            Layer::Dropout { probability } => match mode {
                Mode::Training { seed } => ops::dropout(x, *probability, seed ^ (index as u64) << 48),
                Mode::Evaluation => x,
            },
            Layer::Add | Layer::Sub | Layer::Mul | Layer::Div | Layer::Concat => {
                unreachable!("layers of several inputs are above")
            }
        }
    }
}

/// The inputs from the first to the last, their shapes aligned at the channels: `[N, C]` becomes `[N, 1, 1, C]` beside
/// `[N, H, W, C]`.
fn combined<T: Real>(inputs: &[Var<T>], combine: impl Fn(&Var<T>, &Var<T>) -> Var<T>) -> Var<T> {
    let rank = inputs.iter().map(|x| x.shape().len()).max().expect("at least one input");
    let aligned = |x: &Var<T>| {
        let (images, rest) = x.shape().split_first().expect("[N, …]");
        match rank - x.shape().len() {
            0 => x.clone(),
            missing => x.reshape(&[&[*images], &vec![1; missing][..], rest].concat()[..]),
        }
    };
    inputs[1..].iter().fold(aligned(&inputs[0]), |sum, x| combine(&sum, &aligned(x)))
}
