//! An evaluation in parts.

use std::path::Path;

use nn::Model;
use nn::train::Ranks;

use super::data::Data;
use super::figures::{Bits, Figures};
use super::trial::Trial;
use super::{EvaluateArgs, over};
use crate::program::files::record;
use crate::program::files::shards::{self, Facts, Shard};
use crate::program::terminal::{Failure, Stopped, say, words};

/// The facts that all parts of an evaluation share.
pub(super) fn facts(args: &EvaluateArgs, data: &Data, model: &Model) -> Result<Facts, Failure> {
    let mut images = data.images.pixels().to_vec();
    images.extend(data.images.labels().iter().flat_map(|label| label.to_le_bytes()));
    images.extend(format!("{:?} {:?}", data.images.shape(), data.truths).bytes());
    if let Some(given) = &data.given {
        let maps = (0..data.images.len()).flat_map(|index| given.of(index));
        images.extend(maps.flat_map(f32::to_le_bytes));
    }
    let (settings, network) = (args.settings(), record::of_model(model)?);
    Ok(Facts::new([("network", network.as_bytes()), ("settings", settings.as_bytes()), ("data", &images[..])]))
}

/// Measures one part and writes it, unless it is there already.
pub(super) fn measure(trial: &Trial<'_>, facts: &Facts, args: &EvaluateArgs, shard: Shard) -> Result<(), Failure> {
    if shards::begin(&args.out, shard, facts)? {
        say!("Shard {shard} is in {} already", args.out.display());
        return Ok(());
    }
    let places = shard.range(trial.images.len());
    let figures = over(trial, places.clone())?;
    if figures.images < places.len() {
        let (done, all) = (figures.images, places.len());
        return Err(
            Stopped(format!("stopped after {done} of the {all} images of shard {shard}; nothing is written")).into()
        );
    }
    let file = shards::write(&args.out, shard, facts, &Bits::from(&figures))?;
    let images = words::count(places.len(), "image");
    say!("Shard {shard}, {images}: {}; `glassbox merge {}` puts all together", file.display(), args.out.display());
    Ok(())
}

/// Measures the part of each rank. The first puts them together.
pub(super) fn among(
    trial: &Trial<'_>,
    facts: &Facts,
    args: &EvaluateArgs,
    ranks: &dyn Ranks,
) -> Result<Option<Figures>, Failure> {
    shards::on_each_rank(ranks, |shard| measure(trial, facts, args, shard))?;
    (ranks.rank() == 0).then(|| gather(trial, facts, &args.out)).transpose()
}

/// The figures of all parts.
pub(super) fn gather(trial: &Trial<'_>, facts: &Facts, out: &Path) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    for (file, shard, bits) in shards::gather::<Bits>(out, facts)? {
        let images = shard.range(trial.images.len()).len();
        let part = bits.figures(images, trial.subjects.len(), trial.measures.len());
        figures.append(part.ok_or_else(|| format!("{}: damaged; remove it and measure it again", file.display()))?);
    }
    Ok(figures)
}
