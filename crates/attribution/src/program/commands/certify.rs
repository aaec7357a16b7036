//! `glassbox certify`.

use std::path::PathBuf;

use attribution::certificates::{Certificate, Finding};
use clap::Args;
use serde::Serialize;

use crate::program::commands::EXIT_CODES;
use crate::program::files::asked::{Aim, Asked, Scene};
use crate::program::files::model::ModelArgs;
use crate::program::files::picture::Picture;
use crate::program::terminal::Failure;
use crate::program::terminal::Refuted;
use crate::program::terminal::say;

const ABOUT: &str = "\
Check identities from theory on this network and this picture

An explanation is a computation, and can be wrong. Part of it can be checked, because theory says that certain pairs of \
numbers are equal. This command computes both numbers of each pair in different ways, and prints their difference:

  CAM = Z · Grad-CAM            with Z positions, on a network that ends in
                                global average pooling and one fully
                                connected layer; HiResCAM = Grad-CAM, too,
                                and mean CAM + b = S, the score
  Σ f·∂S/∂f + Σ b·∂S/∂b = S     the gradient explains the whole score, at the
                                image and at every layer that everything
                                passes: what flows through it, and the biases
                                behind it
  Σ R + kept = S                relevance is handed down without loss; what
                                the image doesn't get, biases keep
  Σ IG = S(x) − S(x₀)           integrated gradients account for the
                                difference to a black picture

The residual is given in ulps: the distance between neighbouring floating-point numbers at the magnitude of the sum (the \
absolute values of all terms, added up). A few ulps are rounding. Next to the residual stands a bound on the rounding \
errors of all operations. A residual beyond its bound means a mistake, and the exit code is 1. Integrated gradients \
approximate an integral by 50 points. The error of this approximation is only estimated, from how the gradient changes \
between the points, so a residual beyond an estimate proves nothing. Guided backpropagation conserves nothing, and the \
table says so.";

/// Check identities from theory on this network and this picture
#[derive(Args, Debug)]
#[command(
    long_about = ABOUT,
    after_help = EXIT_CODES,
    after_long_help = format!("{EXIT_CODES}\n\nExamples:\n  \
    glassbox certify photo.jpg\n  \
    glassbox certify coat.png --model garments.safetensors\n  \
    glassbox certify coat.png --model garments.safetensors --target Shirt\n  \
    glassbox certify coat.png --model garments.safetensors --json | jq '.certificates[].finding'\n\n\
    With --json: an object with model, image, class, score and certificates, a list of {{identity, meaning, layer, \
    finding}}. layer is null for the whole network. finding is either checked or estimated, each with left, right, \
    magnitude, ulps and allowed; or inapplicable, with the reason; or unconserved, with arrived and score.")
)]
pub(crate) struct CertifyArgs {
    /// A picture (PNG, JPEG, WebP, GIF, BMP, TIFF), which is fitted to the network's input; or a preprocessed .npy array
    /// [H, W, C] of f32, which is used unchanged
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    #[command(flatten)]
    network: ModelArgs,

    /// The class, label or value whose score is checked, by name or by index from 0, or a unit LAYER:CHANNEL [default: the
    /// likeliest class]
    #[arg(short, long, visible_alias = "class", visible_short_alias = 'c', value_name = "TARGET")]
    target: Option<String>,

    /// Print everything as JSON, with each layer separately
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Serialize)]
struct CertifyOutput<'a> {
    model: String,
    image: String,
    class: String,
    score: f32,
    certificates: &'a [Certificate],
}

/// Checks the certificates, prints them, and fails if one doesn't hold.
pub(crate) fn run(args: &CertifyArgs) -> Result<(), Failure> {
    let (model, file) = (args.network.open_to_ask(&args.image, args.target.as_slice())?, args.network.name());
    let picture = Picture::open(&args.image, &model)?;
    let pass = picture.observe(&model).map_err(|error| format!("{}: {error}", args.image.display()))?;
    let asked = match (&args.target, pass.top(1).first()) {
        (Some(target), _) => {
            let (aim, counterfactual) = Aim::parse(target, &model).map_err(|error| format!("{file}: {error}"))?;
            Asked { aim, versus: None, counterfactual }
        }
        (None, Some(best)) => Asked::class(best.class),
        (None, None) => return Err(format!("{file}: the network gives an embedding: name a unit with --target").into()),
    };
    let target = asked.target(&Scene { picture: &picture, other: None })?;
    let (score, certificates) = (pass.scores(target.clone())?[0], pass.certify(target)?);
    let (name, image) = (asked.words(&model), args.image.display().to_string());
    if args.json {
        let report = CertifyOutput { model: file, image, class: name, score, certificates: &certificates };
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        say!("{file}, {image}: {name}, score {score:.4}\n");
        print_table(&certificates);
    }
    match certificates.iter().filter(|certificate| certificate.holds() == Some(false)).count() {
        0 => Ok(()),
        failed => Err(Refuted(format!("{failed} of {} certificates don't hold", certificates.len())).into()),
    }
}

/// Prints a line for each identity. An identity that was checked at several layers gets two: one for the image, one for
/// the worst layer.
fn print_table(certificates: &[Certificate]) {
    say!("{:30} {:>14} {:>14} {:>9} {:>9}", "", "left", "right", "ulps", "at most");
    for group in certificates.chunk_by(|a, b| a.identity == b.identity) {
        let (first, cuts) = group.split_first().expect("a chunk isn't empty");
        say!("{}", line(first, ""));
        let residual = |certificate: &&Certificate| match &certificate.finding {
            Finding::Checked(residual) => residual.ulps / residual.allowed,
            _ => 0.0,
        };
        if let Some(worst) = cuts.iter().max_by(|a, b| residual(a).total_cmp(&residual(b))) {
            let layer = worst.layer.as_deref().unwrap_or_default();
            let name = match cuts.len() {
                1 => layer.to_string(),
                count => format!("worst of {count} layers, {layer}"),
            };
            say!("{}", line(worst, &name));
        }
    }
}

/// A certificate as a line of the table; `name` replaces the identity's name unless it is empty.
fn line(certificate: &Certificate, name: &str) -> String {
    let identity = if name.is_empty() { certificate.identity.to_string() } else { format!("  {name}") };
    match &certificate.finding {
        Finding::Checked(residual) | Finding::Estimated(residual) => {
            let verdict = match (certificate.holds(), residual.holds()) {
                (None, true) => "as estimated",
                (None, false) => "beyond the estimate",
                (Some(_), true) => "holds",
                (Some(_), false) => "DOESN'T HOLD",
            };
            format!(
                "{identity:30} {:>14.6} {:>14.6} {:>9.2} {:>9.0}  {verdict}",
                residual.left, residual.right, residual.ulps, residual.allowed
            )
        }
        Finding::Inapplicable { reason } => format!("{identity:30} doesn't apply: {reason}"),
        Finding::Unconserved { arrived, score } => {
            format!("{identity:30} {arrived:>14.6} {score:>14.6} {:>9} {:>9}  nothing is conserved", "", "")
        }
    }
}
