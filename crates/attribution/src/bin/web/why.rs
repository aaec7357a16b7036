//! Why a network decides as it does about a photograph.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use attribution::methods::{all, parse};
use attribution::question::{About, Cost};
use attribution::{LayerRef, Pass, Photo, Placement, Quantity, Question, Says};
use image::RgbImage;
use nn::data::Normalization;
use nn::onnx::{OnnxError, OnnxOptions};
use nn::{Model, ModelInfo};
use serde_json::{Value, json};

use crate::files::asked::{Asked, Scene};
use crate::files::efficientnet;
use crate::files::picture::Picture;
use crate::files::record::{Explained, Hashed, Record, of_model};
use crate::message::{Reply, Wanted, said};
use crate::palettes::colours;
use crate::progress::tell;
use crate::terminal::Failure;

/// Height and width of the input where a file leaves them open.
const USUAL: [usize; 2] = [224, 224];
/// The predictions that the page offers.
const OFFERED: usize = 5;

const QUANTITIES: [Quantity; 4] =
    [Quantity::Evidence, Quantity::Contribution, Quantity::Sensitivity, Quantity::Magnitude];

/// A network, and what it saw last.
pub(crate) struct Why {
    /// As long as the instance lives: another network gets another instance.
    model: &'static Model,
    /// The network's file, unless it came with the page.
    file: Option<PathBuf>,
    seen: Option<Seen>,
}

struct Seen {
    file: PathBuf,
    picture: Picture,
    pass: Pass<'static>,
}

impl Why {
    /// The network for photographs.
    pub(crate) fn of_photographs(weights: &[u8]) -> Result<Self, Failure> {
        Ok(Self::of(efficientnet::with_weights(weights)?, None))
    }

    /// A network of the user's.
    pub(crate) fn of_onnx(name: &str, file: &[u8]) -> Result<Self, Failure> {
        let sized = |size| Model::from_onnx_with(file, &OnnxOptions { size, ..OnnxOptions::default() });
        let model = match sized(None) {
            Err(OnnxError::OpenSize { .. }) => sized(Some(USUAL)),
            read => read,
        };
        Ok(Self::of(model.map_err(|error| format!("{name}: {error}"))?, Some(name.into())))
    }

    /// Sets the mean and the deviation of each channel, in shares of full brightness, and the names of the classes, if any are
    /// given.
    pub(crate) fn prepare(&mut self, mean: Vec<f32>, std: Vec<f32>, classes: Vec<String>) -> Result<(), Failure> {
        let mut info = ModelInfo { normalization: Some(Normalization::new(mean, std)?), ..self.model.info().clone() };
        if !classes.is_empty() {
            info.classes = classes;
        }
        *self = Self::of(self.model.clone().with_info(info)?, self.file.take());
        Ok(())
    }

    fn of(model: Model, file: Option<PathBuf>) -> Self {
        Self { model: Box::leak(Box::new(model)), file, seen: None }
    }

    /// What the page shows of the network: a table of its layers, those with maps, and the methods.
    pub(crate) fn network(&self) -> Result<Reply, Failure> {
        let (model, summary) = (self.model, self.model.summary());
        let black = Pass::new(model, tensor::Tensor::zeros(model.input_shape()))?;
        let layers = summary.layers.iter().map(|layer| {
            json!({
                "name": layer.name, "kind": layer.kind, "reads": layer.reads, "output": layer.output,
                "parameters": layer.parameters, "work": layer.multiply_adds,
            })
        });
        let methods = all::<f32>().into_iter().filter(|method| method.check(&black).is_ok()).map(|method| {
            let about @ About { id, title, source, tells, does_not_tell, cost, .. } = method.about();
            json!({
                "id": id, "title": title, "source": source, "tells": tells, "not": does_not_tell,
                "layered": about.takes_layer(), "slow": *cost != Cost::OnePass, "shared": cost.is_many_scores(),
            })
        });
        Ok(said(json!({
            "name": self.name(),
            "input": summary.input,
            "task": model.task().to_string(),
            "scores": model.scores(),
            "parameters": summary.parameters,
            "work": summary.multiply_adds,
            "layers": layers.collect::<Vec<_>>(),
            "spatial": black.spatial_layers(),
            "methods": methods.collect::<Vec<_>>(),
            "normalized": model.info().normalization.is_some(),
            "named": !model.info().classes.is_empty(),
            "colours": colours(),
            "quantities": QUANTITIES.map(|quantity| {
                json!({ "id": quantity, "signed": quantity.is_signed(), "ends": quantity.ends() })
            }),
            "classes": (0..model.scores()).map(|class| model.class_name(class)).collect::<Vec<_>>(),
        })))
    }

    fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| efficientnet::NAME.into(), |file| file.display().to_string())
    }

    /// Looks at a picture: its likeliest classes, and the picture as it is shown.
    pub(crate) fn photo(&mut self, name: &str, bytes: &[u8]) -> Result<Reply, Failure> {
        // What was seen before makes room.
        self.seen = None;
        let photo = Photo::read(Cursor::new(bytes), name)?;
        let picture = Picture::from_photo(&photo, self.model, Path::new(name))?;
        drop(photo);
        let pass = picture.observe(self.model)?;
        let top = pass.top(OFFERED).into_iter().map(|said| {
            let share = matches!(said.says, Says::Probability | Says::Share).then_some(said.value);
            json!({ "class": said.class, "name": said.name, "share": share, "amount": said.amount() })
        });
        let part = picture.framing.part;
        let mut reply = said(json!({
            "name": name,
            "top": top.collect::<Vec<_>>(),
            "input": [picture.framing.input.0, picture.framing.input.1],
            "picture": [picture.framing.picture.0, picture.framing.picture.1],
            "part": [part.top, part.left, part.height, part.width],
            "pixelated": picture.is_enlarged(),
        }));
        reply.json["drawing"] = drawn(&mut reply, &picture.display);
        self.seen = Some(Seen { file: name.into(), picture, pass });
        Ok(reply)
    }

    /// The map of a method, for a target, from what several workers computed, if they did.
    pub(crate) fn explain(&self, wanted: &Wanted, shares: &[Vec<f32>]) -> Result<Reply, Failure> {
        let (method, target) = (parse::<f32>(&wanted.method)?, &wanted.target);
        let map = match shares {
            [] => self.asked(wanted)?.explain(&*method)?,
            _ => self.asked(wanted)?.explain_from(&*method, shares)?.swap_remove(0),
        };
        let values = map.per_cell();
        let most = values.iter().filter(|value| value.is_finite()).fold(0.0_f32, |most, value| most.max(value.abs()));
        let cells = match map.placement() {
            Placement::Cells(cells) => {
                json!({ "first": cells.centre([0, 0]), "stride": cells.stride(), "field": cells.receptive_field() })
            }
            Placement::Pixels => json!({ "first": [0.5, 0.5], "stride": [1, 1], "field": [1, 1] }),
            Placement::Stretched => Value::Null,
        };
        let mut reply = said(json!({
            "method": method.about().id,
            "why": target.words(self.model),
            "layer": map.layers().join(" + "),
            "rule": map.coverage().map(ToString::to_string),
            "quantity": map.quantity(),
            "verdict": map.verdict().to_string(),
            "evidence": map.verdict().is_evidence(),
            "full": map.scale(),
            "most": most,
            "cells": cells,
            "pixels": map.is_of_pixels(),
            "rows": values.nrows(),
            "columns": values.ncols(),
        }));
        reply.json["values"] = reply.floats(values);
        Ok(reply)
    }

    /// The scores that a worker computes for a map.
    pub(crate) fn share(&self, wanted: &Wanted, worker: usize, count: usize) -> Result<Reply, Failure> {
        let method = parse::<f32>(&wanted.method)?;
        let mut reply = Reply::default();
        let scores = self.asked(wanted)?.share(&*method, worker, count)?;
        reply.json = json!({ "scores": reply.floats(scores) });
        Ok(reply)
    }

    /// What theory says of a score, checked.
    pub(crate) fn certify(&self, target: &Asked) -> Result<Reply, Failure> {
        let seen = self.seen()?;
        let certificates = seen.pass.certify(target.target(&seen.scene())?)?;
        let holds: Vec<Option<bool>> = certificates.iter().map(|certificate| certificate.holds()).collect();
        Ok(said(json!({ "certificates": certificates, "holds": holds })))
    }

    /// The record of maps, as `glassbox explain` writes it.
    pub(crate) fn record(&self, wanted: &[Wanted]) -> Result<Reply, Failure> {
        let seen = self.seen()?;
        let model = Hashed { file: self.file.clone(), sha256: of_model(self.model)? };
        let mut record = Record::new(model, Hashed::picture(&seen.file, &seen.picture));
        for wanted in wanted {
            let (method, target) = (parse::<f32>(&wanted.method)?, &wanted.target);
            let map = self.asked(wanted)?.explain(&*method)?;
            record.explanations.push(Explained::new(&*method, self.model, target, &target.words(self.model), &map));
        }
        Ok(said(json!({ "record": serde_json::to_string_pretty(&record)? + "\n" })))
    }

    /// What is asked about the picture.
    fn asked<'a>(&'a self, Wanted { target, layer, .. }: &'a Wanted) -> Result<Question<'a>, Failure> {
        let seen = self.seen()?;
        let question = seen.pass.why(target.target(&seen.scene())?).watched(&tell);
        Ok(layer.iter().fold(question, |question, layer| question.at(LayerRef::Name(layer))))
    }

    fn seen(&self) -> Result<&Seen, Failure> {
        self.seen.as_ref().ok_or_else(|| "there is no picture yet".into())
    }
}

impl Seen {
    fn scene(&self) -> Scene<'_> {
        Scene { picture: &self.picture, other: None }
    }
}

/// A drawing, as a canvas takes it.
fn drawn(reply: &mut Reply, drawing: &RgbImage) -> Value {
    let (width, height) = drawing.dimensions();
    let pixels = reply.bytes(drawing.pixels().flat_map(|&image::Rgb([r, g, b])| [r, g, b, 255]));
    json!({ "width": width, "height": height, "pixels": pixels })
}
