//! Transfer learning: replacing a model's head, and freezing layers.

use super::plan::Plans;
use super::{Model, ModelBuilder, ModelError, ModelInfo, ModelNode, Source};
use crate::real::Real;

impl Model<f32> {
    /// A builder with the layer of this name and all layers that it depends on. They keep their weights when the model is built;
    /// layers that are added get new ones. Class names aren't kept.
    ///
    /// ```
    /// use nn::Model;
    /// use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
    /// let model = Model::builder([28, 28, 1])
    ///     .layer("conv", Conv2d::new(8, 3))
    ///     .layer("relu", Relu)
    ///     .layer("gap", GlobalAvgPool)
    ///     .layer("fc", Linear::new(10))
    ///     .build(1)?;
    /// let other = model.cut_after("gap")?.layer("fc", Linear::new(3)).build(2)?;
    /// assert_eq!(other.parameter("conv.weight"), model.parameter("conv.weight"));
    /// # Ok::<(), nn::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no layer of this name; the error lists all names.
    pub fn cut_after(&self, layer: &str) -> Result<ModelBuilder, ModelError> {
        let upstream = self.upstream(self.layer_index(layer)?);
        let info = ModelInfo { classes: Vec::new(), ..self.info.clone() };
        let mut builder = ModelBuilder::new(self.input).info(info);
        for node in self.nodes.iter().zip(upstream).filter_map(|(node, upstream)| upstream.then_some(node)) {
            builder = self.added_to(builder, node);
            builder.kept.extend(self.parameters[node.parameters.clone()].iter().map(|p| p.value.clone()));
        }
        Ok(builder)
    }
}

impl<T: Real> Model<T> {
    /// Freezes these layers: training doesn't change their weights, batch norms use their running statistics and don't update them,
    /// and dropout does nothing. Freezing isn't saved with the model. A training is resumed from a
    /// [checkpoint](crate::train::Trainer::checkpoints) only with the same layers frozen.
    ///
    /// ```
    /// # use nn::Model;
    /// # use nn::layers::{BatchNorm, Conv2d, GlobalAvgPool, Linear};
    /// # let head = Model::builder([28, 28, 1]).layer("conv", Conv2d::new(8, 3)).layer("bn", BatchNorm::new());
    /// # let mut model = head.layer("gap", GlobalAvgPool).layer("fc", Linear::new(10)).build(1)?;
    /// model.freeze(&["conv", "bn"])?;
    /// let trained = (0..model.parameters().len()).filter(|&index| model.is_trained(index));
    /// let names: Vec<&str> = trained.map(|index| model.parameters()[index].name.as_str()).collect();
    /// assert_eq!(names, ["fc.weight", "fc.bias"]);
    /// # Ok::<(), nn::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no layer of one of these names.
    pub fn freeze(&mut self, layers: &[&str]) -> Result<(), ModelError> {
        let indices = layers.iter().map(|name| self.layer_index(name)).collect::<Result<Vec<_>, _>>()?;
        indices.into_iter().for_each(|index| self.nodes[index].frozen = true);
        self.plans = Plans::new(&self.nodes);
        Ok(())
    }

    /// [Freezes](Self::freeze) the layer of this name and all layers that it depends on.
    ///
    /// # Errors
    /// If there is no layer of this name.
    pub fn freeze_up_to(&mut self, layer: &str) -> Result<(), ModelError> {
        let upstream = self.upstream(self.layer_index(layer)?);
        self.nodes.iter_mut().zip(upstream).for_each(|(node, upstream)| node.frozen |= upstream);
        self.plans = Plans::new(&self.nodes);
        Ok(())
    }

    /// Whether the parameter with this index in [`parameters`](Self::parameters) is trained: it isn't a running statistic, and its
    /// layer isn't frozen.
    #[must_use]
    pub fn is_trained(&self, index: usize) -> bool {
        let owner = self.nodes.iter().find(|node| node.parameters.contains(&index));
        self.parameters[index].trainable && owner.is_some_and(|node| !node.frozen)
    }

    /// The last layer of the trunk. The trunk is the part whose output for an image never changes during training: it contains no
    /// trained layer and no dropout, and later layers read only its last one. `Source::Image` if there is none.
    pub(crate) fn trunk(&self) -> Source {
        let fixed = self.nodes.iter().take_while(|node| node.is_fixed()).count();
        let mut earliest_read = self.nodes.len();
        for index in (0..self.nodes.len()).rev() {
            if index < fixed && earliest_read >= index {
                return Source::Layer(index);
            }
            for source in &self.nodes[index].inputs {
                earliest_read = match *source {
                    Source::Layer(from) => earliest_read.min(from),
                    Source::Image => return Source::Image,
                };
            }
        }
        Source::Image
    }

    /// The frozen layers that training would change otherwise.
    pub(crate) fn frozen_layers(&self) -> Vec<String> {
        let frozen = self.nodes.iter().filter(|node| node.frozen && node.changes());
        frozen.map(|node| node.name.clone()).collect()
    }

    /// The first layer whose output for an image may change between steps.
    pub(crate) fn first_changing(&self) -> Option<&ModelNode> {
        self.nodes.iter().find(|node| !node.is_fixed())
    }

    /// For each layer whether `layer` depends on it, or is it.
    fn upstream(&self, layer: usize) -> Vec<bool> {
        let mut upstream = vec![false; self.nodes.len()];
        upstream[layer] = true;
        for index in (0..=layer).rev() {
            if upstream[index] {
                for source in &self.nodes[index].inputs {
                    if let Source::Layer(from) = *source {
                        upstream[from] = true;
                    }
                }
            }
        }
        upstream
    }
}

impl ModelNode {
    /// Whether its output for an input is the same in every step.
    fn is_fixed(&self) -> bool {
        self.frozen || !self.changes()
    }

    /// Whether its output for an input changes between steps unless it is frozen.
    fn changes(&self) -> bool {
        !self.parameters.is_empty() || self.layer.kind().is_random()
    }
}
