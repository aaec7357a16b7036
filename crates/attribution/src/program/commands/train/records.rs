//! What a training writes while it runs, besides its checkpoints.

use std::path::PathBuf;

use nn::Model;
use nn::train::{Epoch, Progress};

use super::FILM;
use super::chart;
use super::film::Film;
use super::log::{Event, Log};
use crate::program::files::folder::write;
use crate::program::terminal::Failure;
use crate::program::training::config::{Config, Output};
use crate::program::training::data::Sets;

/// The log, the curves and the film strip in the folder of a training.
pub(super) struct Records {
    log: Log,
    film: Film,
    folder: PathBuf,
}

impl Records {
    pub(super) fn open(config: &Config, sets: &Sets<'_>, resume: bool) -> Result<Self, Failure> {
        let Output { folder, film_every, film_pictures, .. } = &config.output;
        let film = match sets.chosen_by() {
            Some(images) => Film::new(images, *film_pictures, folder.join(FILM), *film_every)?,
            None => Film::new(&*sets.training.epoch(0)?, *film_pictures, folder.join(FILM), *film_every)?,
        };
        Ok(Self { log: Log::open(&folder.join("log.jsonl"), resume)?, film, folder: folder.clone() })
    }

    pub(super) fn step(&mut self, progress: &Progress) -> Result<(), Failure> {
        self.log.add(Event::step(progress))
    }

    pub(super) fn epoch(&mut self, epoch: &Epoch, model: &Model) -> Result<(), Failure> {
        self.log.add(Event::Epoch(*epoch))?;
        write(&self.folder.join("curves.svg"), &chart::curves(self.log.events())?)?;
        self.film.add(epoch.epoch + 1, model)
    }

    pub(super) fn film(&self) -> &Film {
        &self.film
    }
}
