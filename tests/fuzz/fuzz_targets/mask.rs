//! Masks: PNG files whose pixels are classes.
#![no_main]

use glassbox_fuzz::in_a_file;
use libfuzzer_sys::fuzz_target;
use nn::data::{Crop, Mask};

fuzz_target!(|file: &[u8]| {
    in_a_file(file, "mask.png", &[], |path| {
        let Ok(mask) = Mask::open(path) else { return };
        assert_eq!(mask.classes().len(), mask.height() * mask.width());
        assert_eq!(mask.fit(5, 7, Crop::Largest).classes().len(), 35);
    });
});
