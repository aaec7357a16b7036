//! `glassbox verify`.

use std::path::{Path, PathBuf};

use attribution::LayerRef;
use attribution::methods::with_settings;
use clap::Args;
use serde::Serialize;
use tensor::simd::tier;

use crate::program::commands::EXIT_CODES;
use crate::program::files::asked::{self, Aim, Scene};
use crate::program::files::model::ModelArgs;
use crate::program::files::picture::Picture;
use crate::program::files::record::{Explained, Hashed, Record, of_map, of_model};
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, Refuted, say};

/// Repeat recorded explanations and compare the bits
///
/// Reads a record written by `glassbox explain`, and reports what differs: the network, the input, or a map.
#[derive(Args, Debug)]
#[command(
    after_help = EXIT_CODES,
    after_long_help = format!("{EXIT_CODES}\n\n\
        With --json: an object with record, image and compared, a list of {{what, same}} for the network, the input and \
        each map.")
)]
pub(crate) struct VerifyArgs {
    /// The record, NAME.explained.json
    #[arg(value_name = "FILE.json")]
    record: PathBuf,

    /// The picture, if it has been moved
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,

    #[command(flatten)]
    network: ModelArgs,

    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Serialize)]
struct VerifyOutput {
    record: PathBuf,
    image: PathBuf,
    compared: Vec<Compared>,
}

#[derive(Serialize)]
struct Compared {
    what: String,
    same: bool,
}

/// Repeats the explanations of a record and reports differences.
pub(crate) fn run(mut args: VerifyArgs) -> Result<(), Failure> {
    let record = Record::read(&args.record)?;
    let recorded = |file: &Option<PathBuf>| file.as_ref().map(|file| found(file, &args.record));
    let picture_file = args.image.clone().or_else(|| recorded(&record.input.file));
    let picture_file = picture_file.ok_or_else(|| format!("{}: has no picture", args.record.display()))?;
    let model_file = args.network.model.take().or_else(|| recorded(&record.model.file));
    args.network.model = model_file;
    let targets: Vec<String> =
        record.explanations.iter().filter_map(|explained| explained.target.as_argument()).collect();
    let model = args.network.open_to_ask(&picture_file, &targets)?;
    let picture = Picture::open(&picture_file, &model)?;
    let mut compared = Vec::new();
    let mut compare = |what: String, same: bool| {
        if !args.json {
            say!("  {:9}  {what}", if same { "same" } else { "DIFFERENT" });
        }
        compared.push(Compared { what, same });
    };
    if !args.json {
        let explanations = count(record.explanations.len(), "explanation");
        say!("{}: {explanations} of {}", args.record.display(), picture_file.display());
    }
    compare(format!("the network, {}", args.network.name()), of_model(&model)? == record.model.sha256);
    let input = Hashed::picture(&picture_file, &picture).sha256 == record.input.sha256;
    compare(format!("the input, {}", picture_file.display()), input);
    let pass = picture.observe(&model)?;
    for explained in &record.explanations {
        let Explained { method, settings, target, why, layers, sha256, .. } = explained;
        let method_again = with_settings::<f32>(method, settings.clone())
            .map_err(|error| format!("{}: {error}", args.record.display()))?;
        let other = match &target.aim {
            Aim::Like { like } => Some(asked::embedding(&found(like, &args.record), &model)?),
            _ => None,
        };
        let scene = Scene { picture: &picture, other: other.as_deref() };
        let question = pass.why(target.target(&scene)?);
        let map = match layers.is_empty() {
            true => question.explain(&*method_again),
            false => question.at_each(layers.iter().map(LayerRef::from)).explain(&*method_again),
        }?;
        let at = if layers.is_empty() { String::new() } else { format!(" at {}", layers.join(" + ")) };
        compare(format!("{method}{at}, why {why}"), of_map(&map) == *sha256);
    }
    let report = VerifyOutput { record: args.record, image: picture_file, compared };
    if args.json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    }
    let differing: Vec<&str> =
        report.compared.iter().filter(|compared| !compared.same).map(|compared| compared.what.as_str()).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let now = tier().to_string();
    let mut hints = Vec::new();
    if now != record.simd {
        hints.push(format!("it was written under {}, this is {now} (GLASSBOX_SIMD selects it)", record.simd));
    }
    if env!("CARGO_PKG_VERSION") != record.glassbox {
        hints.push(format!("it was written by version {}, this is {}", record.glassbox, env!("CARGO_PKG_VERSION")));
    }
    let hints = hints.into_iter().map(|hint| format!("; {hint}")).collect::<String>();
    let differ = if differing.len() == 1 { "differs" } else { "differ" };
    let file = report.record.display();
    Err(Refuted(format!("{file}: {} {differ}, first {}{hints}", differing.len(), differing[0])).into())
}

/// The path of a file in the record: the path as recorded, or else beside the record.
fn found(file: &Path, record: &Path) -> PathBuf {
    let beside = || Some(record.parent()?.join(file.file_name()?)).filter(|path| path.is_file());
    if file.is_file() { file.into() } else { beside().unwrap_or_else(|| file.into()) }
}
