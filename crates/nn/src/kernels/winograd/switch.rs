//! The switch that turns Winograd's algorithms off.

use std::sync::OnceLock;

use thiserror::Error;

/// `GLASSBOX_WINOGRAD` says neither `on` nor `off`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("GLASSBOX_WINOGRAD: expected on or off, found {0:?}")]
pub struct WinogradError(String);

/// Whether [`choose`](crate::kernels::conv::choose) may choose Winograd's algorithms: unless `GLASSBOX_WINOGRAD` says `off`.
///
/// # Errors
/// Where the variable says neither `on` nor `off`.
pub fn winograd_from_environment() -> Result<bool, WinogradError> {
    match std::env::var_os("GLASSBOX_WINOGRAD") {
        None => Ok(true),
        Some(value) if value == "on" => Ok(true),
        Some(value) if value == "off" => Ok(false),
        Some(value) => Err(WinogradError(value.to_string_lossy().into_owned())),
    }
}

/// The same, read at the first call.
///
/// # Panics
/// Where the variable says neither; [`winograd_from_environment`] says so without a panic.
pub(super) fn enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| winograd_from_environment().unwrap_or_else(|error| panic!("{error}")))
}
