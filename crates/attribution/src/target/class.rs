//! The class, label or value that a target names.

use std::fmt;

use nn::{Model, Real, Task};

use super::ranked;
use crate::error::ExplainError;

/// One class, label or value of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// The class with this index.
    Index(usize),
    /// The class with this name, or with this index written as a number. A side may follow: `rust:present` or `rust:absent`
    /// for a label, `age:higher` or `age:lower` for a value.
    Name(String),
    /// For each image, the class with the highest score; of a binary classifier, the likelier of its two classes; of a map,
    /// the class of the most positions, but not the background if there is another. Of values, it is the only one.
    Top,
}

/// The sides of a score, the task that has them, and their signs.
const SIDES: [(&str, Task, f64); 4] = [
    ("present", Task::Labels, 1.0),
    ("absent", Task::Labels, -1.0),
    ("higher", Task::Values, 1.0),
    ("lower", Task::Values, -1.0),
];

/// A score of the model, or its negation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Term {
    /// The index of the score.
    pub(crate) score: usize,
    /// 1 or −1.
    pub(crate) sign: f64,
}

impl Class {
    /// The index of the class, label or value of this name or number, and whether its opposite side is meant: `rust:absent`,
    /// `age:lower`.
    ///
    /// # Errors
    /// If the model has none of that name, or its task doesn't have the side.
    pub fn find<T: Real>(model: &Model<T>, name: &str) -> Result<(usize, bool), ExplainError> {
        let unknown = match model.class_index(name) {
            Ok(class) => return Ok((class, false)),
            Err(unknown) => unknown,
        };
        let side = name.rsplit_once(':').and_then(|(name, side)| {
            let (_, task, sign) = SIDES.into_iter().find(|(known, ..)| *known == side)?;
            Some((name, task, sign))
        });
        match side {
            None if model.task() == Task::Values => Err(misfit(model, name)),
            None => Err(unknown.into()),
            Some((_, task, _)) if task != model.task() => Err(misfit(model, name)),
            Some((class, _, sign)) => Ok((model.class_index(class)?, sign < 0.0)),
        }
    }

    /// The class that this one is for an image with these scores: only [`Top`](Self::Top) depends on them.
    pub(crate) fn settled<T: Real>(&self, model: &Model<T>, scores: &[T]) -> Result<Self, ExplainError> {
        let Self::Top = self else { return Ok(self.clone()) };
        let Term { score, sign } = top(model, scores)?;
        // Of the two classes of a binary classifier, both have the one score.
        Ok(Self::Index(if model.is_binary() { usize::from(sign > 0.0) } else { score }))
    }

    /// The score that the class stands for, for an image with these scores, `[K]` or `[H·W·K]`.
    pub(crate) fn term<T: Real>(&self, model: &Model<T>, scores: &[T]) -> Result<Term, ExplainError> {
        match self {
            Self::Index(class) if *class < model.classes() => Ok(of_index(model, *class)),
            Self::Index(class) => {
                let (noun, classes) = (model.task().noun(), model.classes());
                Err(ExplainError::Class { noun, class: *class, classes })
            }
            Self::Name(name) => {
                let (class, is_opposed) = Self::find(model, name)?;
                let term = of_index(model, class);
                Ok(if is_opposed { Term { sign: -term.sign, ..term } } else { term })
            }
            Self::Top => top(model, scores),
        }
    }
}

/// The score of a class. The negative class of a binary classifier has the negated score.
fn of_index<T: Real>(model: &Model<T>, class: usize) -> Term {
    match (model.is_binary(), class) {
        (true, 0) => Term { score: 0, sign: -1.0 },
        (true, _) => Term { score: 0, sign: 1.0 },
        (false, score) => Term { score, sign: 1.0 },
    }
}

/// The error about a name that the model's task has no target for.
fn misfit<T: Real>(model: &Model<T>, target: &str) -> ExplainError {
    let (task, last) = (model.task(), model.classes().saturating_sub(1));
    let side = SIDES.into_iter().find(|(_, of, sign)| *of == task && *sign < 0.0);
    let side = side.map_or(String::new(), |(side, ..)| format!(":{side}"));
    ExplainError::Side { task, target: target.into(), example: format!("{}{side}", model.class_name(last)) }
}

fn top<T: Real>(model: &Model<T>, scores: &[T]) -> Result<Term, ExplainError> {
    let width = model.scores();
    let task = model.task();
    if model.is_binary() && !model.is_map() {
        let sign = if scores[0] < T::zero() { -1.0 } else { 1.0 };
        return Ok(Term { score: 0, sign });
    }
    let score = match task {
        Task::Embedding => return Err(ExplainError::NoTop { task }),
        Task::Values if width > 1 => return Err(ExplainError::NoTop { task }),
        _ if model.is_map() => most_frequent(model, scores),
        _ => ranked(scores)[0],
    };
    Ok(Term { score, sign: 1.0 })
}

/// The class or label of the most positions of a map, leaving out the background if anything else is there.
fn most_frequent<T: Real>(model: &Model<T>, map: &[T]) -> usize {
    let counts = predicted_counts(model.task(), model.scores(), map);
    let is_background = |class: usize| {
        model.class_name(class).trim_matches('_').eq_ignore_ascii_case("background") && model.scores() > 1
    };
    let by_count = |&class: &usize| (counts[class], std::cmp::Reverse(class));
    let foreground = (0..counts.len()).filter(|&class| !is_background(class) && counts[class] > 0).max_by_key(by_count);
    foreground.or_else(|| (0..counts.len()).max_by_key(by_count)).unwrap_or(0)
}

/// The number of positions of a map `[H·W·K]` at which each class or label is predicted.
pub(crate) fn predicted_counts<T: Real>(task: Task, width: usize, map: &[T]) -> Vec<usize> {
    let mut counts = vec![0; width];
    for scores in map.chunks_exact(width) {
        (0..width).filter(|&class| is_predicted(task, scores, class)).for_each(|class| counts[class] += 1);
    }
    counts
}

/// Whether these scores predict the class: it has the highest score, or its label's probability is above ½. Values are predicted
/// everywhere.
pub(crate) fn is_predicted<T: Real>(task: Task, scores: &[T], class: usize) -> bool {
    match task {
        Task::Classes => ranked(scores)[0] == class,
        Task::Labels => scores[class] > T::zero(),
        Task::Values | Task::Embedding => true,
    }
}

impl From<usize> for Class {
    fn from(class: usize) -> Self {
        Self::Index(class)
    }
}

impl From<&str> for Class {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for Class {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(class) => write!(f, "{class}"),
            Self::Name(name) => f.write_str(name),
            Self::Top => f.write_str("likeliest class"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nn::ModelInfo;
    use nn::layers::{Conv2d, GlobalAvgPool, Linear};

    fn model(scores: usize, task: Task, names: &[&str]) -> Model<f64> {
        let classes = names.iter().map(ToString::to_string).collect();
        let head = Model::builder([4, 4, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(scores));
        head.info(ModelInfo { classes, task: Some(task), ..ModelInfo::default() }).build(1).unwrap().cast()
    }

    fn term(model: &Model<f64>, class: impl Into<Class>, scores: &[f64]) -> (usize, f64) {
        let Term { score, sign } = class.into().term(model, scores).unwrap();
        (score, sign)
    }

    #[test]
    fn both_classes_of_a_binary_classifier_can_be_asked_for() {
        let named = model(1, Task::Labels, &["sound", "defect"]);
        assert_eq!(["sound", "defect", "0", "1"].map(|name| term(&named, name, &[2.0]).1), [-1.0, 1.0, -1.0, 1.0]);
        let once = model(1, Task::Labels, &["defect"]);
        let names = ["defect", "not defect", "defect:absent", "defect:present"];
        assert_eq!(names.map(|name| term(&once, name, &[2.0]).1), [1.0, -1.0, -1.0, 1.0]);
        assert_eq!([2.0, -2.0].map(|score| term(&once, Class::Top, &[score]).1), [1.0, -1.0]);
        assert_eq!([0, 1].map(|class: usize| term(&once, class, &[2.0])), [(0, -1.0), (0, 1.0)]);
    }

    #[test]
    fn sides_belong_to_their_tasks() {
        let labels = model(3, Task::Labels, &["rust", "dent", "scratch"]);
        assert_eq!(term(&labels, "dent:absent", &[0.0; 3]), (1, -1.0));
        let values = model(2, Task::Values, &["age", "weight"]);
        assert_eq!(term(&values, "weight:lower", &[0.0; 2]), (1, -1.0));
        assert_eq!(term(&values, "weight", &[0.0; 2]), (1, 1.0));
        let message =
            |model: &Model<f64>, name: &str| Class::from(name).term(model, &[0.0; 3]).unwrap_err().to_string();
        assert_eq!(
            message(&values, "weight:absent"),
            "the network gives values, which have no `weight:absent`: ask for one as in `weight:lower`"
        );
        assert!(message(&labels, "rsut:absent").contains("did you mean `rust`?"));
        assert!(Class::Top.term(&values, &[0.0; 2]).unwrap_err().to_string().contains("values have no likeliest one"));
    }

    #[test]
    fn the_top_of_a_map_is_its_most_frequent_class() {
        let map = |names: &[&str]| {
            let classes = names.iter().map(ToString::to_string).collect();
            let builder = Model::builder([1, 3, 1]).layer("a", Conv2d::new(3, 1));
            builder.info(ModelInfo { classes, ..ModelInfo::default() }).build(1).unwrap().cast::<f64>()
        };
        let scores = [2.0, 1.0, 0.0, 2.0, 1.0, 0.0, 0.0, 1.0, 2.0];
        assert_eq!(term(&map(&["sky", "sea", "sand"]), Class::Top, &scores), (0, 1.0));
        assert_eq!(term(&map(&["__background__", "sea", "sand"]), Class::Top, &scores), (2, 1.0));
        assert_eq!(term(&map(&["background", "sea", "sand"]), Class::Top, &scores[..6]), (0, 1.0));
    }
}
