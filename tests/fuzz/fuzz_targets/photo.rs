//! Pictures.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use nn::data::photo::MAX_PIXELS;
use nn::data::{Crop, Photo};

fuzz_target!(|file: &[u8]| {
    let Ok(photo) = Photo::read(Cursor::new(file), "a file") else { return };
    assert!((1..=MAX_PIXELS as usize).contains(&(photo.height() * photo.width())));
    assert_eq!(photo.pixels().dim(), (photo.height(), photo.width(), photo.channels()));
    for crop in [Crop::Largest, Crop::Squeezed] {
        let input = photo.with_channels(3).expect("three channels").fit(8, 6, crop);
        assert_eq!(input.pixels().dim(), (8, 6, 3));
    }
});
