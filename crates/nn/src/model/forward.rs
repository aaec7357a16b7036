//! The forward pass.

use tensor::{Keep, Tape, Tensor, Var, on_pool};

use super::plan::{Chain, Group};
use super::{Model, ModelError, ModelNode, Source};
use crate::kernels::finish::{Activation, Finish};
use crate::layers::BatchStatistics;
use crate::layers::kind::Fuses;
use crate::layers::run::{Mode, Run, Share};
use crate::real::Real;

/// What a forward pass left on its tape.
#[derive(Clone, Debug)]
pub struct Forward<T: Real> {
    /// The images, `[N, H, W, C]`; the outputs of the trunk, where a pass began behind it.
    pub input: Var<T>,
    /// The scores, `[N, classes]` or `[N, H, W, classes]`.
    pub logits: Var<T>,
    /// The variable of each of the model's parameters; running statistics have none.
    parameters: Vec<Option<Var<T>>>,
    /// The batch's statistics for each batch norm, in training.
    statistics: Vec<BatchStatistics<T>>,
}

/// A forward pass in evaluation whose tape has every value: any layer's output can be looked at, and any backward rule played.
/// What was computed together with its neighbours is deferred: it is computed when it is first read.
#[derive(Clone, Debug)]
pub struct Recorded<T: Real> {
    tape: Tape<T>,
    forward: Forward<T>,
    activations: Vec<Var<T>>,
}

/// A forward pass under way.
pub(super) struct Passing<T: Real> {
    input: Var<T>,
    /// The outputs of the layers so far that are still to be read.
    activations: Vec<Option<Var<T>>>,
    /// As in [`Forward`].
    parameters: Vec<Option<Var<T>>>,
    mode: Mode,
    statistics: Vec<BatchStatistics<T>>,
}

impl<T: Real> Passing<T> {
    /// The variable of an input.
    pub(super) fn read(&self, source: Source) -> Var<T> {
        match source {
            Source::Image => self.input.clone(),
            Source::Layer(from) => self.activations[from].clone().expect("not yet read for the last time"),
        }
    }

    /// The variables of a layer's inputs.
    fn inputs(&self, node: &ModelNode) -> Vec<Var<T>> {
        node.inputs.iter().map(|&source| self.read(source)).collect()
    }

    /// Records a layer of a group.
    fn record(&mut self, model: &Model<T>, layer: usize, share: Share<'_, T>) {
        let inputs = self.inputs(&model.nodes[layer]);
        let output = model.apply(layer, inputs, share, &self.parameters, self.mode, &mut self.statistics);
        self.activations[layer] = Some(output);
    }

    fn forget(&mut self, layers: &[usize]) {
        layers.iter().for_each(|&layer| self.activations[layer] = None);
    }
}

impl<T: Real> Recorded<T> {
    /// The tape.
    #[must_use]
    pub fn tape(&self) -> &Tape<T> {
        &self.tape
    }

    /// The images, `[N, H, W, C]`.
    #[must_use]
    pub fn input(&self) -> &Var<T> {
        &self.forward.input
    }

    /// The scores, `[N, classes]` or `[N, H, W, classes]`.
    #[must_use]
    pub fn logits(&self) -> &Var<T> {
        &self.forward.logits
    }

    /// The output of the layer with this index in [`Model::layers`].
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn activation(&self, layer: usize) -> &Var<T> {
        &self.activations[layer]
    }

    /// As [`Forward::trained`].
    pub fn trained(&self, model: &Model<T>) -> impl Iterator<Item = (usize, &Var<T>)> {
        self.forward.trained(model)
    }
}

impl<T: Real> Forward<T> {
    /// The variables of the trained parameters, with their indices in [`Model::parameters`]; frozen layers have none.
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
    /// Runs the model on images `[N, H, W, C]` and records it on `tape`. The names of layers are the labels of their outputs.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    pub fn forward(&self, tape: &Tape<T>, images: Tensor<T>, mode: Mode) -> Result<Forward<T>, ModelError> {
        self.forward_to(self.nodes.len() - 1, tape, images, mode)
    }

    /// Runs the model in evaluation on images `[N, H, W, C]`, on a new tape that keeps or defers every value: to explain.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    pub fn record(&self, images: Tensor<T>) -> Result<Recorded<T>, ModelError> {
        self.check(&images)?;
        let tape = Tape::keeping(Keep::All);
        let (forward, activations) =
            on_pool(|| self.run(&tape, Source::Image, images, self.nodes.len(), Mode::Evaluation));
        let activations = activations.into_iter().map(|activation| activation.expect("every value is kept"));
        Ok(Recorded { tape, forward, activations: activations.collect() })
    }

    /// The scores `[N, classes]`, or maps of them `[N, H, W, classes]`, of images `[N, H, W, C]`; nothing is kept for a backward pass.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    pub fn predict(&self, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        self.predict_at(self.nodes.len() - 1, images)
    }

    /// As [`forward`](Self::forward), but only up to a layer, whose outputs `[N, …]` are the `logits`.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn forward_to(
        &self,
        layer: usize,
        tape: &Tape<T>,
        images: Tensor<T>,
        mode: Mode,
    ) -> Result<Forward<T>, ModelError> {
        self.check(&images)?;
        Ok(on_pool(|| self.run(tape, Source::Image, images, layer + 1, mode).0))
    }

    /// The outputs `[N, …]` of a layer for images `[N, H, W, C]`; nothing is kept for a backward pass.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn predict_at(&self, layer: usize, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        let forward = self.forward_to(layer, &Tape::keeping(Keep::Nothing), images, Mode::Evaluation)?;
        Ok(forward.logits.value().clone())
    }

    /// The rest of a forward pass, from the images or from a layer's outputs `[N, …]`, before which no later layer reads.
    pub(crate) fn forward_from(&self, tape: &Tape<T>, from: Source, values: Tensor<T>, mode: Mode) -> Forward<T> {
        on_pool(|| self.run(tape, from, values, self.nodes.len(), mode).0)
    }

    /// The outputs `[N, …]` of a layer for images `[N, H, W, C]`, or the images themselves; nothing is kept for a backward
    /// pass.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    pub(crate) fn outputs(&self, of: Source, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        match of {
            Source::Image => self.check(&images).map(|()| images),
            Source::Layer(layer) => self.predict_at(layer, images),
        }
    }

    /// The outputs of the layers behind the images, or behind a layer's outputs `[N, …]`; of the layers before there are none.
    pub(crate) fn every_output(&self, from: Source, values: Tensor<T>, mode: Mode) -> Vec<Option<Tensor<T>>> {
        let tape = Tape::keeping(Keep::All);
        let (_, activations) = on_pool(|| self.run(&tape, from, values, self.nodes.len(), mode));
        activations.into_iter().map(|activation| Some(activation?.value().clone())).collect()
    }

    /// Whether images are of the shape that the model takes.
    fn check(&self, images: &Tensor<T>) -> Result<(), ModelError> {
        match images.shape().split_first() {
            Some((_, shape)) if *shape == self.input => Ok(()),
            _ => Err(ModelError::Input { expected: self.input.to_vec(), found: images.shape().to_vec() }),
        }
    }

    /// Runs the layers after `from` and before `end` on values that fit. `logits` are the outputs of the last of them; the
    /// activations are those that the plan keeps.
    fn run(
        &self,
        tape: &Tape<T>,
        from: Source,
        values: Tensor<T>,
        end: usize,
        mode: Mode,
    ) -> (Forward<T>, Vec<Option<Var<T>>>) {
        let (plan, keep) = (self.plans.of(mode), tape.keep());
        let input = tape.leaf(values).labelled(self.source_name(from));
        let (mut activations, first) = match from {
            Source::Image => (Vec::with_capacity(end), 0),
            Source::Layer(layer) => (vec![None; layer], layer + 1),
        };
        activations.extend((first > 0).then(|| Some(input.clone())));
        let parameters = self.variables(first..end, |p| tape.leaf(p.value.clone()).labelled(p.name.as_str()));
        let mut pass = Passing { input, activations, parameters, mode, statistics: Vec::new() };
        for index in first..end {
            let group = plan.group(index, first, end, keep);
            let Some(group) = group else {
                let inputs = pass.inputs(&self.nodes[index]);
                // What no later layer reads is this layer's alone: it may be overwritten.
                pass.forget(plan.finished_by(index, keep));
                let output = self.apply(index, inputs, Share::Apart, &pass.parameters, mode, &mut pass.statistics);
                pass.activations.push(Some(output));
                continue;
            };
            pass.activations.push(None);
            if group.last() == index {
                match group {
                    Group::Chain(chain) => self.apply_chain(chain, &mut pass),
                    Group::Attention(layers) => self.apply_attention(layers, &mut pass),
                    Group::Strip(strip) => self.apply_strip(strip, &mut pass),
                }
                pass.forget(plan.finished_by(index, keep));
            }
        }
        let Passing { input, activations, parameters, statistics, .. } = pass;
        let logits = activations.last().cloned().flatten().expect("a model has layers");
        (Forward { input, logits, parameters, statistics }, activations)
    }

    /// For each of the model's parameters a variable, if it is trained and belongs to one of these layers.
    pub(super) fn variables(
        &self,
        layers: std::ops::Range<usize>,
        variable: impl Fn(&super::Parameter<T>) -> Var<T>,
    ) -> Vec<Option<Var<T>>> {
        let owned = |layers: &[ModelNode]| layers.iter().map(|node| node.parameters.len()).sum::<usize>();
        let used = owned(&self.nodes[..layers.start])..owned(&self.nodes[..layers.end]);
        let parameters = self.parameters.iter().enumerate();
        parameters.map(|(index, p)| (p.trainable && used.contains(&index)).then(|| variable(p))).collect()
    }

    /// The layers of a chain, computed together. What comes between the first input and the last output is deferred on the tape.
    fn apply_chain(&self, chain: &Chain, pass: &mut Passing<T>) {
        let first = chain.layers[0];
        let residual = chain.residual.map(|source| pass.read(source));
        let input = pass.read(self.nodes[first].inputs[0]);
        let mut argument = chain.argument.filter(|_| input.tape().keep() == Keep::All).map(|layer| {
            let shape = [&input.shape()[..1], &self.nodes[layer].output_shape].concat();
            (layer, Tensor::scratch(shape))
        });
        drop(input);
        let before = argument.as_mut().and_then(|(_, values)| T::kept(values.make_mut()));
        let is_kept = before.is_some();
        let residual = residual.as_ref().map(|residual| residual.value().as_slice());
        let finish = Finish { residual, before, ..self.finish(chain) };
        let mut value = None;
        pass.record(self, first, Share::Begins(&finish, &mut value));
        self.record_computed(&chain.layers[1..], value.expect("the first layer computed it"), pass);
        if let Some((layer, values)) = argument.filter(|_| is_kept) {
            pass.activations[layer].as_ref().expect("recorded above").fulfil(values);
        }
    }

    /// The steps of a chain after its first layer, without what is added.
    pub(super) fn finish(&self, chain: &Chain) -> Finish<'_, T> {
        let mut finish = Finish::NONE;
        for &follower in &chain.layers[1..] {
            let node = &self.nodes[follower];
            match (node.layer.kind().fuses(), node.layer.activation()) {
                (Fuses::Function { .. }, Some(Activation::Function(f))) if chain.gated => {
                    finish.activation = Some(Activation::Gated(f));
                }
                (Fuses::Function { .. }, activation) => finish.activation = activation,
                (Fuses::BatchNorm | Fuses::Affine, _) => {
                    finish.affine = node.layer.affine(&self.parameters[node.parameters.clone()]);
                }
                _ => (),
            }
        }
        finish
    }

    /// Records layers of which the last one's value is computed already. What comes before it is deferred on the tape.
    pub(super) fn record_computed(&self, layers: &[usize], value: Tensor<T>, pass: &mut Passing<T>) {
        let (&last, before) = layers.split_last().expect("layers");
        before.iter().for_each(|&layer| pass.record(self, layer, Share::Continues));
        pass.record(self, last, Share::Ends(value));
    }

    /// One layer's forward pass.
    pub(super) fn apply(
        &self,
        index: usize,
        inputs: Vec<Var<T>>,
        share: Share<'_, T>,
        parameters: &[Option<Var<T>>],
        mode: Mode,
        statistics: &mut Vec<BatchStatistics<T>>,
    ) -> Var<T> {
        let node = &self.nodes[index];
        let run = Run {
            inputs,
            parameters: &parameters[node.parameters.clone()],
            stored: &self.parameters[node.parameters.clone()],
            mode: if node.frozen { Mode::Evaluation } else { mode },
            share,
            layer: index,
            statistics,
        };
        T::record(&node.layer, run).labelled(node.name.as_str())
    }

    /// Mixes a batch's statistics into the running ones: `running ← (1 − momentum)·running + momentum·batch`.
    pub fn update_statistics(&mut self, statistics: &[BatchStatistics<T>]) {
        for BatchStatistics { layer, momentum, batch } in statistics {
            let parameters = self.nodes[*layer].parameters.clone();
            let [_, _, mean, variance] = &mut self.parameters[parameters] else {
                unreachable!("a batch norm has four parameters")
            };
            batch.mix_into([&mut mean.value, &mut variance.value], *momentum);
        }
    }
}
