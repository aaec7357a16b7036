//! Pictures made to activate units and classes.

use attribution::units::{Maximisation, Maximised, Strongest};
use attribution::{ExplainError, Pass, Target, Unit};
use nn::Model;
use serde::Serialize;

use super::seen::reduced;
use crate::program::report::{Column, Tile};
use crate::program::terminal::progress::watched;
use crate::program::terminal::{Failure, complain};

/// A picture that was made for a target.
#[derive(Serialize)]
pub(super) struct Made {
    before: f32,
    after: f32,
    #[serde(skip)]
    pub(super) column: Option<Column>,
}

/// What a picture is made for.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) target: Target,
    /// The channel, if the target is one.
    pub(super) channel: Option<Unit>,
}

impl Wanted {
    pub(super) fn channel(unit: Unit) -> Self {
        Self { name: unit.to_string(), target: Target::unit(unit.clone()), channel: Some(unit) }
    }

    /// What the caption gives: of a channel the value of its strongest cell, as of the pictures beside, or else the score.
    fn value(&self, made: &Maximised<f32>, model: &Model) -> Result<f32, ExplainError> {
        let Some(Unit { layer, channel: Some(channel), .. }) = &self.channel else { return Ok(made.after) };
        let mut strongest = Strongest::new(layer, 1);
        strongest.add(&Pass::new(model, &made.picture)?)?;
        Ok(strongest.channels()[*channel].first().map_or(0.0, |peak| peak.value))
    }
}

/// Makes a picture for each target, until the user stops it. `None` for a picture that wasn't made; without steps, none is.
pub(super) fn make(targets: &[Wanted], settings: &Maximisation, model: &Model) -> Result<Vec<Option<Made>>, Failure> {
    let mut made = Vec::new();
    let wanted = if settings.steps > 0 { targets } else { &[] };
    for (number, wanted) in (1..).zip(wanted) {
        let title = format!("making {number} of {}", targets.len());
        match watched(&title, |watch| settings.run(model, wanted.target.clone(), Some(watch))) {
            Ok(found) => {
                let (before, after) = (found.before, found.after);
                let value = wanted.value(&found, model)?;
                let alt = format!("made for {}: score {before:.3} at the start, {after:.3} at the end", wanted.name);
                let tiles = vec![Tile::new(&reduced(found.picture.to_rgb()), alt)?];
                let column = Column { tiles, caption: format!("made: {value:.3}") };
                made.push(Some(Made { before, after, column: Some(column) }));
            }
            Err(ExplainError::Cancelled { .. }) => break,
            Err(error @ (ExplainError::NoNormalization | ExplainError::Photo(_))) => {
                complain!("No picture is made: {error}.");
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    made.resize_with(targets.len(), || None);
    Ok(made)
}
