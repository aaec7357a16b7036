//! `glassbox`: train small convolutional networks and see why they decide.

use std::process::ExitCode;

fn main() -> ExitCode {
    attribution::program::main()
}
