//! What the targets share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nn::{Model, Source};

/// The limit of a model that is run: its values and its work.
const LIMIT: u64 = 1 << 20;

/// Whether a model has little work and memory in it: others are read, but not run.
#[must_use]
pub fn is_small(model: &Model) -> bool {
    let image = model.input_shape();
    let shape = |source: &Source| match *source {
        Source::Image => &image[..],
        Source::Layer(index) => &model.layers()[index].output_shape,
    };
    let count = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let each = model.layers().iter().map(|node| {
        let read: u64 = node.inputs.iter().map(|input| count(shape(input))).sum();
        let work = node.layer.kind().work(shape(&node.inputs[0]), &node.output_shape).total();
        read.saturating_add(count(&node.output_shape)).saturating_add(work)
    });
    each.fold(count(&image), u64::saturating_add) <= LIMIT
}

/// A folder of this process alone, in memory where the system has one there.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = parent.join(format!("glassbox-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
});

/// Calls `read` with a file of this name and content, in a folder that has nothing else but these empty files.
pub fn in_a_file(content: &[u8], name: &str, beside: &[&str], read: impl FnOnce(&Path)) {
    let path = FOLDER.join(name);
    beside.iter().filter(|name| !FOLDER.join(name).exists()).for_each(|name| {
        fs::write(FOLDER.join(name), []).expect("a file can be written");
    });
    fs::write(&path, content).expect("a file can be written");
    read(&path);
    fs::remove_file(&path).expect("written above");
}
