//! The targets of explanations, as on the command line and in records.

use std::path::{Path, PathBuf};

use attribution::{Class, ExplainError, Pass, Region, Target, Unit};
use nn::data::Rect;
use nn::{Model, Task};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::picture::Picture;

/// The target of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    #[serde(flatten)]
    pub(crate) aim: Aim,
    /// The class whose score is subtracted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) versus: Option<usize>,
    /// Whether the negated score is explained.
    #[serde(default)]
    pub(crate) counterfactual: bool,
}

/// The score of a target, before it is negated or another one is subtracted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Aim {
    /// A class, label or value, by index; of a map, over a region.
    Class {
        class: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<Place>,
    },
    /// A unit of a layer, as [`Unit::parse`] reads it.
    Unit { unit: String },
    /// The similarity to another picture.
    Like { like: PathBuf },
}

/// A region of a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// Where the class is predicted.
    Predicted,
    /// Every position.
    All,
    /// Top, left, height and width of a box, in pixels of the picture.
    Box([usize; 4]),
    /// Where this picture of the same size isn't black.
    Mask(PathBuf),
}

/// What a target refers to besides the network: the picture, and the embedding of another one.
pub(crate) struct Scene<'a> {
    pub(crate) picture: &'a Picture,
    /// The embedding of the picture to compare with.
    pub(crate) other: Option<&'a [f64]>,
}

impl Aim {
    pub(crate) fn class(class: usize) -> Self {
        Self::Class { class, region: None }
    }

    /// Reads a class, label or value, with a side or without, or a unit. The flag tells whether the opposite side is meant.
    ///
    /// # Errors
    /// If the network has no such target; the error says what it has.
    pub(crate) fn parse(text: &str, model: &Model) -> Result<(Self, bool), ExplainError> {
        match (Class::find(model, text), Unit::parse(text)) {
            (Ok((class, is_opposed)), _) => Ok((Self::class(class), is_opposed)),
            (Err(_), Some(unit)) => {
                unit.check(model)?;
                Ok((Self::Unit { unit: unit.to_string() }, false))
            }
            (Err(unknown), None) => Err(unknown),
        }
    }

    /// The target, without a region. `other` is the embedding of the picture to compare with.
    pub(crate) fn target(&self, other: Option<&[f64]>) -> Target {
        match self {
            Self::Class { class, .. } => Target::from(*class),
            Self::Unit { unit } => Unit::parse(unit).map_or_else(|| Target::from(unit.as_str()), Target::unit),
            Self::Like { .. } => Target::similar_to(other.unwrap_or_default().to_vec()),
        }
    }
}

impl Asked {
    pub(crate) fn class(class: usize) -> Self {
        Self { aim: Aim::class(class), versus: None, counterfactual: false }
    }

    /// # Errors
    /// If a mask can't be read.
    pub(crate) fn target(&self, scene: &Scene<'_>) -> Result<Target, Failure> {
        let target = match (&self.aim, self.versus) {
            (Aim::Class { class, .. }, Some(versus)) => Target::contrast(*class, versus),
            (aim, _) => aim.target(scene.other),
        };
        let target = match &self.aim {
            Aim::Class { region: Some(place), .. } => target.within(place.region(scene.picture)?),
            _ => target,
        };
        Ok(if self.counterfactual { target.negated() } else { target })
    }

    /// `Coat`, `Coat rather than Shirt`, `not Coat`, `lower age`, `conv4:17`, `similar to b.jpg`.
    pub(crate) fn words(&self, model: &Model) -> String {
        let rather = self.versus.map(|versus| format!(" rather than {}", model.class_name(versus)));
        let place = match &self.aim {
            Aim::Class { region: Some(place), .. } => place.words(),
            _ => String::new(),
        };
        let not = match (model.task(), &self.aim, self.counterfactual) {
            (Task::Values, Aim::Class { .. }, true) => "lower ",
            (Task::Values, Aim::Class { .. }, false) => "higher ",
            (_, _, true) => "not ",
            (_, _, false) => "",
        };
        let name = match &self.aim {
            Aim::Class { class, .. } => model.class_name(*class),
            Aim::Unit { unit } => unit.clone(),
            Aim::Like { like } => format!("similar to {}", like.display()),
        };
        format!("{not}{name}{}{place}", rather.unwrap_or_default())
    }

    /// The name, and what the network says of it: `Coat 0.98`, `age 58.30 years`, `conv4:17 3.215`.
    ///
    /// # Errors
    /// If the target doesn't fit the network.
    pub(crate) fn caption(&self, pass: &Pass<'_>, scene: &Scene<'_>) -> Result<String, Failure> {
        let plain = Self { counterfactual: false, ..self.clone() };
        let score = || Ok::<_, Failure>(pass.scores(plain.target(scene)?)?[0]);
        Ok(match &self.aim {
            Aim::Class { class, .. } => {
                let said = pass.prediction(0, *class);
                format!("{} {}", said.name, said.brief())
            }
            Aim::Unit { unit } => format!("{unit} {:.3}", score()?),
            Aim::Like { like } => format!("similarity {:.3} to {}", score()?, like.display()),
        })
    }

    /// The class as on the command line, if the target is one.
    pub(crate) fn as_argument(&self) -> Option<String> {
        match self.aim {
            Aim::Class { class, .. } => Some(class.to_string()),
            Aim::Unit { .. } | Aim::Like { .. } => None,
        }
    }

    /// The part of file names that distinguishes the target.
    pub(crate) fn suffix(&self) -> String {
        match &self.aim {
            Aim::Class { class, .. } => class.to_string(),
            Aim::Unit { unit } => unit.replace(['/', '\\', ':', ',', '*'], "_"),
            Aim::Like { .. } => "like".into(),
        }
    }
}

impl Place {
    fn region(&self, picture: &Picture) -> Result<Region, Failure> {
        Ok(match self {
            Self::Predicted => Region::Predicted,
            Self::All => Region::All,
            Self::Box([top, left, height, width]) => {
                let area = Rect { top: *top, left: *left, height: *height, width: *width };
                Region::Box(picture.on_input(&area)?)
            }
            Self::Mask(file) => Region::Mask(picture.mask_on_input(file)?),
        })
    }

    fn words(&self) -> String {
        match self {
            Self::Predicted => String::new(),
            Self::All => " everywhere".into(),
            Self::Box([top, left, height, width]) => format!(" in the box {top},{left},{height},{width}"),
            Self::Mask(file) => format!(" in the mask {}", file.display()),
        }
    }
}

/// Reads `predicted`, `all`, `TOP,LEFT,HEIGHT,WIDTH`, or the name of a mask's file.
pub(crate) fn place(text: &str) -> Result<Place, String> {
    match text {
        "predicted" => return Ok(Place::Predicted),
        "all" => return Ok(Place::All),
        _ => {}
    }
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[top, left, height, width]) if height > 0 && width > 0 => Ok(Place::Box([top, left, height, width])),
        _ if Path::new(text).is_file() => Ok(Place::Mask(text.into())),
        _ => Err(
            "expected `predicted`, `all`, a box TOP,LEFT,HEIGHT,WIDTH in pixels of the picture, or a file with a mask"
                .into(),
        ),
    }
}

/// The embedding of a picture.
///
/// # Errors
/// If the picture can't be read, or the network gives no row of several numbers.
pub(crate) fn embedding(path: &Path, model: &Model) -> Result<Vec<f64>, Failure> {
    if model.is_map() {
        return Err("--like needs a network that gives a row of numbers for a picture; this one gives a map".into());
    }
    if model.scores() == 1 {
        return Err(
            "--like needs a network that gives several numbers for a picture; this one gives a single number, \
                    and the cosine of two of them is 1 or −1"
                .into(),
        );
    }
    let picture = Picture::open(path, model)?;
    let pass = picture.observe(model).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(pass.logits().as_slice().iter().copied().map(f64::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of earlier versions have a class alone.
    #[test]
    fn targets_are_written_and_read() {
        let read = |text: &str| serde_json::from_str::<Asked>(text).unwrap();
        assert_eq!(read(r#"{"class": 3}"#), Asked::class(3));
        assert_eq!(serde_json::to_string(&Asked::class(3)).unwrap(), r#"{"class":3,"counterfactual":false}"#);
        let versus = Asked { versus: Some(1), counterfactual: true, ..Asked::class(3) };
        assert_eq!(read(r#"{"class": 3, "versus": 1, "counterfactual": true}"#), versus);
        for aim in [
            Aim::Class { class: 2, region: Some(Place::Box([1, 2, 3, 4])) },
            Aim::Class { class: 2, region: Some(Place::All) },
            Aim::Class { class: 2, region: Some(Place::Mask("mask.png".into())) },
            Aim::Unit { unit: "conv:1:2,3".into() },
            Aim::Like { like: "b.png".into() },
        ] {
            let asked = Asked { aim, versus: None, counterfactual: false };
            assert_eq!(read(&serde_json::to_string(&asked).unwrap()), asked);
        }
    }

    #[test]
    fn regions_are_read() {
        assert_eq!(place("all"), Ok(Place::All));
        assert_eq!(place("1, 2,3,4"), Ok(Place::Box([1, 2, 3, 4])));
        for wrong in ["1,2,3", "1,2,0,4", "everywhere", "1,2,-3,4"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
