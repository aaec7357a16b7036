//! Explains one picture after the other, as the command line asks.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use attribution::npy::write_npy;
use attribution::render::{Panel, save_png};
use attribution::{ExplainError, LayerRef, Map, Pass, Photo, Prediction, Verdict};
use ndarray::{Array3, Axis};
use nn::{Model, ModelError};
use serde::Serialize;

use super::ExplainArgs;
use crate::commands::methods::{self, Chosen};
use crate::files::inputs::Input;
use crate::files::picture::Picture;
use crate::files::record::{self, Asked, Explained, Hashed, Record};
use crate::report::{Entry, Explanation, Page, panel, sheet};
use crate::terminal::{Failure, progress, say};

/// Number of classes printed for each picture, likeliest first.
const PRINTED: usize = 5;
/// Limit on the classes named in a sheet's title; more are counted.
const NAMED: usize = 3;
/// Number of panels side by side on a sheet.
const STRIP: usize = 8;
/// Limit on the pictures in the report; a larger page would open slowly.
const REPORTED: usize = 500;

/// Explains pictures as the command line asks.
pub(super) struct Explainer<'a> {
    pub(super) args: &'a ExplainArgs,
    model: &'a Model,
    pub(super) methods: Vec<Chosen>,
    /// Layers for methods that explain a layer.
    layers: Vec<&'a str>,
    /// The network's SHA-256.
    sha256: String,
    /// If all maps of a method at a layer share a scale: the value with the full colour.
    pub(super) scales: Option<Scales>,
    /// With `--json`: the results to print at the end.
    pub(super) outcomes: Option<Vec<Outcome>>,
}

/// The result for a picture, as JSON.
#[derive(Serialize)]
pub(super) struct Outcome {
    picture: PathBuf,
    top: Vec<Likely>,
    explanations: Vec<Explained>,
    sheet: PathBuf,
    record: PathBuf,
}

/// A class and its probability, as JSON.
#[derive(Serialize)]
struct Likely {
    class: usize,
    name: String,
    probability: f64,
}

/// By the method's id and the layers' suffix in file names.
pub(super) type Scales = HashMap<(String, String), f32>;

/// A method's map for a class.
struct Answer<'a> {
    method: &'a Chosen,
    /// The suffix for the layers in file names.
    suffix: String,
    map: Map,
}

impl Answer<'_> {
    /// The layers, and the operations that a rule replaced.
    fn notes(&self) -> String {
        let layers = Some(self.map.layers().join(" + ")).filter(|layers| !layers.is_empty());
        layers.into_iter().chain(self.map.coverage().map(ToString::to_string)).collect::<Vec<_>>().join(", ")
    }

    fn key(&self) -> (String, String) {
        (self.method.id.clone(), self.suffix.clone())
    }
}

impl<'a> Explainer<'a> {
    /// Checks the arguments against the model, before any picture is opened.
    pub(super) fn new(args: &'a ExplainArgs, model: &'a Model) -> Result<Self, Failure> {
        let in_model = |error: ModelError| format!("{}: {error}", args.network.name());
        let methods = methods::chosen(&args.method, model)?;
        let mut layers: Vec<&str> = args.layer.iter().flatten().map(String::as_str).collect();
        if layers == ["all"] && model.layer_index("all").is_err() {
            let spatial = model.layers().iter().filter(|node| node.output_shape.len() == 3);
            layers = spatial.map(|node| node.name.as_str()).collect();
        }
        for layer in &layers {
            model.layer_index(layer).map_err(in_model)?;
        }
        for class in args.class.iter().chain(&args.versus) {
            model.class_index(class).map_err(in_model)?;
        }
        Ok(Self {
            args,
            model,
            methods,
            layers,
            sha256: record::of_model(model)?,
            scales: None,
            outcomes: args.json.then(Vec::new),
        })
    }

    /// An empty report for this number of pictures.
    pub(super) fn report(&self, pictures: usize) -> Page {
        let shown = match pictures {
            0..=REPORTED => pictures.to_string(),
            _ => format!("the first {REPORTED} of {pictures}"),
        };
        let methods: Vec<&str> = self.methods.iter().map(|method| &*method.title).collect();
        let facts = vec![("Network", self.args.network.name()), ("Pictures", shown), ("Methods", methods.join(", "))];
        Page::new("explain", "What the network looked at", facts, pictures.min(REPORTED))
    }

    /// Explains one picture, prints the results, and writes them to files and to the report. Returns the panels of the
    /// first class.
    pub(super) fn answer(
        &mut self,
        input: &Input,
        picture: &Picture,
        report: &mut Page,
    ) -> Result<Vec<Panel>, Failure> {
        let as_text = self.outcomes.is_none();
        /// Prints a line, unless the results are printed as JSON at the end.
        macro_rules! tell {
            ($($text:tt)*) => { if as_text { say!($($text)*) } };
        }
        let failed = |error: ExplainError| -> Failure { format!("{}: {error}", input.path.display()).into() };
        let pass = picture.observe(self.model).map_err(failed)?;
        tell!("{}:", input.path.display());
        for Prediction { name, probability, .. } in pass.top(PRINTED) {
            tell!("  {probability:.3}  {name}");
        }
        let classes = self.classes(&pass)?;
        let mut sheet = sheet(self.title(&input.name, &classes), self.methods.iter().map(Chosen::about));
        let model = Hashed { file: self.args.network.model.clone(), sha256: self.sha256.clone() };
        let mut record = Record::new(model, Hashed::picture(&input.path, picture));
        let name = input.path.file_name().unwrap_or(&input.name).to_string_lossy().into_owned();
        let mut entry = Entry::new(name, picture, &pass, report.budget(classes.len()))?;
        if self.args.certify {
            entry = entry.with_certificates(&pass.certify(self.asked(classes[0].class)?.target())?);
        }
        let mut first = Vec::new();
        for (rank, best) in classes.iter().enumerate() {
            let asked = self.asked(best.class)?;
            let why = asked.words(self.model);
            match (&self.args.class[..], rank) {
                ([], 0) => tell!("  why {why}, the likeliest class (--class selects another)"),
                ([], _) => tell!("  why {why}"),
                _ => tell!("  why {why}, as requested"),
            }
            let answers = self.explain(&pass, &asked).map_err(failed)?;
            for answer in &answers {
                let notes = Some(answer.notes()).filter(|notes| !notes.is_empty());
                let parts = notes.into_iter().chain([answer.map.verdict().to_string()]).collect::<Vec<_>>();
                tell!("  {:16}  {}", answer.method.title, parts.join(": "));
            }
            let opposed = |answer: &Answer| matches!(answer.map.verdict(), Verdict::NonPositive { .. });
            if answers.iter().any(opposed) && !asked.counterfactual {
                tell!("  (--counterfactual shows the evidence against it)");
            }
            let class = if classes.len() > 1 { format!(".{}", best.class) } else { String::new() };
            self.write_maps(input, &class, picture, &answers)?;
            record.explanations.extend(answers.iter().map(|answer| self.recorded(answer, asked, &why)));
            entry.explain(&why, answers.iter().map(|answer| self.report_map(answer)));
            let panels = self.panels(best, picture, &answers);
            sheet = panels.chunks(STRIP).fold(sheet, |sheet, strip| sheet.row("", strip.to_vec()));
            if rank == 0 {
                first = panels;
            }
        }
        let defaulted = self.layers.is_empty() && self.methods.iter().any(|method| method.about().takes_layer());
        if let Some(last) = self.model.last_spatial_layer().filter(|_| defaulted) {
            let last = &self.model.layers()[last].name;
            tell!(
                "  Grad-CAM looks at `{last}`, the last layer with positions (--layer selects another; `--layer all` shows each)"
            );
        }
        let (file, record_file) = (self.file(&input.name, ".explained.png"), self.file(&input.name, ".explained.json"));
        save_png(&file, &sheet.draw())?;
        record.write(&record_file)?;
        tell!("  {}", file.display());
        if report.pictures() < REPORTED {
            report.add(entry)?;
        }
        if let Some(outcomes) = &mut self.outcomes {
            let likely = |Prediction { class, name, probability }| Likely { class, name, probability };
            outcomes.push(Outcome {
                picture: input.path.clone(),
                top: pass.top(PRINTED).into_iter().map(likely).collect(),
                explanations: record.explanations,
                sheet: file,
                record: record_file,
            });
        }
        Ok(first)
    }

    /// The classes on the command line, or else the likeliest ones.
    fn classes(&self, pass: &Pass<'_>) -> Result<Vec<Prediction>, Failure> {
        let prediction = |class: &String| {
            let class = self.model.class_index(class)?;
            let probability = f64::from(pass.probabilities().as_slice()[class]);
            Ok(Prediction { class, name: self.model.class_name(class), probability })
        };
        match &self.args.class[..] {
            [] => Ok(pass.top(self.args.top)),
            classes => classes.iter().map(prediction).collect(),
        }
    }

    fn asked(&self, class: usize) -> Result<Asked, Failure> {
        let versus = self.args.versus.as_ref().map(|versus| self.model.class_index(versus)).transpose()?;
        Ok(Asked { class, versus, counterfactual: self.args.counterfactual })
    }

    fn title(&self, name: &OsStr, classes: &[Prediction]) -> String {
        match classes {
            [best] => {
                let why = self.asked(best.class).map_or_else(|_| best.name.clone(), |asked| asked.words(self.model));
                format!("{}: why {why}? {} {:.2}", name.display(), best.name, best.probability)
            }
            several if several.len() <= NAMED => {
                let names: Vec<&str> = several.iter().map(|class| class.name.as_str()).collect();
                format!("{}: why {}?", name.display(), names.join("? Why "))
            }
            several => format!("{}: why these {} classes?", name.display(), several.len()),
        }
    }

    /// Explains a class by each method.
    fn explain(&self, pass: &Pass<'_>, asked: &Asked) -> Result<Vec<Answer<'_>>, ExplainError> {
        let mut answers = Vec::new();
        for method in &self.methods {
            for (layers, suffix) in self.layer_choices(method) {
                let map = progress::watched(&method.title, |watch| {
                    pass.why(asked.target()).at_each(layers).watched(watch).explain(&*method.method)
                })?;
                answers.push(Answer { method, suffix, map });
            }
        }
        Ok(answers)
    }

    /// The largest scale of each kind of map. Skips pictures in folders that can't be explained; the main loop reports
    /// them.
    pub(super) fn shared_scales(&self, inputs: &[Input], opened: &[Option<Picture>]) -> Result<Scales, Failure> {
        let mut scales = Scales::new();
        for (input, opened) in inputs.iter().zip(opened) {
            let found = if opened.is_none() { Picture::open(&input.path, self.model).ok() } else { None };
            let Some(picture) = opened.as_ref().or(found.as_ref()) else { continue };
            let pass = picture.observe(self.model)?;
            for best in self.classes(&pass)? {
                for answer in self.explain(&pass, &self.asked(best.class)?)? {
                    let scale = scales.entry(answer.key()).or_insert(0.0);
                    *scale = scale.max(answer.map.scale());
                }
            }
        }
        Ok(scales)
    }

    /// The layers at which a method is applied, each with its suffix in file names: every layer alone, and their mean
    /// if several were given.
    fn layer_choices(&self, method: &Chosen) -> Vec<(Vec<LayerRef<'a>>, String)> {
        let named = |layer: &&'a str| LayerRef::Name(layer);
        match &self.layers[..] {
            several @ [_, _, ..] if method.about().takes_layer() => {
                let mean = self.args.layer.as_ref().is_some_and(|asked| asked.len() > 1);
                let all = mean.then(|| (several.iter().map(named).collect(), String::new()));
                let each =
                    several.iter().map(|layer| (vec![named(layer)], format!(".{}", in_a_file_name(layer, self.model))));
                each.chain(all).collect()
            }
            [one] => vec![(vec![named(one)], String::new())],
            _ => vec![(vec![LayerRef::Last], String::new())],
        }
    }

    /// The value with the full colour.
    fn scale(&self, answer: &Answer<'_>) -> f32 {
        self.scales.as_ref().map_or_else(|| answer.map.scale(), |scales| scales[&answer.key()])
    }

    /// The map for the report.
    fn report_map<'b>(&self, answer: &'b Answer<'_>) -> Explanation<'b> {
        let Answer { method, map, .. } = answer;
        Explanation { id: &method.id, title: &method.title, about: method.about(), map, scale: self.scale(answer) }
    }

    /// The map for the record.
    fn recorded(&self, answer: &Answer<'_>, target: Asked, why: &str) -> Explained {
        let Answer { method, map, .. } = answer;
        Explained {
            method: method.about().id.into(),
            settings: method.method.settings(Some(self.model)),
            target,
            why: why.into(),
            layers: map.layers().to_vec(),
            rule: map.coverage().map(ToString::to_string),
            verdict: map.verdict().to_string(),
            shape: record::shape_of(map),
            sha256: record::of_map(map),
        }
    }

    fn panels(&self, best: &Prediction, picture: &Picture, answers: &[Answer<'_>]) -> Vec<Panel> {
        let shown = Panel::new(picture.shown(), format!("{} {:.2}", best.name, best.probability));
        let explained = answers.iter().map(|answer| {
            let Answer { method, map, .. } = answer;
            panel(picture.draw(map, self.scale(answer)), map, &method.title, answer.notes())
        });
        std::iter::once(shown).chain(explained).collect()
    }

    /// Writes the maps as numbers and over the whole picture, as requested.
    fn write_maps(&self, input: &Input, class: &str, picture: &Picture, answers: &[Answer<'_>]) -> Result<(), Failure> {
        let original = if self.args.full_size { Some(original(&input.path, picture)?) } else { None };
        for Answer { method, suffix, map } in answers {
            let file = |ending| self.file(&input.name, &format!("{class}.{}{suffix}.{ending}", method.id));
            if self.args.raw {
                match map.is_of_pixels() {
                    true => write_npy(&file("npy"), map.raw())?,
                    false => write_npy(&file("npy"), map.raw().index_axis(Axis(2), 0))?,
                }
            }
            if let Some(original) = &original {
                save_png(file("png"), &map.over(original))?;
            }
        }
        Ok(())
    }

    fn file(&self, name: &OsStr, ending: &str) -> PathBuf {
        let mut file: OsString = name.to_owned();
        file.push(ending);
        self.args.out.join(file)
    }
}

/// A layer's name without characters that are special in paths: some models name layers `/features/conv1`. If an
/// earlier layer has the same name after this replacement, `~` and a number are appended; no cleaned name contains `~`.
fn in_a_file_name(layer: &str, model: &Model) -> String {
    let cleaned = |layer: &str| layer.replace(['/', '\\', ':', '~'], "_");
    let name = cleaned(layer);
    let before = model.layers().iter().map(|node| &*node.name).take_while(|other| *other != layer);
    match before.filter(|other| cleaned(other) == name).count() {
        0 => name,
        alike => format!("{name}~{}", alike + 1),
    }
}

/// The picture at full size; an array as it is displayed.
fn original(path: &Path, picture: &Picture) -> Result<Photo, Failure> {
    if picture.is_array {
        let shown = picture.shown();
        let pixels = (shown.height() as usize, shown.width() as usize, 3);
        return Ok(Photo::from_pixels(Array3::from_shape_vec(pixels, shown.into_raw())?.view()));
    }
    Ok(Photo::open(path)?)
}
