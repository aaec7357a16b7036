//! `glassbox explain`.

mod arguments;
mod folders;
mod question;

use serde_json::json;

pub(crate) use arguments::ExplainArgs;

use crate::files::picture::Picture;
use crate::files::{folder, inputs};
use crate::report;
use crate::terminal::words::count;
use crate::terminal::{Failure, interrupt, say};
use folders::Folders;
use question::Question;

/// Explains pictures: everything that can be wrong with what was asked is found before anything is written. What was found
/// in a folder is looked at one by one, so that there may be any number, and one that isn't a picture doesn't stop the
/// others.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let mut inputs = inputs::collect(&args.images)?;
    inputs.truncate(args.limit.unwrap_or(usize::MAX));
    let model = args.network.open()?;
    let mut question = Question::new(args, &model)?;
    let opened: Vec<Option<Picture>> = (inputs.iter())
        .map(|input| if input.found { Ok(None) } else { Picture::open(&input.path, &model).map(Some) })
        .collect::<Result<_, _>>()?;
    folder::prepare(&args.out)?;
    report::refuse_another(&args.out, "explain")?;
    if args.shared_scale {
        question.scales = Some(question.shared_scales(&inputs, &opened)?);
    }

    interrupt::listen()?;
    let mut folders = Folders::new(&inputs);
    let mut page = question.report(inputs.len());
    let mut done = 0;
    for (input, opened) in inputs.iter().zip(opened) {
        let picture = opened.map_or_else(|| Picture::open(&input.path, &model), Ok);
        let answered = picture.and_then(|picture| folders.bar.suspend(|| question.answer(input, &picture, &mut page)));
        match answered {
            Err(_) if interrupt::asked() => break,
            Ok(row) if input.found => folders.add(row, &question)?,
            Ok(_) => {}
            Err(failure) if input.found => folders.failed(&input.path, &failure),
            Err(failure) => return Err(failure),
        }
        done += 1;
        if interrupt::asked() {
            break;
        }
    }
    folders.bar.finish_and_clear();
    if !page.is_empty() {
        let report = page.write(&args.out)?;
        match question.told {
            Some(ref pictures) => {
                say!("{}", serde_json::to_string_pretty(&json!({ "report": report, "pictures": pictures }))?)
            }
            None => say!("The report: {}", report.display()),
        }
    }
    let finished = folders.finish(&question);
    match inputs.len() {
        all if done < all => {
            let written = args.out.display();
            Err(format!("stopped after {done} of {}; what was written is in {written}", count(all, "picture")).into())
        }
        _ => finished,
    }
}
