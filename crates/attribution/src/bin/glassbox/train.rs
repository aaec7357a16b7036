//! `glassbox train`.

use nn::train::evaluate;

use crate::cli::TrainArgs;
use crate::words::count;
use crate::{Failure, data, folder, interrupt, network, say};

/// Trains, tests and saves a network.
pub(crate) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let (training_set, test) = data::open(args)?;
    let images = training_set.epoch(0)?;
    let mut model = network::build(&images, args.seed)?;
    folder::prepare_for(&args.out)?;
    interrupt::listen()?;

    let [all, height, width, _] = images.shape();
    let (parameters, classes) = (model.summary().parameters, model.classes());
    say!("{all} training images of {height}×{width} in {classes} classes; a network of {parameters} parameters");
    drop(images);
    let training = network::recipe(args.epochs, args.batch, args.rate, args.seed);
    let (ended, _) = network::fit(&mut model, &training, &training_set)?;
    model.save(&args.out)?;
    ended.or_failure(&args.out)?;

    if let Some(test) = test {
        say!("Test accuracy {:.3} on {}", evaluate(&model, &test)?.accuracy, count(test.len(), "image"));
    }
    say!("The network is in {}", args.out.display());
    Ok(())
}
