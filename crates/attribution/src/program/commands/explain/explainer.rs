//! Explains one picture after the other, as the command line asks.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use attribution::npy::write_npy;
use attribution::render::{Panel, save_png};
use attribution::{ExplainError, LayerRef, Map, Pass, Photo, Prediction, Target, Verdict};
use ndarray::{Array3, Axis};
use nn::{Model, Task};

use super::ExplainArgs;
use super::boxes::{self, Boxed};
use super::kept::Kept;
use super::outcome::{Likely, Outcome};
use crate::program::commands::methods::{self, Chosen};
use crate::program::files::asked::{self, Aim, Asked, Scene};
use crate::program::files::inputs::Input;
use crate::program::files::picture::Picture;
use crate::program::files::record::{self, Explained, Hashed, Record};
use crate::program::report::{self, Entry, Explanation, Page, panel, sheet};
use crate::program::terminal::{Failure, complain, progress, say};

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
    pub(super) model: &'a Model,
    pub(super) methods: Vec<Chosen>,
    /// Layers for methods that explain a layer.
    layers: Vec<&'a str>,
    /// The network's SHA-256.
    pub(super) sha256: String,
    /// If all maps of a method at a layer share a scale: the value with the full colour.
    pub(super) scales: Option<Scales>,
    /// With `--json`: the results to print at the end.
    pub(super) outcomes: Option<Vec<Outcome>>,
    /// The methods that can't explain this network.
    pub(super) refused: Vec<&'static str>,
    /// The targets on the command line; empty if the likeliest classes are explained.
    named: Vec<Asked>,
    /// With `--like`: the other picture's embedding.
    other: Option<Vec<f64>>,
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
        let in_model = |error: ExplainError| format!("{}: {error}", args.network.name());
        let (methods, mut refused) = methods::possible(&args.method, model)?;
        if methods.is_empty() && !refused.is_empty() {
            return Err(refused.swap_remove(0).1.into());
        }
        for (title, reason) in &refused {
            complain!("{title} is left out: {reason}.");
        }
        let refused = refused.into_iter().map(|(title, _)| title).collect();
        let mut layers: Vec<&str> = args.layer.iter().flatten().map(String::as_str).collect();
        if layers == ["all"] && model.layer_index("all").is_err() {
            let placed = model.layers().iter().zip(model.grids()).filter(|(_, grid)| grid.is_some());
            layers = placed.map(|(node, _)| node.name.as_str()).collect();
        }
        for layer in &layers {
            model.layer_index(layer).map_err(|error| in_model(error.into()))?;
        }
        if args.region.is_some() && !model.is_map() {
            return Err(format!("{}: --region needs a network that gives a map", args.network.name()).into());
        }
        let other = args.like.as_ref().map(|like| asked::embedding(like, model)).transpose()?;
        let named = named(args, model).map_err(in_model)?;
        if named.is_empty() && model.task() == Task::Embedding {
            return Err(format!(
                "{}: the network gives an embedding: name a picture to compare with (--like), or a unit (--target LAYER:CHANNEL)",
                args.network.name()
            )
            .into());
        }
        Ok(Self {
            args,
            model,
            methods,
            layers,
            sha256: record::of_model(model)?,
            scales: None,
            outcomes: args.json.then(Vec::new),
            refused,
            named,
            other,
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

    /// Explains one picture, prints the results, and writes them to files. Returns what the report and the summaries show.
    pub(super) fn answer(&self, input: &Input, picture: &Picture, report: &Page) -> Result<Kept, Failure> {
        let as_text = self.outcomes.is_none();
        /// Prints a line, unless the results are printed as JSON at the end.
        macro_rules! tell {
            ($($text:tt)*) => { if as_text { say!($($text)*) } };
        }
        let failed = |error: ExplainError| -> Failure { format!("{}: {error}", input.path.display()).into() };
        let pass = picture.observe(self.model).map_err(failed)?;
        tell!("{}:", input.path.display());
        if let [read, others @ ..] = &self.model.info().outputs[..] {
            tell!("  the output `{read}`, without {} (--output selects another)", others.join(", "));
        }
        self.predictions(&pass).iter().for_each(|line| tell!("  {line}"));
        let questions = self.questions(&pass);
        let scene = Scene { picture, other: self.other.as_deref() };
        let captions = questions.iter().map(|asked| asked.caption(&pass, &scene)).collect::<Result<Vec<_>, _>>()?;
        let mut sheet = sheet(self.title(&input.name, &questions, &captions), self.methods.iter().map(Chosen::about));
        let model = Hashed { file: self.args.network.model.clone(), sha256: self.sha256.clone() };
        let mut record = Record::new(model, Hashed::picture(&input.path, picture));
        let name = input.path.file_name().unwrap_or(&input.name).to_string_lossy().into_owned();
        let mut entry = Entry::new(name, picture, &pass, report.budget(questions.len()))?;
        if self.args.certify {
            entry = entry.with_certificates(&pass.certify(questions[0].target(&scene)?)?);
        }
        let (mut first, mut boxed) = (Vec::new(), Vec::new());
        for (rank, (asked, caption)) in questions.iter().zip(&captions).enumerate() {
            let why = asked.words(self.model);
            match (self.named.is_empty(), rank, self.model.classes()) {
                (true, 0, 2..) => tell!("  why {why}, {} (--target selects another)", self.first_kind()),
                (true, ..) => tell!("  why {why}"),
                (false, ..) => tell!("  why {why}, as requested ({caption})"),
            }
            let answers = self.explain(&pass, &asked.target(&scene)?).map_err(failed)?;
            for answer in &answers {
                let notes = Some(answer.notes()).filter(|notes| !notes.is_empty());
                let parts = notes.into_iter().chain([answer.map.verdict().to_string()]).collect::<Vec<_>>();
                tell!("  {:16}  {}", answer.method.title, parts.join(": "));
                if self.args.boxes {
                    let found = Boxed::new(&answer.method.id, &answer.map, &why, picture);
                    tell!("  {:16}  {}", "", found.words());
                    boxed.push(found);
                }
            }
            let opposed = |answer: &Answer| matches!(answer.map.verdict(), Verdict::NonPositive { .. });
            if answers.iter().any(opposed) && !asked.counterfactual {
                tell!("  (--counterfactual shows the evidence against it)");
            }
            let suffix = if questions.len() > 1 { format!(".{}", asked.suffix()) } else { String::new() };
            self.write_maps(input, &suffix, picture, &answers)?;
            record.explanations.extend(answers.iter().map(|answer| self.recorded(answer, asked, &why)));
            entry.explain(&why, answers.iter().map(|answer| self.report_map(answer)));
            let panels = self.panels(caption, picture, &answers);
            sheet = panels.chunks(STRIP).fold(sheet, |sheet, strip| sheet.row("", strip.to_vec()));
            if rank == 0 {
                first = panels;
            }
        }
        let defaulted = self.layers.is_empty() && self.methods.iter().any(|method| method.about().takes_layer());
        if let Some(last) = self.model.last_spatial_layer().filter(|_| defaulted) {
            let last = &self.model.layers()[last].name;
            tell!(
                "  Grad-CAM looks at `{last}`, the last layer with positions that a later layer mixes (--layer selects another; `--layer all` shows each)"
            );
        }
        let (file, record_file) = (self.file(&input.name, ".explained.png"), self.file(&input.name, ".explained.json"));
        save_png(&file, &sheet.draw())?;
        record.write(&record_file)?;
        if self.args.boxes {
            boxes::write(&self.file(&input.name, ".boxes.json"), &boxed)?;
        }
        tell!("  {}", file.display());
        let outcome = self.outcomes.is_some().then(|| Outcome {
            picture: input.path.clone(),
            top: pass.top(PRINTED).into_iter().map(Likely::from).collect(),
            explanations: record.explanations,
            boxes: boxed,
            sheet: file,
            record: record_file,
        });
        Kept::new(entry, first, input.found, outcome)
    }

    /// Adds a picture to the report, if it has room, and to the JSON.
    pub(super) fn show(&mut self, kept: Kept, report: &mut Page) -> Result<Vec<Panel>, Failure> {
        let about = |id: &String| {
            let method = self.methods.iter().find(|method| method.id == *id);
            let method = method.ok_or_else(|| format!("there is no method {id} among those asked for"))?;
            Ok(report::Shown { id: id.clone(), title: method.title.clone(), about: method.about() })
        };
        let methods = kept.methods.iter().map(about).collect::<Result<Vec<_>, Failure>>()?;
        if report.pictures() < REPORTED {
            report.push(kept.choice, methods);
        }
        self.outcomes.iter_mut().for_each(|outcomes| outcomes.extend(kept.outcome.clone()));
        Ok(kept.row)
    }

    /// The network's answers for the picture, a line each.
    fn predictions(&self, pass: &Pass<'_>) -> Vec<String> {
        let model = self.model;
        let lines = pass.top(PRINTED).into_iter().map(|said| said.to_string());
        let note = match (model.task(), model.info().task) {
            (Task::Values, None) if model.scores() == 1 && !model.is_map() => {
                let sigmoid = Task::Labels.outputs(pass.logits()).as_slice()[0];
                Some(format!(
                    "(one number, taken for a value; if it is the logit of a binary classifier, say --task labels: its \
                     probability is then {sigmoid:.3})"
                ))
            }
            (Task::Embedding, _) => {
                let norm = pass.logits().as_slice().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                Some(format!("an embedding of {} numbers, of length {norm:.3}", model.scores()))
            }
            _ => None,
        };
        lines.chain(note).collect()
    }

    /// The targets on the command line, or else the likeliest classes.
    fn questions(&self, pass: &Pass<'_>) -> Vec<Asked> {
        if !self.named.is_empty() {
            return self.named.clone();
        }
        let class = |said: Prediction| Asked {
            aim: Aim::Class { class: said.class, region: self.args.region.clone() },
            versus: self.versus(),
            counterfactual: self.args.counterfactual,
        };
        pass.top(self.args.top).into_iter().map(class).collect()
    }

    fn versus(&self) -> Option<usize> {
        self.args.versus.as_ref().and_then(|versus| self.model.class_index(versus).ok())
    }

    /// The kind of the default target.
    fn first_kind(&self) -> &'static str {
        match (self.model.task(), self.model.is_map()) {
            (Task::Values | Task::Embedding, _) => "the first value",
            (_, true) => "predicted at most positions",
            (Task::Labels, false) if !self.model.is_binary() => "the likeliest label",
            _ => "the likeliest class",
        }
    }

    fn title(&self, name: &OsStr, questions: &[Asked], captions: &[String]) -> String {
        match questions {
            [asked] => format!("{}: why {}? {}", name.display(), asked.words(self.model), captions[0]),
            several if several.len() <= NAMED => {
                let names: Vec<String> = several.iter().map(|asked| asked.words(self.model)).collect();
                format!("{}: why {}?", name.display(), names.join("? Why "))
            }
            several => format!("{}: why these {} targets?", name.display(), several.len()),
        }
    }

    /// Explains a target by each method.
    fn explain(&self, pass: &Pass<'_>, target: &Target) -> Result<Vec<Answer<'_>>, ExplainError> {
        let mut answers = Vec::new();
        for method in &self.methods {
            for (layers, suffix) in self.layer_choices(method) {
                let map = progress::watched(&method.title, |watch| {
                    pass.why(target.clone()).at_each(layers).watched(watch).explain(&*method.method)
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
            let scene = Scene { picture, other: self.other.as_deref() };
            for asked in self.questions(&pass) {
                for answer in self.explain(&pass, &asked.target(&scene)?)? {
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
    fn recorded(&self, answer: &Answer<'_>, target: &Asked, why: &str) -> Explained {
        Explained::new(&*answer.method.method, self.model, target, why, &answer.map)
    }

    fn panels(&self, caption: &str, picture: &Picture, answers: &[Answer<'_>]) -> Vec<Panel> {
        let shown = Panel::new(picture.shown(), caption.to_string());
        let explained = answers.iter().map(|answer| {
            let Answer { method, map, .. } = answer;
            let drawn = picture.draw(map, self.scale(answer));
            let drawn = match boxes::of_map(map).filter(|_| self.args.boxes) {
                Some(found) => picture.boxed(drawn, &found),
                None => drawn,
            };
            panel(drawn, map, &method.title, answer.notes())
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

/// The targets on the command line.
fn named(args: &ExplainArgs, model: &Model) -> Result<Vec<Asked>, ExplainError> {
    let versus = args.versus.as_ref().map(|versus| model.class_index(versus)).transpose()?;
    let asked = |aim, is_opposed: bool| Asked { aim, versus, counterfactual: args.counterfactual != is_opposed };
    let target = |text: &String| {
        let (aim, is_opposed) = Aim::parse(text, model)?;
        let aim = match aim {
            Aim::Class { class, .. } => Aim::Class { class, region: args.region.clone() },
            other => other,
        };
        Ok(asked(aim, is_opposed))
    };
    let like = args.like.iter().map(|like| Ok(asked(Aim::Like { like: like.clone() }, false)));
    args.target.iter().map(target).chain(like).collect()
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
