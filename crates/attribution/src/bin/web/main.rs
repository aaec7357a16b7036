//! The module behind the page: what `page/worker.js` calls in WebAssembly.
//!
//! JavaScript writes a message where [`room`] says, calls [`answer`], and reads the reply there ([`message`] has their form). An
//! instance has one network, or one training. The only import is [`progress`]'s.

#[path = "../../program/files"]
#[allow(dead_code, reason = "the program uses the rest")]
mod files {
    pub(crate) mod asked;
    pub(crate) mod efficientnet;
    pub(crate) mod folder;
    pub(crate) mod picture;
    pub(crate) mod record;

    use crate::terminal::Failure;
}
mod book;
mod learn;
mod message;
mod palettes;
mod progress;
mod tape;
mod terminal;
mod why;

use std::cell::RefCell;
use std::panic;

use learn::Learn;
use message::{Ask, Reply, Wanted};
use terminal::Failure;
use why::Why;

thread_local! {
    /// The message, and then the reply to it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WORK: RefCell<Work> = RefCell::default();
}

/// What an instance is working on.
#[derive(Default)]
struct Work {
    why: Option<Why>,
    learn: Option<Learn>,
}

impl Work {
    fn answer(&mut self, ask: Ask, bytes: &[u8]) -> Result<Reply, Failure> {
        match ask {
            Ask::Photographs => self.found(Why::of_photographs(bytes)?),
            Ask::Onnx { name } => self.found(Why::of_onnx(&name, bytes)?),
            Ask::Prepare { mean, std, classes } => {
                self.why()?.prepare(mean, std, classes)?;
                self.why()?.network()
            }
            Ask::Photo { name } => self.why()?.photo(&name, bytes),
            Ask::Explain { method, target, layer, shares } => {
                self.why()?.explain(&Wanted { method, target, layer }, &message::floats(bytes, &shares)?)
            }
            Ask::Share { method, target, layer, worker, count } => {
                self.why()?.share(&Wanted { method, target, layer }, worker, count)
            }
            Ask::Certify { target } => self.why()?.certify(&target),
            Ask::Record { explained } => self.why()?.record(&explained),
            Ask::Begin { settings } => {
                self.learn = None;
                Ok(self.learn.insert(Learn::new(&settings, bytes)?).begun())
            }
            Ask::Train { steps, learning_rate } => self.learn()?.train(steps, learning_rate),
            Ask::Look => self.learn()?.look(),
            Ask::Guess => self.learn()?.guess(bytes),
            Ask::Save { onnx } => self.learn()?.save(onnx),
            Ask::Tape { picture } => tape::tape(self.learn()?, picture),
            Ask::Fields => book::fields(self.learn()?),
            Ask::Convolve { kernel, size } => book::convolve(&kernel, size, bytes),
            Ask::Relu { x, upstream } => book::relu(&x, &upstream),
            Ask::Check { x, mistake } => book::check(&x, mistake),
        }
    }

    fn found(&mut self, why: Why) -> Result<Reply, Failure> {
        let reply = why.network();
        self.why = Some(why);
        reply
    }

    fn learn(&mut self) -> Result<&mut Learn, Failure> {
        self.learn.as_mut().ok_or_else(|| "there is no training yet".into())
    }

    fn why(&mut self) -> Result<&mut Why, Failure> {
        self.why.as_mut().ok_or_else(|| "there is no network yet".into())
    }
}

/// Makes room for a message of this length, and returns where it is.
#[expect(unsafe_code, reason = "an export's name; the function is safe")]
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    panic::set_hook(Box::new(|panic| {
        keep(message::last_words(&panic.to_string()));
    }));
    keep(vec![0; length])
}

/// Answers the message, and returns where the reply is.
#[expect(unsafe_code, reason = "an export's name; the function is safe")]
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *mut u8 {
    let message = BUFFER.take();
    let reply = message::read(&message).and_then(|(ask, bytes)| WORK.with_borrow_mut(|work| work.answer(ask, bytes)));
    keep(message::written(reply))
}

/// Where the last reply is: after a trap, that of the panic.
#[expect(unsafe_code, reason = "an export's name; the function is safe")]
#[unsafe(no_mangle)]
pub extern "C" fn reply() -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| buffer.as_mut_ptr())
}

fn keep(bytes: Vec<u8>) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        *buffer = bytes;
        buffer.as_mut_ptr()
    })
}

fn main() {}
