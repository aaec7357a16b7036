//! CSV files with labels, values or classes of pictures.
#![no_main]

use glassbox_fuzz::in_a_file;
use libfuzzer_sys::fuzz_target;
use nn::Task;
use nn::data::LabelTable;

fuzz_target!(|file: &[u8]| {
    // The pictures that the table may name are beside it.
    in_a_file(file, "table.csv", &["a.png", "b.png"], |path| {
        for task in [None, Some(Task::Classes), Some(Task::Labels), Some(Task::Values)] {
            let Ok(table) = LabelTable::open(path, task) else { continue };
            assert!(!table.rows().is_empty() && !table.names().is_empty());
            assert!(task.is_none_or(|task| table.task() == task));
            let again = LabelTable::open_for(path, table.task(), table.names()).expect("the same names");
            assert_eq!(again.rows().len(), table.rows().len());
        }
    });
});
