use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder with files `a.png` to `d.png`, which the tables name, and a table.
fn table(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c", "d"] {
        fs::write(folder.path().join(name).with_extension("png"), b"").unwrap();
    }
    let path = folder.path().join("table.csv");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn opened(text: &str, task: Option<Task>) -> Result<LabelTable, TableError> {
    let (_folder, path) = table(text);
    LabelTable::open(path, task)
}

/// The error after the file's name: `line 3: …`, or what is wrong with the file as a whole.
fn message(text: &str, task: Option<Task>) -> String {
    let error = opened(text, task).unwrap_err().to_string();
    let (file, problem) = error.split_once("table.csv").unwrap();
    assert!(file.starts_with('/'), "{error}");
    problem.strip_prefix(", ").or(problem.strip_prefix(": ")).unwrap().to_string()
}

fn classes(table: &LabelTable) -> Vec<usize> {
    table.rows().iter().map(|row| row.class.unwrap()).collect()
}

fn numbers(table: &LabelTable) -> Vec<&[f32]> {
    table.rows().iter().map(|row| &row.numbers[..]).collect()
}

#[test]
fn one_column_of_text_is_classes() {
    let table = opened("file,kind\na.png,dog\nb.png,cat\nc.png,dog\n", None).unwrap();
    assert_eq!((table.task(), table.names()), (Task::Classes, &["cat", "dog"].map(String::from)[..]));
    assert_eq!(classes(&table), [1, 0, 1]);
    assert_eq!(table.rows()[2].line, 4);
    // Cells may be quoted, with spaces around them.
    let quoted = opened("\u{feff}File , kind\r\n\"a.png\",\"a, b\"\r\nb.png , c\r\n", None).unwrap();
    assert_eq!(quoted.names(), ["a, b", "c"]);
    assert_eq!(quoted.rows().iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn whole_numbers_are_classes_where_the_column_says_so() {
    let table = opened("file,label\na.png,10\nb.png,9\nc.png,10\n", None).unwrap();
    assert_eq!((table.task(), table.names()), (Task::Classes, &["9", "10"].map(String::from)[..]));
    assert_eq!(classes(&table), [1, 0, 1]);
    let count = opened("file,count\na.png,10\nb.png,9\n", None).unwrap();
    assert_eq!((count.task(), numbers(&count)), (Task::Values, vec![&[10.0_f32][..], &[9.0]]));
    let count = opened("file,count\na.png,10\nb.png,9\n", Some(Task::Classes)).unwrap();
    assert_eq!(count.names(), ["9", "10"]);
    let share = opened("file,label\na.png,0.5\nb.png,9\n", None).unwrap();
    assert_eq!(share.task(), Task::Values);
}

#[test]
fn columns_of_zeros_and_ones_are_labels() {
    let table = opened("image,scratch,dent\na.png,0,1\nb.png,1,1.0\n", None).unwrap();
    assert_eq!((table.task(), table.names()), (Task::Labels, &["scratch", "dent"].map(String::from)[..]));
    assert_eq!(numbers(&table), [[0.0, 1.0], [1.0, 1.0]]);
    let binary = opened("image,defect\na.png,0\nb.png,1\n", None).unwrap();
    assert_eq!((binary.task(), binary.names().len()), (Task::Labels, 1));
}

#[test]
fn other_numbers_are_values_with_units() {
    let table = opened("path,age [years],height [cm]\na.png,34,172.5\nb.png,8,-1e2\n", None).unwrap();
    assert_eq!(table.task(), Task::Values);
    assert_eq!(
        (table.names(), table.units()),
        (&["age", "height"].map(String::from)[..], &["years", "cm"].map(String::from)[..])
    );
    assert_eq!(numbers(&table), [[34.0, 172.5], [8.0, -100.0]]);
    let zeros = opened("path,dose [mg]\na.png,0\nb.png,1\n", None).unwrap();
    assert_eq!(zeros.task(), Task::Values);
    assert_eq!(opened("path,level\na.png,0\nb.png,1\n", Some(Task::Values)).unwrap().units(), [""; 0]);
}

#[test]
fn a_column_divides_the_pictures() {
    let table = opened("file,split,kind\na.png,train,x\nb.png,Val,y\nc.png,test,x\n", None).unwrap();
    assert!(table.has_parts);
    let parts: Vec<Part> = table.rows().iter().map(|row| row.part).collect();
    assert_eq!(parts, [Part::Training, Part::Validation, Part::Test]);
    assert_eq!(
        message("file,split,kind\na.png,train,x\nb.png,later,y\n", None),
        "line 3: expected `train`, `val` or `test` as the part, found `later`"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let header = message("a.png,cat\nb.png,dog\n", None);
    assert!(header.starts_with("line 1: expected the names of the columns") && header.ends_with("found `a.png,cat`"));
    assert!(message("file;kind\na.png;cat\n", None).contains("separated by commas"));
    assert!(message("", None).contains("expected the names of the columns"));
    assert_eq!(message("file,kind\n", None), "expected a line for each picture, found none");
    assert_eq!(
        message("file,a,a\na.png,1,0\n", None),
        "line 1: expected a name for each column that no other has, found `a`"
    );
    assert_eq!(
        message("file,a,b\na.png,1,0\nb.png,1\n", None),
        "line 3: expected 3 columns, as the first line names, found 2"
    );
    assert_eq!(
        message("file,a,b\na.png,1,0\nb.png,1,\n", None),
        "line 3: the cell of column `b` is empty: fill it in, or remove the line"
    );
    let missing = message("file,kind\na.png,cat\n\nz.png,dog\n", None);
    assert!(missing.starts_with("line 4: there is no file /") && missing.contains("z.png"), "{missing}");
    assert_eq!(
        message("file,k\na.png,x\na.png,y\n", None),
        "line 3: `a.png` is also in line 2: a picture has one line"
    );
    assert_eq!(
        message("file,a,b\na.png,1,0\nb.png,0,2\nc.png,1,1\n", None),
        "line 3: column `b`: expected 1 (present) or 0 (absent), as in column `a`, found `2`; if the columns are numbers, set \
         the task to values"
    );
    assert_eq!(
        message("file,a\na.png,1\nb.png,2\n", Some(Task::Labels)),
        "line 3: column `a`: expected 1 (present) or 0 (absent), found `2`"
    );
    let text = message("file,age\na.png,1.5\nb.png,12x\n", None);
    assert!(text.starts_with("line 3: column `age`: expected a number") && text.ends_with("found `12x`"), "{text}");
    for cell in ["nan", "inf", "1e99"] {
        assert!(message(&format!("file,age\na.png,1.5\nb.png,{cell}\n"), None).contains("expected a number"));
    }
    assert_eq!(
        message("file,a,b\na.png,x,y\n", Some(Task::Classes)),
        "line 1: expected one column of classes, found a, b"
    );
    assert!(message("file,a\na.png,x\n", Some(Task::Embedding)).contains("classes, labels or values"));
    let (folder, path) = table("");
    fs::write(&path, b"file,kind\na.png,\xff\xfe\n").unwrap();
    let error = LabelTable::open(&path, None).unwrap_err().to_string();
    assert!(error.contains("line 2: can't be read as CSV"), "{error}");
    let error = LabelTable::open(folder.path().join("no.csv"), None).unwrap_err().to_string();
    assert!(error.contains("no.csv: can't be read: "), "{error}");
}

#[test]
fn a_table_for_known_names_is_read_by_them() {
    let names = ["cat", "dog"].map(String::from);
    let (_folder, path) = table("file,kind\na.png,dog\nb.png,dog\n");
    assert_eq!(classes(&LabelTable::open_for(&path, Task::Classes, &names).unwrap()), [1, 1]);
    let (_folder, path) = table("file,kind\na.png,dog\nb.png,cow\n");
    let error = LabelTable::open_for(&path, Task::Classes, &names).unwrap_err().to_string();
    assert!(error.ends_with("line 3: expected one of the classes cat, dog, found `cow`"), "{error}");
    let (_folder, path) = table("file,dog,size,cat\na.png,1,2.5,0\nb.png,1,3,1\n");
    let table = LabelTable::open_for(&path, Task::Labels, &names).unwrap();
    assert_eq!((table.names(), numbers(&table)), (&names[..], vec![&[0.0_f32, 1.0][..], &[1.0, 1.0]]));
    let error = LabelTable::open_for(&path, Task::Values, &["age".into()]).unwrap_err().to_string();
    assert!(error.ends_with("line 1: expected a column `age`, found dog, size, cat"), "{error}");
}
