#![doc = include_str!(concat!(env!("OUT_DIR"), "/book.md"))]

/// A module for each chapter, in the order of reading.
macro_rules! chapters {
    ($($chapter:ident),+ $(,)?) => {
        $(
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($chapter), ".md"))]
            pub mod $chapter {}
        )+
    };
}

chapters! {
    chapter_01_gradients,
    chapter_02_tape,
    chapter_03_arithmetic,
    chapter_04_convolution,
    chapter_05_pooling,
    chapter_06_batch_norm,
    chapter_07_softmax,
    chapter_08_relu,
    chapter_09_cam,
    chapter_10_upsampling,
    chapter_11_other_readings,
    chapter_12_conservation,
    chapter_13_gradient_checks,
    chapter_14_own_operation,
    chapter_15_own_rule,
    chapter_16_measures,
    chapter_17_many_machines,
    chapter_18_attention,
    chapter_19_units,
    chapter_20_training,
    chapter_21_one_photograph,
}
