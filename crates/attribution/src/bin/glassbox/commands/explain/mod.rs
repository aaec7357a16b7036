//! `glassbox explain`.

mod arguments;
mod boxes;
mod explainer;
mod folders;

use serde_json::json;

pub(crate) use arguments::ExplainArgs;

use crate::files::inputs::Input;
use crate::files::picture::Picture;
use crate::files::{folder, inputs};
use crate::report;
use crate::terminal::words::count;
use crate::terminal::{Failure, interrupt, say};
use explainer::Explainer;
use folders::Folders;

/// Explains pictures. All arguments are checked before anything is written. Pictures in folders are opened one at a
/// time, so memory doesn't limit their number, and a file that isn't a picture doesn't stop the others.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let mut inputs = inputs::collect(&args.images)?;
    inputs.truncate(args.limit.unwrap_or(usize::MAX));
    let model = args.network.open_to_ask(&inputs[0].path, &args.target)?;
    let mut explainer = Explainer::new(args, &model)?;
    let goes_on = |input: &Input| input.found || args.skip_unreadable;
    let opened: Vec<Option<Picture>> = (inputs.iter())
        .map(|input| if goes_on(input) { Ok(None) } else { Picture::open(&input.path, &model).map(Some) })
        .collect::<Result<_, _>>()
        .map_err(inputs::or_skipped)?;
    folder::prepare(&args.out)?;
    report::refuse_another(&args.out, "explain")?;
    if args.shared_scale {
        explainer.scales = Some(explainer.shared_scales(&inputs, &opened)?);
    }

    interrupt::listen()?;
    let mut folders = Folders::new(&inputs);
    let mut page = explainer.report(inputs.len());
    let mut done = 0;
    for (input, opened) in inputs.iter().zip(opened) {
        let picture = opened.map_or_else(|| Picture::open(&input.path, &model), Ok);
        let answered = picture.and_then(|picture| folders.bar.suspend(|| explainer.answer(input, &picture, &mut page)));
        match answered {
            Err(_) if interrupt::asked() => break,
            Ok(row) if input.found => folders.add(row, &explainer)?,
            Ok(_) => {}
            Err(failure) if goes_on(input) => folders.failed(&input.path, &failure),
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
        match explainer.outcomes {
            Some(ref pictures) => {
                say!("{}", serde_json::to_string_pretty(&json!({ "report": report, "pictures": pictures }))?)
            }
            None => say!("The report: {}", report.display()),
        }
    }
    let finished = folders.finish(&explainer, done);
    match inputs.len() {
        all if done < all => {
            let written = args.out.display();
            Err(format!("stopped after {done} of {}; the results so far are in {written}", count(all, "picture"))
                .into())
        }
        _ => finished.and_then(|()| match &explainer.refused[..] {
            [] => Ok(()),
            refused => {
                Err(format!("{} can't explain this network: {}", count(refused.len(), "method"), refused.join(", "))
                    .into())
            }
        }),
    }
}
