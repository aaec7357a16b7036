//! Parsers for values on the command line.

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "expected a whole number from 1".into())
}

/// A number of threads, up to a limit far above any machine's cores; more would only waste memory.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    text.parse().ok().filter(|threads| (1..=MOST).contains(threads)).ok_or(format!("expected 1 to {MOST}"))
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "expected a number above 0".into())
}
