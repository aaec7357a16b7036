//! `glassbox export`.

use std::path::PathBuf;

use clap::Args;
use nn::{Naming, WeightLayout};

use crate::program::files::model::{self, ModelArgs};
use crate::program::terminal::{Failure, say};

/// Write a network for other programs, or with other class names and preprocessing
///
/// The extension of OUT selects the format: an ONNX file, for ONNX Runtime and others, or a .safetensors file as
/// `glassbox train` writes it. With --weights, only the weights are written, for PyTorch's `load_state_dict`.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox export garments.onnx --model garments.safetensors\n  \
    glassbox export garments-weights.safetensors --weights --model garments.safetensors\n  \
    glassbox export photos.safetensors --model resnet18.onnx --labels imagenet.txt --crop 0.875 \\\n      \
        --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225")]
pub(crate) struct ExportArgs {
    /// Output file; written atomically
    #[arg(value_name = "OUT.onnx|OUT.safetensors")]
    pub(crate) out: PathBuf,

    /// Write only the weights, in PyTorch's layout: convolutions [Cout, Cin/groups, Kh, Kw], fully connected layers
    /// [out, in]
    #[arg(long)]
    pub(crate) weights: bool,

    #[command(flatten)]
    pub(crate) network: ModelArgs,
}

/// Writes the network in the format of the file's extension.
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
            let expected = if weights { ".safetensors, for --weights" } else { ".onnx or .safetensors" };
            return Err(format!("{}: expected a name that ends in {expected}", out.display()).into());
        }
    }
    say!("{} → {}", args.network.name(), out.display());
    Ok(())
}
