//! Pictures made to drive units and classes.

use attribution::units::Maximisation;
use attribution::{ExplainError, Target};
use nn::Model;
use serde::Serialize;

use super::seen::reduced;
use crate::report::{Column, Tile};
use crate::terminal::progress::watched;
use crate::terminal::{Failure, complain};

/// A picture that was made for a target.
#[derive(Serialize)]
pub(super) struct Made {
    before: f32,
    after: f32,
    #[serde(skip)]
    pub(super) column: Option<Column>,
}

/// Makes pictures for these targets, each with its name, until the user stops it; `None` for those that aren't made: without
/// steps, all.
pub(super) fn make(
    targets: &[(String, Target)],
    settings: &Maximisation,
    model: &Model,
) -> Result<Vec<Option<Made>>, Failure> {
    let mut made = Vec::new();
    let wanted = if settings.steps > 0 { targets } else { &[] };
    for (number, (name, target)) in (1..).zip(wanted) {
        let title = format!("making {number} of {}", targets.len());
        match watched(&title, |watch| settings.run(model, target.clone(), Some(watch))) {
            Ok(found) => {
                let (before, after) = (found.before, found.after);
                let alt = format!("made for {name}: from {before:.3} to {after:.3}");
                let tiles = vec![Tile::new(&reduced(found.picture.to_rgb()), alt)?];
                let column = Column { tiles, caption: format!("made: {after:.3}") };
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
