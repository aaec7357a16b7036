//! `glassbox export`.

use nn::{Naming, WeightLayout};

use crate::cli::ExportArgs;
use crate::{Failure, model, say};

/// Writes the network in the format that the file's ending names.
pub(crate) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let out = &args.out;
    let is_safetensors = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    let network = args.network.open()?;
    match (model::is_onnx(out), is_safetensors, args.weights) {
        (true, _, false) => network.save_onnx(out)?,
        (_, true, false) => network.save(out)?,
        (_, true, true) => {
            network.save_weights(out, &Naming { layout: WeightLayout::PyTorch, ..Naming::default() })?;
        }
        (_, _, weights) => {
            let expected = if weights { ".safetensors, for weights alone" } else { ".onnx or .safetensors" };
            return Err(format!("{}: expected a name that ends in {expected}", out.display()).into());
        }
    }
    say!("{} → {}", args.network.name(), out.display());
    Ok(())
}
