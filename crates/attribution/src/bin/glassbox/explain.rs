//! `glassbox explain`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use attribution::render::{Panel, save_png};
use attribution::{ExplainError, LayerRef, Target};
use nn::{Model, ModelError};

use crate::cli::ExplainArgs;
use crate::method::{Map, Method};
use crate::picture::Picture;
use crate::{Failure, folder, say, sheet};

/// Explains pictures: everything that can be wrong with what was asked is found before anything is written.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let model = Model::load(&args.model)?;
    let names = names(&args.images)?;
    let question = Question::new(args, &model)?;
    let pictures: Vec<Picture> =
        args.images.iter().map(|path| Picture::open(path, &model)).collect::<Result<_, _>>()?;
    folder::prepare(&args.out)?;
    for ((path, name), picture) in args.images.iter().zip(names).zip(&pictures) {
        question.answer(path, &name, picture)?;
    }
    Ok(())
}

/// The files' names without their endings, which what is written is named by.
fn names(paths: &[PathBuf]) -> Result<Vec<OsString>, Failure> {
    let mut taken: HashMap<OsString, &Path> = HashMap::new();
    let name = |path: &'_ PathBuf| -> Result<OsString, Failure> {
        path.file_stem().map(OsString::from).ok_or_else(|| format!("{}: not the name of a file", path.display()).into())
    };
    let mut names = Vec::new();
    for path in paths {
        let name = name(path)?;
        if let Some(first) = taken.insert(name.clone(), path) {
            let name = name.display();
            return Err(format!(
                "{} and {} would both be written as {name}.explained.png: explain them into different folders with --out",
                first.display(),
                path.display()
            )
            .into());
        }
        names.push(name);
    }
    Ok(names)
}

/// What was asked about each picture.
struct Question<'a> {
    args: &'a ExplainArgs,
    model: &'a Model,
    methods: Vec<Method>,
    /// Layers for Grad-CAM.
    layers: Vec<&'a str>,
}

impl<'a> Question<'a> {
    /// Checks what was asked against the model, before any picture is looked at.
    fn new(args: &'a ExplainArgs, model: &'a Model) -> Result<Self, Failure> {
        let in_model = |error: ModelError| format!("{}: {error}", args.model.display());
        let methods = match &args.method {
            Some(methods) => methods.iter().fold(Vec::new(), |mut once, method| {
                if !once.contains(method) {
                    once.push(*method);
                }
                once
            }),
            None if model.gap_head().is_some() => Method::USUAL.to_vec(),
            None => {
                say!("CAM is left out: it needs global average pooling and one fully connected layer at the end.");
                Method::USUAL.into_iter().filter(|method| *method != Method::Cam).collect()
            }
        };
        let layers: Vec<&str> = args.layer.iter().flatten().map(String::as_str).collect();
        for layer in &layers {
            model.layer_index(layer).map_err(in_model)?;
        }
        if let Some(class) = &args.class {
            model.class_index(class).map_err(in_model)?;
        }
        Ok(Self { args, model, methods, layers })
    }

    /// Explains one picture, says what was found, and writes it.
    fn answer(&self, path: &Path, name: &OsStr, picture: &Picture) -> Result<(), Failure> {
        let failed = |error: ExplainError| -> Failure { format!("{}: {error}", path.display()).into() };
        let pass = picture.observe(self.model).map_err(failed)?;
        let top = pass.top(3);
        let likeliest: Vec<String> = top.iter().map(|best| format!("{} {:.2}", best.name, best.probability)).collect();
        let class = match &self.args.class {
            Some(class) => self.model.class_index(class)?,
            None => top[0].class,
        };
        let class_name = self.model.class_name(class);
        say!("{}: {}", path.display(), likeliest.join(", "));
        match self.args.class {
            Some(_) => say!("  why {class_name}, as asked"),
            None => say!("  why {class_name}, the likeliest (--class asks about another)"),
        }

        let mut maps = Vec::new();
        for &method in &self.methods {
            for (layers, suffix) in self.looks(method) {
                let found = method.explain(&pass, &layers, &Target::from(class)).map_err(failed)?;
                let notes = [found.layers.join(" + "), found.coverage.clone().unwrap_or_default()];
                let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
                let map = found.single();
                say!("  {:16}  {}: {}", method.title(), notes.join(", "), map.verdict());
                maps.push((method, notes, suffix, map));
            }
        }
        let defaulted = self.layers.is_empty() && self.methods.iter().any(|method| method.takes_layer());
        if let Some(last) = self.model.last_spatial_layer().filter(|_| defaulted) {
            say!(
                "  Grad-CAM looks at `{}`, the last layer with positions (--layer names another)",
                self.model.layers()[last].name
            );
        }
        self.write(name, picture, &format!("{class_name} {:.2}", pass.probabilities().as_slice()[class]), &maps)
    }

    /// What a method is asked to look at, and what that adds to a file's name: a layer; of several, each of them, and all
    /// where there is a mean of them.
    fn looks(&self, method: Method) -> Vec<(Vec<LayerRef<'a>>, String)> {
        let named = |layer: &&'a str| LayerRef::Name(layer);
        match &self.layers[..] {
            _ if !method.takes_layer() => vec![(Vec::new(), String::new())],
            [] => vec![(vec![LayerRef::Last], String::new())],
            [one] => vec![(vec![named(one)], String::new())],
            several => {
                let all = method.takes_layers().then(|| (several.iter().map(named).collect(), String::new()));
                several.iter().map(|layer| (vec![named(layer)], format!(".{layer}"))).chain(all).collect()
            }
        }
    }

    fn write(&self, name: &OsStr, picture: &Picture, class: &str, maps: &[Answer]) -> Result<(), Failure> {
        let file = |ending: String| {
            let mut file = name.to_owned();
            file.push(ending);
            self.args.out.join(file)
        };
        let mut row = vec![Panel::new(picture.shown.clone(), class)];
        for (method, notes, suffix, map) in maps {
            row.push(sheet::explained(map.draw(picture), map, method.title(), notes.join(", ")));
            if self.args.raw {
                map.write_raw(&file(format!(".{}{suffix}.npy", method.id())))?;
            }
        }
        let sheet = file(".explained.png".into());
        save_png(
            &sheet,
            &sheet::sheet(format!("{}: why {class}?", name.display()), &self.methods).row("", row).draw(),
        )?;
        say!("  {}", sheet.display());
        Ok(())
    }
}

/// A method, what it looked at, what that adds to a file's name, and what it says.
type Answer = (Method, Vec<String>, String, Map);
