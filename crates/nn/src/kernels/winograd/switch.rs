//! The switch that turns Winograd's algorithms off.

use std::sync::OnceLock;

use thiserror::Error;

/// Convolutions have already chosen their algorithms with or without Winograd's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("convolutions already run {}", if *.0 { "with Winograd's algorithms" } else { "without Winograd's algorithms" })]
pub struct WinogradError(bool);

static ENABLED: OnceLock<bool> = OnceLock::new();

/// Whether [`choose`](crate::kernels::conv::choose) may choose Winograd's algorithms; it may if this isn't called. To be
/// called before the first choice, which decides for the whole process.
///
/// # Errors
/// If it has been decided otherwise.
pub fn use_winograd(wanted: bool) -> Result<(), WinogradError> {
    let decided = *ENABLED.get_or_init(|| wanted);
    if decided == wanted { Ok(()) } else { Err(WinogradError(decided)) }
}

pub(super) fn enabled() -> bool {
    *ENABLED.get_or_init(|| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_stays() {
        assert!(enabled());
        assert_eq!(use_winograd(true), Ok(()));
        assert_eq!(use_winograd(false).unwrap_err().to_string(), "convolutions already run with Winograd's algorithms");
    }
}
