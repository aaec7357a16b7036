//! The forward pass.

use tensor::{Keep, Tape, Tensor, Var, on_pool};

use super::{Model, ModelError, ModelNode, Source};
use crate::layers::BatchStatistics;
use crate::layers::run::{Mode, Run};
use crate::real::Real;

/// What a forward pass left on its tape.
#[derive(Clone, Debug)]
pub struct Forward<T: Real> {
    /// The images, `[N, H, W, C]`; the outputs of the trunk, where a pass began behind it.
    pub input: Var<T>,
    /// The scores, `[N, classes]`.
    pub logits: Var<T>,
    /// The variable of each of the model's parameters; running statistics have none.
    parameters: Vec<Option<Var<T>>>,
    /// The batch's statistics for each batch norm, in training.
    statistics: Vec<BatchStatistics<T>>,
}

/// A forward pass in evaluation whose tape keeps every value: any layer's output can be looked at, and any backward rule played.
#[derive(Clone, Debug)]
pub struct Recorded<T: Real> {
    tape: Tape<T>,
    forward: Forward<T>,
    activations: Vec<Var<T>>,
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

    /// The scores, `[N, classes]`.
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
        self.check(&images)?;
        Ok(self.forward_from(tape, Source::Image, images, mode))
    }

    /// Runs the model in evaluation on images `[N, H, W, C]`, on a new tape that keeps every value: to explain.
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

    /// The scores `[N, classes]` of images `[N, H, W, C]`; nothing is kept for a backward pass.
    ///
    /// # Errors
    /// If the images are of another shape than the model takes.
    pub fn predict(&self, images: Tensor<T>) -> Result<Tensor<T>, ModelError> {
        let forward = self.forward(&Tape::keeping(Keep::Nothing), images, Mode::Evaluation)?;
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
        self.check(&images)?;
        let Source::Layer(layer) = of else { return Ok(images) };
        let tape = Tape::keeping(Keep::Nothing);
        let (forward, _) = on_pool(|| self.run(&tape, Source::Image, images, layer + 1, Mode::Evaluation));
        Ok(forward.logits.value().clone())
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
        let plan = self.plans.of(tape.keep(), mode);
        let input = tape.leaf(values).labelled(self.source_name(from));
        let (mut activations, first) = match from {
            Source::Image => (Vec::with_capacity(end), 0),
            Source::Layer(layer) => (vec![None; layer], layer + 1),
        };
        activations.extend((first > 0).then(|| Some(input.clone())));
        let parameters = self.variables(first..end, |p| tape.leaf(p.value.clone()).labelled(p.name.as_str()));
        let mut statistics = Vec::new();
        for (index, node) in self.nodes.iter().enumerate().take(end).skip(first) {
            let inputs: Vec<Var<T>> = (node.inputs.iter())
                .map(|source| match *source {
                    Source::Image => input.clone(),
                    Source::Layer(from) => activations[from].clone().expect("not yet read for the last time"),
                })
                .collect();
            // What no later layer reads is this layer's alone: it may be overwritten.
            plan.finished_by(index).iter().for_each(|&finished| activations[finished] = None);
            let fused = plan.is_fused(index, first, end);
            let output = self.apply(index, inputs, fused, &parameters, mode, &mut statistics);
            activations.push(Some(output.labelled(node.name.as_str())));
        }
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

    /// One layer's forward pass.
    pub(super) fn apply(
        &self,
        index: usize,
        inputs: Vec<Var<T>>,
        fused: bool,
        parameters: &[Option<Var<T>>],
        mode: Mode,
        statistics: &mut Vec<BatchStatistics<T>>,
    ) -> Var<T> {
        let node = &self.nodes[index];
        node.layer.record(Run {
            inputs,
            parameters: &parameters[node.parameters.clone()],
            stored: &self.parameters[node.parameters.clone()],
            mode: if node.frozen { Mode::Evaluation } else { mode },
            fused,
            layer: index,
            statistics,
        })
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
