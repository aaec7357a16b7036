//! IDX files, plain and packed with gzip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::data::{Idx, LabelledImages};

fuzz_target!(|file: &[u8]| {
    let Ok(idx) = Idx::read(file, "a file") else { return };
    assert_eq!(idx.shape().iter().product::<usize>(), idx.bytes().len());
    // Images whose labels are all 0.
    let count = idx.shape().first().copied().unwrap_or(0).min(idx.bytes().len());
    let labels = [&[0, 0, 8, 1][..], &(count as u32).to_be_bytes(), &vec![0; count]].concat();
    let labels = Idx::read(&labels[..], "labels").expect("an honest file");
    if let Ok(images) = LabelledImages::from_idx(idx, labels, vec!["only".into()]) {
        assert_eq!(images.shape()[0], images.labels().len());
        if !images.labels().is_empty() {
            let _ = (images.image(images.labels().len() - 1), images.statistics());
        }
    }
});
