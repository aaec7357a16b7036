//! Transfer learning: the beginning of a model kept, its head replaced, and what of it training leaves as it is.

use super::{Model, ModelBuilder, ModelError, ModelInfo, ModelNode, Source};
use crate::layer::Layer;
use crate::real::Real;

impl Model<f32> {
    /// The beginning of this model with its weights: the layer of this name, and all that it is computed from. What is
    /// added to it reads that layer, and gets weights of its own when it is built; class names are to be given anew.
    ///
    /// ```
    /// use nn::{Layer, Model};
    /// let model = Model::builder([28, 28, 1])
    ///     .layer("conv", Layer::conv(8, 3))
    ///     .layer("relu", Layer::Relu)
    ///     .layer("gap", Layer::GlobalAvgPool)
    ///     .layer("fc", Layer::linear(10))
    ///     .build(1)?;
    /// let other = model.cut_after("gap")?.layer("fc", Layer::linear(3)).build(2)?;
    /// assert_eq!(other.parameter("conv.weight"), model.parameter("conv.weight"));
    /// # Ok::<(), nn::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no layer of that name; the error lists those there are.
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
    /// Makes training leave these layers as they are: their weights stay, their batch norms use and keep the running
    /// statistics, their dropout does nothing. Freezing isn't saved with the model; a training goes on from its
    /// [checkpoints](crate::train::Trainer::checkpoints) only with the same layers frozen.
    ///
    /// ```
    /// # use nn::{Layer, Model};
    /// # let head = Model::builder([28, 28, 1]).layer("conv", Layer::conv(8, 3)).layer("bn", Layer::batch_norm());
    /// # let mut model = head.layer("gap", Layer::GlobalAvgPool).layer("fc", Layer::linear(10)).build(1)?;
    /// model.freeze(&["conv", "bn"])?;
    /// let trained = (0..model.parameters().len()).filter(|&place| model.is_trained(place));
    /// let names: Vec<&str> = trained.map(|place| model.parameters()[place].name.as_str()).collect();
    /// assert_eq!(names, ["fc.weight", "fc.bias"]);
    /// # Ok::<(), nn::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no layer of such a name.
    pub fn freeze(&mut self, layers: &[&str]) -> Result<(), ModelError> {
        let places = layers.iter().map(|name| self.layer_index(name)).collect::<Result<Vec<_>, _>>()?;
        places.into_iter().for_each(|place| self.nodes[place].frozen = true);
        Ok(())
    }

    /// [Freezes](Self::freeze) the layer of this name and all that it is computed from.
    ///
    /// # Errors
    /// Where there is no layer of that name.
    pub fn freeze_up_to(&mut self, layer: &str) -> Result<(), ModelError> {
        let upstream = self.upstream(self.layer_index(layer)?);
        self.nodes.iter_mut().zip(upstream).for_each(|(node, upstream)| node.frozen |= upstream);
        Ok(())
    }

    /// Whether the parameter at this place in [`parameters`](Self::parameters) is trained: no running statistic, and not
    /// of a frozen layer.
    #[must_use]
    pub fn is_trained(&self, index: usize) -> bool {
        let owner = self.nodes.iter().find(|node| node.parameters.contains(&index));
        self.parameters[index].trainable && owner.is_some_and(|node| !node.frozen)
    }

    /// Where the trunk ends, which gives the same for an image in every step: the last layer that no trained one and no
    /// dropout stands before, and that alone of these is read by what comes after it. The image, if there is none.
    pub(crate) fn trunk(&self) -> Source {
        let fixed = self.nodes.iter().take_while(|node| node.is_fixed()).count();
        let mut earliest_read = self.nodes.len();
        for place in (0..self.nodes.len()).rev() {
            if place < fixed && earliest_read >= place {
                return Source::Layer(place);
            }
            for source in &self.nodes[place].inputs {
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

    /// The first layer that may give something else in each step.
    pub(crate) fn first_changing(&self) -> Option<&ModelNode> {
        self.nodes.iter().find(|node| !node.is_fixed())
    }

    /// For each layer whether the one at this place is computed from it; it itself counts.
    fn upstream(&self, layer: usize) -> Vec<bool> {
        let mut upstream = vec![false; self.nodes.len()];
        upstream[layer] = true;
        for place in (0..=layer).rev() {
            if upstream[place] {
                for source in &self.nodes[place].inputs {
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
    /// Whether it does the same in every step.
    fn is_fixed(&self) -> bool {
        self.frozen || !self.changes()
    }

    /// Whether training changes it, or what it does, unless it is frozen.
    fn changes(&self) -> bool {
        !self.parameters.is_empty() || matches!(self.layer, Layer::Dropout { .. })
    }
}
