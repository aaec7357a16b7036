//! How far a method has got that runs the network many times: the module's one import.

use std::ops::ControlFlow;

use attribution::question::Progress;

/// Tells the page, which stops a method by ending its worker.
pub(crate) fn tell(Progress { done, total }: Progress) -> ControlFlow<()> {
    told(done, total);
    ControlFlow::Continue(())
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "the declaration of a function that is safe to call")]
#[link(wasm_import_module = "page")]
unsafe extern "C" {
    safe fn told(done: usize, total: usize);
}

/// There is no page.
#[cfg(not(target_family = "wasm"))]
fn told(_: usize, _: usize) {}
