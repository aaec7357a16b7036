//! `glassbox look`: what the units of a network look for.

mod arguments;
mod made;
mod page;
mod plan;
mod results;
mod seen;

use std::path::PathBuf;

use attribution::ExplainError;
use attribution::units::Maximisation;
use nn::Model;

pub(crate) use arguments::LookArgs;

use crate::program::commands::methods::{self, Chosen};
use crate::program::files::{folder, inputs};
use crate::program::report;
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, complain, interrupt, say};
use made::Wanted;
use plan::Plan;
use results::Results;
use seen::Seen;

/// Default number of pictures for each channel.
const PATCHES: usize = 9;
/// The methods beside a picture.
const BESIDE: &str = "guided-backprop,deconvnet";
/// The method beside a picture if none of those applies.
const INSTEAD: &str = "gradient";

/// Looks at pictures through the units of a network.
pub(crate) fn run(args: &LookArgs) -> Result<(), Failure> {
    let (network, paths) = args.parts()?;
    let mut inputs = if paths.is_empty() { Vec::new() } else { inputs::listed(paths)? };
    inputs.truncate(args.limit.unwrap_or(usize::MAX));
    let model = match inputs.first() {
        Some((picture, _)) => network.open_to_ask(picture, &args.target)?,
        None => network.open()?,
    };
    let in_model = |error: ExplainError| format!("{}: {error}", network.name());
    let plan = Plan::new(args, &methods::black(&model)?).map_err(in_model)?;
    let most = patches(args, &inputs)?;
    let beside = if inputs.is_empty() { Vec::new() } else { beside(&model)? };
    folder::prepare(&args.out)?;
    report::refuse_another(&args.out, "look")?;
    interrupt::listen()?;

    if !args.json {
        let layers = count(plan.layers.len(), "layer");
        say!("{}: {layers}, {}", network.name(), count(inputs.len(), "picture"));
    }
    let [height, width, _] = model.input_shape();
    let all = inputs.len();
    let mut seen = Seen::look(inputs, &plan, most, &model)?;
    let mut channels = seen::channels(&plan, &seen, args.per_layer, [height, width]);
    seen::cut(&mut channels, &seen, &beside, &model)?;
    let units = channels.iter().map(|channel| Wanted::channel(channel.unit.clone()));
    let others = plan.others.into_iter().map(|(name, target)| Wanted { name, target, channel: None });
    let targets: Vec<Wanted> = units.chain(others).collect();
    let settings = Maximisation { steps: args.steps, seed: args.seed, ..Maximisation::default() };
    let mut made = made::make(&targets, &settings, &model)?;
    let of_others = made.split_off(channels.len());
    let others = targets.into_iter().skip(channels.len()).map(|wanted| wanted.name).zip(of_others).collect();
    let mut results = Results { channels: channels.into_iter().zip(made).collect(), others };

    let report = page::write(args, &network.name(), &model, &mut seen, &mut results)?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&results.json(&seen, &report))?);
    } else {
        results.lines(&seen, &model).iter().for_each(|line| say!("{line}"));
        say!("The report: {}", report.display());
    }
    let looked = seen.pictures.len() + seen.unreadable;
    match seen.unreadable {
        _ if interrupt::asked() => {
            let (all, out) = (count(all, "picture"), args.out.display());
            Err(format!("stopped after {looked} of {all}; the results so far are in {out}").into())
        }
        0 => Ok(()),
        unreadable => Err(format!(
            "{} can't be read and {} skipped",
            count(unreadable, "file"),
            if unreadable == 1 { "was" } else { "were" }
        )
        .into()),
    }
}

/// The number of pictures for each channel.
fn patches(args: &LookArgs, inputs: &[(PathBuf, bool)]) -> Result<usize, Failure> {
    match (args.patches, inputs.len()) {
        (Some(asked), there) if asked > there => {
            let there = count(there, "picture");
            Err(format!(
                "--patches {asked} asks for more pictures than there are: {there}; name more, or ask for fewer"
            )
            .into())
        }
        (asked, there) => Ok(asked.unwrap_or(PATCHES.min(there))),
    }
}

/// The methods whose maps are shown beside the pictures. Says which don't apply.
fn beside(model: &Model) -> Result<Vec<Chosen>, Failure> {
    let (chosen, refused) = methods::possible(&[methods::list(BESIDE)?], model)?;
    for (title, reason) in refused {
        complain!("{title} is left out: {reason}.");
    }
    if chosen.is_empty() { Ok(methods::chosen(&[methods::list(INSTEAD)?], model)?) } else { Ok(chosen) }
}
