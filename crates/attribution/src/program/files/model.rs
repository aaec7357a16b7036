//! The network of a command: from a file, or built in.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nn::data::{ChannelOrder, Crop, Normalization};
use nn::onnx::{LoadError, LoadErrorKind, OnnxError, OnnxOptions};
use nn::{FileKind, Model, ModelInfo, Task};

use crate::program::files::picture;
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, complain};

/// A network, and preprocessing options that its file may lack.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ModelArgs {
    /// The network: a file saved by `glassbox train`, or an ONNX file [default: EfficientNet-Lite0, built in, which
    /// knows the 1000 classes of ImageNet]
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,

    #[command(flatten)]
    preprocessing: Preprocessing,

    /// How a picture becomes the input: `largest` centre crop, a smaller centre crop (`0.875`), or `squeezed` without
    /// cropping
    #[arg(long, value_name = "largest|SHARE|squeezed", value_parser = crop, help_heading = PREPROCESSING)]
    crop: Option<Crop>,
}

/// Class names and preprocessing that the network's file may lack.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Preprocessing {
    /// Class names: a text file with a line for each class, label or value, in the order of the scores; two lines for a
    /// network of one score make it a binary classifier. A value's unit follows in brackets: `age [years]`
    #[arg(long, value_name = "FILE", help_heading = PREPROCESSING)]
    labels: Option<PathBuf>,

    /// What the scores mean: `classes`, one of which is right; `labels`, each present or absent; `values`; or an
    /// `embedding` [default: what the network's file says or its last operations show]
    #[arg(long, value_name = "TASK", help_heading = PREPROCESSING)]
    task: Option<Task>,

    /// Name of the output to read as the scores, if the ONNX file has several [default: the one that can be scores]
    #[arg(long, value_name = "NAME", help_heading = PREPROCESSING)]
    output: Option<String>,

    /// Height and width of the network's input, if its layers allow a different size or its file leaves them open [default:
    /// the file's, or else those of the first picture]
    #[arg(long, value_name = "N|HxW", value_parser = size, help_heading = PREPROCESSING)]
    size: Option<[usize; 2]>,

    /// Mean of each channel, or one mean for all, in units of u8/SCALE: the input is (u8/SCALE − MEAN) / STD
    #[arg(long, value_name = "MEAN,…", value_delimiter = ',', allow_negative_numbers = true, help_heading = PREPROCESSING)]
    mean: Option<Vec<f32>>,

    /// Standard deviation of each channel, or one for all, in units of u8/SCALE
    #[arg(long, value_name = "STD,…", value_delimiter = ',', help_heading = PREPROCESSING)]
    std: Option<Vec<f32>>,

    /// Divisor of the bytes [default: 255]
    #[arg(long, value_name = "SCALE", help_heading = PREPROCESSING)]
    scale: Option<f32>,

    /// Order of the channels in the input, MEAN and STD
    #[arg(long, value_enum, value_name = "ORDER", help_heading = PREPROCESSING)]
    channels: Option<Order>,
}

const PREPROCESSING: &str = "Preprocessing, to replace the network's own";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Red, green, blue
    Rgb,
    /// Blue, green, red, as in Caffe and OpenCV
    Bgr,
}

impl ModelArgs {
    /// The network's file, or the built-in network's name.
    pub(crate) fn name(&self) -> String {
        name(self.model.as_deref())
    }

    /// Opens the network and applies the preprocessing options.
    ///
    /// # Errors
    /// If the network can't be opened, or an option doesn't fit it. The error names the file or the option.
    pub(crate) fn open(&self) -> Result<Model, Failure> {
        let model = self.preprocessing.open(self.model.as_deref())?;
        match self.crop {
            Some(crop) => {
                let info = ModelInfo { crop, ..model.info().clone() };
                Ok(model.with_info(info)?)
            }
            None => Ok(model),
        }
    }
}

impl ModelArgs {
    /// As [`open`](Self::open). If the file leaves the height and width of the input open, they are those of the picture.
    ///
    /// # Errors
    /// As [`open`](Self::open), or if the picture can't be read.
    pub(crate) fn open_for(&self, picture: &Path) -> Result<Model, Failure> {
        let failure = match self.open() {
            Ok(model) => return Ok(model),
            Err(failure) => failure,
        };
        let is_open = matches!(
            failure.downcast_ref(),
            Some(LoadError { kind: LoadErrorKind::Onnx(error), .. }) if matches!(**error, OnnxError::OpenSize { .. })
        );
        if !is_open {
            return Err(failure);
        }
        let [height, width] = picture::size_of(picture)?;
        let (file, picture) = (self.name(), picture.display());
        complain!(
            "{file} leaves its input's size open: it is that of {picture}, {height} × {width} (--size sets another)."
        );
        let preprocessing = Preprocessing { size: Some([height, width]), ..self.preprocessing.clone() };
        Self { preprocessing, ..self.clone() }.open()
    }

    /// As [`open_for`](Self::open_for), for questions about these targets. A network with one output and no known task is
    /// taken for a binary classifier if a target is `1` or ends in `:present` or `:absent`.
    ///
    /// # Errors
    /// As [`open_for`](Self::open_for).
    pub(crate) fn open_to_ask(&self, picture: &Path, targets: &[String]) -> Result<Model, Failure> {
        let model = self.open_for(picture)?;
        let is_bare = model.info().task.is_none() && model.output_shape() == [1];
        let is_of_two = |target: &String| target == "1" || target.ends_with(":present") || target.ends_with(":absent");
        if is_bare && targets.iter().any(is_of_two) {
            let info = ModelInfo { task: Some(Task::Labels), ..model.info().clone() };
            return Ok(model.with_info(info)?);
        }
        Ok(model)
    }
}

impl Preprocessing {
    /// Opens the network in this file, or the built-in one, and applies the preprocessing options.
    ///
    /// # Errors
    /// If the network can't be opened, or an option doesn't fit it. The error names the file or the option.
    pub(crate) fn open(&self, path: Option<&Path>) -> Result<Model, Failure> {
        let mut model = open(path, &OnnxOptions { size: self.size, output: self.output.clone() })?;
        if let Some(size) = self.size {
            model = model.with_size(size).map_err(|error| format!("--size {}×{}: {error}", size[0], size[1]))?;
        }
        let info = ModelInfo { normalization: self.normalization(&model)?, ..model.info().clone() };
        let info = self.named(&model, info)?;
        Ok(model.with_info(info)?)
    }

    /// The meaning of the scores, their names and units, with the options on the command line applied.
    fn named(&self, model: &Model, info: ModelInfo) -> Result<ModelInfo, Failure> {
        let mut info = ModelInfo { task: self.task.or(info.task), ..info };
        let Some(path) = &self.labels else { return Ok(info) };
        let lines = labels(path, model.scores())?;
        if (lines.len(), model.scores()) == (2, 1) {
            info.task = info.task.or(Some(Task::Labels));
        }
        let task =
            model.clone().with_info(ModelInfo { classes: Vec::new(), units: Vec::new(), ..info.clone() })?.task();
        let parts: Vec<(String, String)> = lines.into_iter().map(|line| with_unit(line, task)).collect();
        let has_units = parts.iter().any(|(_, unit)| !unit.is_empty());
        let (names, units): (Vec<String>, Vec<String>) = parts.into_iter().unzip();
        Ok(ModelInfo { classes: names, units: if has_units { units } else { Vec::new() }, ..info })
    }

    /// The network's own normalization, with the options on the command line applied.
    fn normalization(&self, model: &Model) -> Result<Option<Normalization>, Failure> {
        let own = model.info().normalization.as_ref();
        if self.mean.is_none() && self.std.is_none() && self.scale.is_none() && self.channels.is_none() {
            return Ok(own.cloned());
        }
        let channels = model.input_shape()[2];
        let each = |given: &Option<Vec<f32>>, own: Option<&[f32]>, otherwise: f32| match given.as_deref().or(own) {
            None => vec![otherwise; channels],
            Some(&[one]) => vec![one; channels],
            Some(several) => several.to_vec(),
        };
        let mean = each(&self.mean, own.map(Normalization::mean), 0.0);
        let std = each(&self.std, own.map(Normalization::std), 1.0);
        let scale = self.scale.or(own.map(Normalization::scale)).unwrap_or(255.0);
        let order = match self.channels {
            Some(Order::Rgb) => ChannelOrder::Rgb,
            Some(Order::Bgr) => ChannelOrder::Bgr,
            None => own.map(Normalization::order).unwrap_or_default(),
        };
        Ok(Some(Normalization::new(mean, std)?.with_scale(scale)?.with_order(order)))
    }
}

/// Opens the network in a file, or the built-in one.
pub(crate) fn open(path: Option<&Path>, options: &OnnxOptions) -> Result<Model, Failure> {
    match path {
        Some(path) => match kind(path)? {
            FileKind::Safetensors => Ok(Model::load(path)?),
            FileKind::Onnx => Ok(Model::load_onnx_with(path, options)?),
            FileKind::Unknown if is_onnx(path) => Ok(Model::load_onnx_with(path, options)?),
            found => Err(format!(
                "{}: expected a network, as `glassbox train` saves it or an ONNX file (PyTorch writes one with \
                 torch.onnx.export), found {found}",
                path.display()
            )
            .into()),
        },
        #[cfg(feature = "pretrained")]
        None => crate::program::files::pretrained::efficientnet(),
        #[cfg(not(feature = "pretrained"))]
        None => Err("no network: give one with --model (this program was built without a network)".into()),
    }
}

/// The kind of a file, judged by its content, not by its name.
fn kind(path: &Path) -> Result<FileKind, Failure> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut start));
    read.map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
    Ok(FileKind::of(&start))
}

/// Whether the file's extension is that of ONNX.
pub(crate) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// The network's file, or the built-in network's name.
pub(crate) fn name(path: Option<&Path>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        #[cfg(feature = "pretrained")]
        None => crate::program::files::pretrained::NAME.into(),
        #[cfg(not(feature = "pretrained"))]
        None => String::new(),
    }
}

/// The name of a value and its unit, which follows in brackets. What isn't a value has no unit.
fn with_unit(line: String, task: Task) -> (String, String) {
    let parts = line.strip_suffix(']').and_then(|line| line.rsplit_once('[')).filter(|_| task == Task::Values);
    match parts {
        Some((name, unit)) => (name.trim().into(), unit.trim().into()),
        None => (line, String::new()),
    }
}

/// The lines of a file, as many as there are scores; two are enough for one score.
fn labels(path: &Path, scores: usize) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
    let lines: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
    if lines.len() != scores && (lines.len(), scores) != (2, 1) {
        let (file, found) = (path.display(), lines.len());
        let binary = if scores == 1 { ", or two for a binary classifier" } else { "" };
        let lines = count(scores, "line");
        return Err(format!("{file}: expected {lines}, one for each score{binary}, found {found}").into());
    }
    Ok(lines)
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
    match (height.parse(), width.parse()) {
        (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok([height, width]),
        _ => Err("expected a number of pixels, or a height and a width such as 224x320".into()),
    }
}

fn crop(text: &str) -> Result<Crop, String> {
    match text {
        "largest" => Ok(Crop::Largest),
        "squeezed" => Ok(Crop::Squeezed),
        _ => {
            let share = text.parse().map_err(|_| "expected `largest`, `squeezed`, or a share such as 0.875")?;
            Crop::centre(share).map_err(|error| error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use nn::layers::{GlobalAvgPool, Linear};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ModelArgs,
    }

    fn parse(line: &[&str]) -> Result<ModelArgs, clap::Error> {
        Line::try_parse_from([&["glassbox"], line].concat()).map(|line| line.args)
    }

    fn model(normalization: Option<Normalization>) -> Model {
        let info = ModelInfo { normalization, ..ModelInfo::default() };
        let builder = Model::builder([8, 8, 3]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2));
        builder.info(info).build(1).unwrap()
    }

    #[test]
    fn options_override_the_networks_normalization() {
        let own = Normalization::new(vec![0.1, 0.2, 0.3], vec![0.5; 3]).unwrap();
        let normalization = |line: &[&str], own| parse(line).unwrap().preprocessing.normalization(&model(own)).unwrap();
        assert_eq!(normalization(&[], None), None);
        assert_eq!(normalization(&[], Some(own.clone())), Some(own.clone()));
        let expected = Normalization::new(vec![0.1, 0.2, 0.3], vec![2.0; 3]).unwrap();
        assert_eq!(normalization(&["--std", "2"], Some(own)), Some(expected));
        let caffe = ["--mean", "104,117,123", "--scale", "1", "--channels", "bgr"];
        let expected = Normalization::new(vec![104.0, 117.0, 123.0], vec![1.0; 3]).unwrap();
        assert_eq!(normalization(&caffe, None), Some(expected.with_scale(1.0).unwrap().with_order(ChannelOrder::Bgr)));
        assert!(parse(&["--std", "0"]).unwrap().preprocessing.normalization(&model(None)).is_err());
    }

    #[test]
    fn sizes_and_crops_are_read() {
        let sized = parse(&["--size", "224x320"]).unwrap();
        assert_eq!(sized.preprocessing.size, Some([224, 320]));
        assert_eq!(parse(&["--size", "99"]).unwrap().preprocessing.size, Some([99, 99]));
        for (text, crop) in
            [("largest", Crop::Largest), ("squeezed", Crop::Squeezed), ("0.5", Crop::centre(0.5).unwrap())]
        {
            assert_eq!(parse(&["--crop", text]).unwrap().crop, Some(crop));
        }
        for wrong in
            [["--size", "0"], ["--size", "3x"], ["--crop", "1.5"], ["--crop", "middle"], ["--channels", "cmyk"]]
        {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
