//! A service inside a program: any number of threads send pictures, one thread collects what waits into batches, explains each
//! batch in one pass, and sends every asker its answer.
//!
//! ```sh
//! cargo run --release --example batch_service -- glassbox-out/model.safetensors glassbox-out/inputs/*.png
//! ```

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use attribution::methods::GradCam;
use attribution::nn::Model;
use attribution::pass::Input;
use attribution::tensor::Tensor;
use attribution::{ExplainError, Pass, Photo};

/// Pictures of a batch at most: more take no less time each.
const BATCH: usize = 16;

/// A picture as the network takes it, `[1, H, W, C]`, and where its answer goes.
struct Request {
    input: Tensor<f32>,
    answer: Sender<Result<Answer, String>>,
}

struct Answer {
    class: String,
    probability: f64,
    /// The cell `[row, column]` with the most evidence.
    brightest: [usize; 2],
}

/// Answers requests until nobody can send any.
fn serve(model: &Model, requests: Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(requests.try_iter().take(BATCH - 1)).collect();
        match explain(model, &batch) {
            // Whoever no longer waits for an answer isn't told.
            Ok(answers) => batch.into_iter().zip(answers).for_each(|(request, answer)| {
                let _ = request.answer.send(Ok(answer));
            }),
            Err(error) => batch.into_iter().for_each(|request| {
                let _ = request.answer.send(Err(error.to_string()));
            }),
        }
    }
}

/// One forward pass for all; then the question why the likeliest class, for each of the classes that occur.
fn explain(model: &Model, batch: &[Request]) -> Result<Vec<Answer>, ExplainError> {
    let [h, w, c] = model.input_shape();
    let values = batch.iter().flat_map(|request| request.input.as_slice()).copied().collect();
    let pass = Pass::new(model, Tensor::new([batch.len(), h, w, c], values))?;
    let best: Vec<_> = (0..batch.len()).map(|i| pass.top_of(i, 1).remove(0)).collect();
    let mut answers = Vec::new();
    for (i, prediction) in best.into_iter().enumerate() {
        let cells = pass.why(prediction.class).explain_each(&GradCam)?[i].per_cell();
        let ((row, column), _) = cells.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).expect("a map has cells");
        answers.push(Answer { class: prediction.name, probability: prediction.value, brightest: [row, column] });
    }
    Ok(answers)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(model) = arguments.next() else { return Err("expected a network and pictures".into()) };
    let model = &Model::load(model)?;
    let (send, requests) = channel();
    thread::scope(|scope| {
        scope.spawn(move || serve(model, requests));
        let askers: Vec<_> = arguments
            .map(|file| {
                let send = send.clone();
                scope.spawn(move || -> Result<String, String> {
                    let input = Photo::open(&file).map_err(|error| error.to_string())?;
                    let input = input.input_of(model).map_err(|error| error.to_string())?;
                    let (answer, answered) = channel();
                    send.send(Request { input, answer }).map_err(|error| error.to_string())?;
                    let Answer { class, probability, brightest } =
                        answered.recv().map_err(|error| error.to_string())??;
                    Ok(format!("{file}: {class} {probability:.3}, brightest at {brightest:?}"))
                })
            })
            .collect();
        // The service ends when the last of those who can send is gone.
        drop(send);
        for asker in askers {
            println!("{}", asker.join().expect("no asker panics")?);
        }
        Ok(())
    })
}
