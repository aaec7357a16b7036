//! Boxes as CSV, COCO's JSON and Pascal VOC's XML; the first byte says which.
#![no_main]

use glassbox_fuzz::in_a_file;
use libfuzzer_sys::fuzz_target;
use nn::data::boxes;

fuzz_target!(|file: &[u8]| {
    let Some((kind, file)) = file.split_first() else { return };
    let name = ["boxes.csv", "boxes.json", "boxes.xml"][usize::from(kind % 3)];
    in_a_file(file, name, &[], |path| {
        // XML files are read by their folder.
        let path = if name.ends_with("xml") { path.parent().expect("a folder") } else { path };
        for annotation in boxes::open(path).unwrap_or_default() {
            let [x0, y0, x1, y1] = annotation.edges;
            assert!(x0 < x1 && y0 < y1 && annotation.edges.iter().all(|edge| edge.is_finite()));
        }
    });
});
