//! The geometry of convolutions, seen from outside.

use nn::Conv2d;

#[test]
fn same_padding_keeps_the_size_and_stride_halves_it() {
    let kernel = [3, 3, 3, 8];
    assert_eq!(Conv2d::same().geometry(&[1, 30, 22, 3], &kernel).unwrap().output, [30, 22]);
    assert_eq!(Conv2d::same().stride(2).geometry(&[1, 30, 22, 3], &kernel).unwrap().output, [15, 11]);
}

#[test]
fn a_kernel_that_reads_other_channels_is_refused_with_both_counts() {
    let error = Conv2d::same().geometry(&[1, 8, 8, 4], &[3, 3, 3, 8]).unwrap_err().to_string();
    assert!(error.contains("input of 4 channels") && error.contains("[Kh, Kw, 3, 8]"), "{error}");
}
