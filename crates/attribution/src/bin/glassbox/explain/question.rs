//! What is asked about pictures, and how it is answered.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use attribution::render::{Panel, save_png};
use attribution::{ExplainError, LayerRef, Pass, Photo, Prediction, Verdict};
use nn::{Model, ModelError};

use crate::asked::Asked;
use crate::audit::{self, Audit, Explained, Hashed, of_map};
use crate::cli::ExplainArgs;
use crate::inputs::Input;
use crate::method::{Map, Method, applicable};
use crate::page::{Entry, Page, Said};
use crate::picture::Picture;
use crate::{Failure, progress, say, sheet};

/// Classes that are printed of each picture, likeliest first.
const PRINTED: usize = 5;
/// Panels of a sheet side by side.
const STRIP: usize = 8;
/// Pictures in the report; a page of more would be slow to open.
const REPORTED: usize = 500;

/// What was asked about each picture.
pub(super) struct Question<'a> {
    pub(super) args: &'a ExplainArgs,
    model: &'a Model,
    pub(super) methods: Vec<Method>,
    /// Layers for the methods that look at one.
    layers: Vec<&'a str>,
    /// The network's hash.
    sha256: String,
    /// The value that gets the full colour in all maps of a method at a layer, if they share one.
    pub(super) scales: Option<Scales>,
}

pub(super) type Scales = HashMap<(Method, String), f32>;

/// What a method says of a class.
struct Answer {
    method: Method,
    layers: Vec<String>,
    coverage: Option<String>,
    /// What the layers add to a file's name.
    suffix: String,
    map: Map,
}

impl Answer {
    /// What it looked at, and what a rule replaced.
    fn notes(&self) -> String {
        let layers = Some(self.layers.join(" + ")).filter(|layers| !layers.is_empty());
        layers.into_iter().chain(self.coverage.clone()).collect::<Vec<_>>().join(", ")
    }
}

impl<'a> Question<'a> {
    /// Checks what was asked against the model, before any picture is looked at.
    pub(super) fn new(args: &'a ExplainArgs, model: &'a Model) -> Result<Self, Failure> {
        let in_model = |error: ModelError| format!("{}: {error}", args.network.name());
        let methods = match &args.method {
            Some(methods) => methods.iter().fold(Vec::new(), |mut once, method| {
                if !once.contains(method) {
                    once.push(*method);
                }
                once
            }),
            None => applicable(&Method::USUAL, model)?,
        };
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
        Ok(Self { args, model, methods, layers, sha256: audit::of_model(model)?, scales: None })
    }

    /// A report without pictures yet, of which there are so many.
    pub(super) fn report(&self, pictures: usize) -> Page {
        let shown = match pictures {
            0..=REPORTED => pictures.to_string(),
            _ => format!("the first {REPORTED} of {pictures}"),
        };
        let methods: Vec<&str> = self.methods.iter().map(|method| method.title()).collect();
        let facts = vec![("Network", self.args.network.name()), ("Pictures", shown), ("Methods", methods.join(", "))];
        Page::new("explain", "What the network looked at", facts, pictures.min(REPORTED))
    }

    /// Explains one picture, says what was found, and writes it, into the report as well. Gives the panels of the first
    /// class.
    pub(super) fn answer(&self, input: &Input, picture: &Picture, report: &mut Page) -> Result<Vec<Panel>, Failure> {
        let failed = |error: ExplainError| -> Failure { format!("{}: {error}", input.path.display()).into() };
        let pass = picture.observe(self.model).map_err(failed)?;
        say!("{}:", input.path.display());
        for Prediction { name, probability, .. } in pass.top(PRINTED) {
            say!("  {probability:.3}  {name}");
        }
        let classes = self.classes(&pass)?;
        let mut sheet = sheet::sheet(self.title(&input.name, &classes), &self.methods);
        let model = Hashed { file: self.args.network.model.clone(), sha256: self.sha256.clone() };
        let mut audit = Audit::new(model, Hashed::picture(&input.path, picture));
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
                ([], 0) => say!("  why {why}, the likeliest (--class asks about another)"),
                ([], _) => say!("  why {why}"),
                _ => say!("  why {why}, as asked"),
            }
            let answers = self.explain(&pass, &asked).map_err(failed)?;
            for answer in &answers {
                let notes = Some(answer.notes()).filter(|notes| !notes.is_empty());
                let said = notes.into_iter().chain([answer.map.verdict().to_string()]).collect::<Vec<_>>();
                say!("  {:16}  {}", answer.method.title(), said.join(": "));
            }
            let opposed = |answer: &Answer| matches!(answer.map.verdict(), Verdict::NonPositive { .. });
            if answers.iter().any(opposed) && !asked.counterfactual {
                say!("  (--counterfactual shows what speaks against it)");
            }
            let class = if classes.len() > 1 { format!(".{}", best.class) } else { String::new() };
            self.write_maps(input, &class, picture, &answers)?;
            audit.explanations.extend(answers.iter().map(|answer| record(answer, asked, &why)));
            entry.explain(&why, answers.iter().map(|answer| self.said(answer)));
            let panels = self.panels(best, picture, &answers);
            sheet = panels.chunks(STRIP).fold(sheet, |sheet, strip| sheet.row("", strip.to_vec()));
            if rank == 0 {
                first = panels;
            }
        }
        let defaulted = self.layers.is_empty() && self.methods.iter().any(|method| method.takes_layer());
        if let Some(last) = self.model.last_spatial_layer().filter(|_| defaulted) {
            let last = &self.model.layers()[last].name;
            say!(
                "  Grad-CAM looks at `{last}`, the last layer with positions (--layer names another; `--layer all` shows each)"
            );
        }
        let file = self.file(&input.name, ".explained.png");
        save_png(&file, &sheet.draw())?;
        audit.write(&self.file(&input.name, ".explained.json"))?;
        say!("  {}", file.display());
        if report.pictures() < REPORTED {
            report.add(entry)?;
        }
        Ok(first)
    }

    /// The classes asked about, or the likeliest ones.
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
            several => format!("{}: why these {}?", name.display(), several.len()),
        }
    }

    /// What each method says of a class.
    fn explain(&self, pass: &Pass<'_>, asked: &Asked) -> Result<Vec<Answer>, ExplainError> {
        let mut answers = Vec::new();
        for &method in &self.methods {
            for (layers, suffix) in self.looks(method) {
                let found =
                    progress::watched(method.title(), |watch| method.explain(pass, &layers, &asked.target(), watch))?;
                let (layers, coverage) = (found.layers.clone(), found.coverage.clone());
                answers.push(Answer { method, layers, coverage, suffix, map: found.single() });
            }
        }
        Ok(answers)
    }

    /// The largest full strength of each kind of map. What was found in a folder and can't be explained is left to the round
    /// that says so.
    pub(super) fn shared_scales(&self, inputs: &[Input], opened: &[Option<Picture>]) -> Result<Scales, Failure> {
        let mut scales = Scales::new();
        for (input, opened) in inputs.iter().zip(opened) {
            let found = if opened.is_none() { Picture::open(&input.path, self.model).ok() } else { None };
            let Some(picture) = opened.as_ref().or(found.as_ref()) else { continue };
            let pass = picture.observe(self.model)?;
            for best in self.classes(&pass)? {
                for Answer { method, suffix, map, .. } in self.explain(&pass, &self.asked(best.class)?)? {
                    let scale = scales.entry((method, suffix)).or_insert(0.0);
                    *scale = scale.max(map.full());
                }
            }
        }
        Ok(scales)
    }

    /// What a method is asked to look at, and what that adds to a file's name: a layer; of several, each of them, and all
    /// where there is a mean of them and they were named.
    fn looks(&self, method: Method) -> Vec<(Vec<LayerRef<'a>>, String)> {
        let named = |layer: &&'a str| LayerRef::Name(layer);
        match &self.layers[..] {
            _ if !method.takes_layer() => vec![(Vec::new(), String::new())],
            [] => vec![(vec![LayerRef::Last], String::new())],
            [one] => vec![(vec![named(one)], String::new())],
            several => {
                let mean = method.takes_layers() && self.args.layer.as_ref().is_some_and(|asked| asked.len() > 1);
                let all = mean.then(|| (several.iter().map(named).collect(), String::new()));
                let each =
                    several.iter().map(|layer| (vec![named(layer)], format!(".{}", in_a_file_name(layer, self.model))));
                each.chain(all).collect()
            }
        }
    }

    /// The value that gets the full colour.
    fn full(&self, answer: &Answer) -> f32 {
        let shared = self.scales.as_ref().map(|scales| scales[&(answer.method, answer.suffix.clone())]);
        shared.unwrap_or_else(|| answer.map.full())
    }

    /// For the report.
    fn said<'b>(&self, answer: &'b Answer) -> Said<'b> {
        let Answer { method, layers, coverage, map, .. } = answer;
        Said { method: *method, layers, rule: coverage.as_deref(), map, full: self.full(answer) }
    }

    fn panels(&self, best: &Prediction, picture: &Picture, answers: &[Answer]) -> Vec<Panel> {
        let shown = Panel::new(picture.shown.clone(), format!("{} {:.2}", best.name, best.probability));
        let explained = answers.iter().map(|answer| {
            let Answer { method, map, .. } = answer;
            sheet::explained(map.draw(picture, self.full(answer)), map, method.title(), answer.notes())
        });
        std::iter::once(shown).chain(explained).collect()
    }

    /// The maps as numbers and over the whole picture, where they are asked for.
    fn write_maps(&self, input: &Input, class: &str, picture: &Picture, answers: &[Answer]) -> Result<(), Failure> {
        let original = if self.args.full_size { Some(original(&input.path, picture)?) } else { None };
        for Answer { method, suffix, map, .. } in answers {
            let file = |ending| self.file(&input.name, &format!("{class}.{}{suffix}.{ending}", method.id()));
            if self.args.raw {
                map.write_raw(&file("npy"))?;
            }
            if let Some(original) = &original {
                save_png(file("png"), &map.over(original, self.model))?;
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

/// A layer's name without what would lead into other folders: some call layers `/features/conv1`. Where another before it
/// is called the same then, a number follows, behind a sign that no name has left.
fn in_a_file_name(layer: &str, model: &Model) -> String {
    let cleaned = |layer: &str| layer.replace(['/', '\\', ':', '~'], "_");
    let name = cleaned(layer);
    let before = model.layers().iter().map(|node| &*node.name).take_while(|other| *other != layer);
    match before.filter(|other| cleaned(other) == name).count() {
        0 => name,
        alike => format!("{name}~{}", alike + 1),
    }
}

fn record(answer: &Answer, target: Asked, why: &str) -> Explained {
    let Answer { method, layers, coverage, map, .. } = answer;
    Explained {
        method: method.id(),
        target,
        why: why.into(),
        layers: layers.clone(),
        rule: coverage.clone(),
        verdict: map.verdict().to_string(),
        shape: map.shape(),
        sha256: of_map(map),
    }
}

/// The picture at its own size; an array as it is shown.
fn original(path: &Path, picture: &Picture) -> Result<Photo, Failure> {
    if picture.is_array {
        let (width, height) = picture.shown.dimensions();
        let pixels = (height as usize, width as usize, 3);
        return Ok(Photo::from_pixels(ndarray::ArrayView3::from_shape(pixels, picture.shown.as_raw())?));
    }
    Ok(Photo::open(path)?)
}
