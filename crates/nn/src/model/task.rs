//! The meaning of a model's output.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tensor::Tensor;
use tensor::functions::exp;

use super::{Model, ModelError, most_similar};
use crate::real::Real;

/// The meaning of a model's scores. The same task holds for a row of scores, `[N, K]`, and for each position of a map,
/// `[N, H, W, K]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Exactly one of K classes is right. The scores are the logits of a softmax.
    Classes,
    /// Each of K labels is present or absent, whatever the others are. The scores are the logits of a sigmoid each. With a
    /// single score, the model is a binary classifier.
    Labels,
    /// Numbers, such as an age or a count.
    Values,
    /// The coordinates of a point. The points of similar pictures have a large cosine.
    Embedding,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 4] = [Self::Classes, Self::Labels, Self::Values, Self::Embedding];

    /// The name by which files and command lines call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classes => "classes",
            Self::Labels => "labels",
            Self::Values => "values",
            Self::Embedding => "embedding",
        }
    }

    /// The name for one score: a class, a label, a value, or a dimension of the embedding.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Classes => "class",
            Self::Labels => "label",
            Self::Values => "value",
            Self::Embedding => "dimension",
        }
    }

    /// Turns scores `[…, K]` into what the model says: probabilities, by the softmax of each row for classes and the sigmoid
    /// for labels; values and embeddings stay as they are.
    #[must_use]
    pub fn outputs<T: Real>(self, scores: &Tensor<T>) -> Tensor<T> {
        let mut outputs = scores.clone();
        let width = scores.shape()[scores.shape().len() - 1];
        match self {
            Self::Classes => outputs.make_mut().chunks_exact_mut(width).for_each(softmax),
            Self::Labels => outputs.make_mut().iter_mut().for_each(|score| *score = sigmoid(*score)),
            Self::Values | Self::Embedding => {}
        }
        outputs
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// From a task's [name](Task::name).
impl FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| format!("expected one of {}", names()))
    }
}

impl<T: Real> Model<T> {
    /// The meaning of the scores: as [`ModelInfo::task`](super::ModelInfo::task) says. Without it, one score with two class names
    /// is a binary classifier, one score otherwise is a value, and several scores are classes.
    #[must_use]
    pub fn task(&self) -> Task {
        match (self.info.task, self.scores(), self.info.classes.len()) {
            (Some(task), ..) => task,
            (None, 1, 2) => Task::Labels,
            (None, 1, _) => Task::Values,
            _ => Task::Classes,
        }
    }

    /// Whether the model is a binary classifier: one score, positive for one class and negative for the other.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.task() == Task::Labels && self.scores() == 1
    }

    /// Number of scores K of an image, or of each position of a map.
    #[must_use]
    pub fn scores(&self) -> usize {
        self.output_shape().last().copied().unwrap_or(0)
    }

    /// Number of classes, labels or values: that of the scores, but 2 for a binary classifier. Its class 0 is the negative one,
    /// its class 1 the positive one.
    #[must_use]
    pub fn classes(&self) -> usize {
        if self.is_binary() { 2 } else { self.scores() }
    }

    /// The index of the class, label or value called `name`, or of that number.
    ///
    /// # Errors
    /// If there is none; the error lists those there are.
    pub fn class_index(&self, name: &str) -> Result<usize, ModelError> {
        let classes: Vec<String> = (0..self.classes()).map(|class| self.class_name(class)).collect();
        let named = classes.iter().position(|class| class.eq_ignore_ascii_case(name));
        let numbered = || name.parse().ok().filter(|&class: &usize| class < classes.len());
        named.or_else(numbered).ok_or_else(|| ModelError::UnknownClass {
            noun: self.task().noun(),
            name: name.into(),
            suggestion: most_similar(name, &classes),
            classes,
        })
    }

    /// The name of a class, label or value, or its number if it has none. If a binary classifier has only one name, that of its
    /// positive class, the negative one is `not` that.
    #[must_use]
    pub fn class_name(&self, class: usize) -> String {
        match (&self.info.classes[..], class) {
            ([positive], 0) if self.is_binary() => format!("not {positive}"),
            ([positive], 1) if self.is_binary() => positive.clone(),
            ([], _) if self.task() == Task::Values && self.scores() == 1 => "value".into(),
            (names, _) => names.get(class).cloned().unwrap_or_else(|| class.to_string()),
        }
    }

    /// The unit of a value, if it has one.
    #[must_use]
    pub fn unit(&self, value: usize) -> Option<&str> {
        self.info.units.get(value).map(String::as_str).filter(|unit| !unit.is_empty())
    }

    /// One image's scores: `[K]`, or `[H, W, K]` for a map.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        self.nodes.last().map_or(&[], |node| &node.output_shape)
    }

    /// Whether the scores are a map, `[H, W, K]`.
    #[must_use]
    pub fn is_map(&self) -> bool {
        self.output_shape().len() == 3
    }
}

/// e^(y − max y), divided by the sum.
fn softmax<T: Real>(scores: &mut [T]) {
    let max = scores.iter().copied().fold(T::neg_infinity(), T::max);
    scores.iter_mut().for_each(|y| *y = exp(*y - max));
    let sum: T = scores.iter().copied().sum();
    scores.iter_mut().for_each(|y| *y /= sum);
}

/// 1 / (1 + e^−y), without overflow.
fn sigmoid<T: Real>(y: T) -> T {
    let e = exp(-y.abs());
    if y >= T::zero() { T::one() / (T::one() + e) } else { e / (T::one() + e) }
}
