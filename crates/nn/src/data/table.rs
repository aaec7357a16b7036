//! Tables of labels: CSV files that say what is true of pictures.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::part::Part;
use super::table_error::{TableError, TableProblem};
use crate::model::Task;

/// Names of the first column.
const FILE: [&str; 6] = ["file", "filename", "file_name", "image", "picture", "path"];
/// Names of a single column whose cells are classes, even if they are whole numbers.
const CLASS: [&str; 4] = ["class", "label", "category", "target"];
/// Names of a column that divides the pictures into parts.
const PART: [&str; 3] = ["split", "subset", "part"];

/// What a CSV file says of pictures. Its first line names the columns:
///
/// ```text
/// file,class              file,scratch,dent        file,age [years],height [cm],split
/// cats/1.jpg,cat          a.png,0,1                a.png,34,172.5,train
/// dogs/7.jpg,dog          b.png,1,1                b.png,8,131,test
/// ```
///
/// The first column, `file`, has paths relative to the CSV file's folder. The others decide the [task](Self::task), unless it is
/// given:
///
/// - one column with a cell that isn't a number, or with whole numbers and named `class`, `label`, `category` or `target`:
///   classes, in alphabetical order (numbers in theirs);
/// - columns of 0 and 1: labels, which the header names;
/// - other numbers: values, which the header names, with a unit in brackets.
///
/// A column `split` with `train`, `val` and `test` says which part a picture belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelTable {
    pub(super) path: PathBuf,
    pub(super) task: Task,
    pub(super) names: Vec<String>,
    pub(super) units: Vec<String>,
    pub(super) rows: Vec<TableRow>,
    pub(super) has_parts: bool,
}

/// A line of a [`LabelTable`].
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// The number of the line in the file, from 1.
    pub line: u64,
    /// The picture.
    pub file: PathBuf,
    /// Its class, as an index of the names.
    pub class: Option<usize>,
    /// Its labels (0 or 1) or values, if it has no class.
    pub numbers: Vec<f32>,
    /// The part that it belongs to; training if the table has no such column.
    pub(super) part: Part,
}

/// A column of labels, values or classes.
struct Column {
    index: usize,
    name: String,
    unit: String,
}

/// The cells of the file.
struct Cells {
    path: PathBuf,
    columns: Vec<Column>,
    part: Option<usize>,
    records: Vec<(u64, StringRecord)>,
}

impl LabelTable {
    /// Reads a CSV file. `task` is classes, labels or values; without it, the table decides.
    ///
    /// # Errors
    /// If the file can't be read, a line has another number of columns or an empty cell, a picture doesn't exist or is named
    /// twice, a cell isn't what its column has, or the table can't be one of the task. Errors name the line.
    pub fn open(path: impl AsRef<Path>, task: Option<Task>) -> Result<Self, TableError> {
        let path = path.as_ref();
        let at = |problem| TableError { path: path.to_owned(), line: None, problem };
        if task == Some(Task::Embedding) {
            return Err(at(TableProblem::Task(Task::Embedding)));
        }
        let cells = Cells::read(path)?;
        let task = match task {
            Some(task) => task,
            None => cells.task()?,
        };
        let names = match task {
            Task::Classes => cells.class_names()?,
            _ => cells.columns.iter().map(|column| column.name.clone()).collect(),
        };
        cells.table(task, names)
    }

    /// Reads a CSV file whose task and names are known, such as a test's or that for a trained model. Columns of labels and
    /// values are found by their names, in any order; other columns are ignored.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if a class isn't one of `names` or a column is missing.
    pub fn open_for(path: impl AsRef<Path>, task: Task, names: &[String]) -> Result<Self, TableError> {
        let path = path.as_ref();
        let mut cells = Cells::read(path)?;
        if matches!(task, Task::Labels | Task::Values) {
            let mut columns = Vec::new();
            for name in names {
                let Some(at) = cells.columns.iter().position(|column| column.name == *name) else {
                    let found = cells.columns.iter().map(|column| column.name.clone()).collect();
                    let problem = TableProblem::NoColumn { name: name.clone(), found };
                    return Err(TableError { path: path.to_owned(), line: Some(1), problem });
                };
                columns.push(cells.columns.swap_remove(at));
            }
            cells.columns = columns;
        }
        cells.table(task, names.to_vec())
    }

    /// Classes, labels or values.
    #[must_use]
    pub fn task(&self) -> Task {
        self.task
    }

    /// The names of the classes, labels or values.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The units of the values; empty if none has one.
    #[must_use]
    pub fn units(&self) -> &[String] {
        &self.units
    }

    /// The lines, in the order of the file.
    #[must_use]
    pub fn rows(&self) -> &[TableRow] {
        &self.rows
    }
}

impl Cells {
    fn read(path: &Path) -> Result<Self, TableError> {
        let failed = |line, problem| TableError { path: path.to_owned(), line, problem };
        let text = fs::read(path).map_err(|cause| failed(None, TableProblem::Io(cause)))?;
        let lines = Lines::new(&text);
        let line = |position: Option<&csv::Position>| position.map(|position| lines.at(position.byte()));
        let broken = |error: csv::Error| failed(line(error.position()), TableProblem::Csv(error));
        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(&text[..]);
        let header = reader.headers().map_err(broken)?.clone();
        let named = |index: usize, names: &[&str]| names.contains(&header[index].to_lowercase().as_str());
        if header.len() < 2 || !named(0, &FILE) {
            let found = header.iter().collect::<Vec<_>>().join(",");
            return Err(failed(Some(1), TableProblem::Header { found }));
        }
        let part = (1..header.len()).find(|&index| named(index, &PART));
        let columns = (1..header.len()).filter(|&index| Some(index) != part).map(|index| {
            let (name, unit) = name_and_unit(&header[index]);
            Column { index, name, unit }
        });
        let columns: Vec<Column> = columns.collect();
        let mut seen = BTreeSet::new();
        for column in &columns {
            if column.name.is_empty() || !seen.insert(&column.name) {
                return Err(failed(Some(1), TableProblem::ColumnName(column.name.clone())));
            }
        }
        if columns.is_empty() {
            let found = header.iter().collect::<Vec<_>>().join(",");
            return Err(failed(Some(1), TableProblem::Header { found }));
        }
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = line(record.position()).unwrap_or(1);
            if record.len() != header.len() {
                let problem = TableProblem::Columns { expected: header.len(), found: record.len() };
                return Err(failed(Some(line), problem));
            }
            if let Some(empty) = record.iter().position(str::is_empty) {
                return Err(failed(Some(line), TableProblem::Empty { column: header[empty].to_string() }));
            }
            records.push((line, record));
        }
        if records.is_empty() {
            return Err(failed(None, TableProblem::NoRows));
        }
        Ok(Self { path: path.to_owned(), columns, part, records })
    }

    fn error(&self, line: u64, problem: TableProblem) -> TableError {
        TableError { path: self.path.clone(), line: Some(line), problem }
    }

    /// The cells of a column, each with its line.
    fn column<'a>(&'a self, column: &Column) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        let index = column.index;
        self.records.iter().map(move |(line, record)| (*line, &record[index]))
    }

    /// What the columns hold.
    fn task(&self) -> Result<Task, TableError> {
        let is_number = |cell: &str| number(cell).is_some();
        let is_label = |cell: &str| number(cell).is_some_and(|number| number == 0.0 || number == 1.0);
        if let [column] = &self.columns[..] {
            let cells = || self.column(column).map(|(_, cell)| cell);
            let means_class = CLASS.contains(&column.name.to_lowercase().as_str());
            let numbers = cells().filter(|cell| is_number(cell)).count();
            if column.unit.is_empty() && (numbers == 0 || means_class && cells().any(|cell| !is_number(cell))) {
                return Ok(Task::Classes);
            }
            if means_class && column.unit.is_empty() && cells().all(|cell| cell.parse::<i64>().is_ok()) {
                return Ok(Task::Classes);
            }
        }
        let without_unit = |column: &&Column| column.unit.is_empty();
        let labels = |column: &&Column| self.column(column).all(|(_, cell)| is_label(cell));
        if self.columns.iter().all(|column| without_unit(&column) && labels(&column)) {
            return Ok(Task::Labels);
        }
        // One wrong cell doesn't turn labels into values.
        if let Some(sound) = self.columns.iter().filter(without_unit).find(labels) {
            for column in self.columns.iter().filter(without_unit) {
                if let Some((line, cell)) = self.column(column).find(|(_, cell)| !is_label(cell)) {
                    let (column, cell) = (column.name.clone(), cell.to_string());
                    return Err(self.error(line, TableProblem::Mixed { column, cell, sound: sound.name.clone() }));
                }
            }
        }
        Ok(Task::Values)
    }

    /// The classes in the only column, in alphabetical order, numbers in theirs.
    fn class_names(&self) -> Result<Vec<String>, TableError> {
        let [column] = &self.columns[..] else {
            let columns = self.columns.iter().map(|column| column.name.clone()).collect();
            return Err(self.error(1, TableProblem::OneColumn(columns)));
        };
        let names: BTreeSet<&str> = self.column(column).map(|(_, cell)| cell).collect();
        let mut names: Vec<String> = names.into_iter().map(String::from).collect();
        if let Ok(mut numbers) = names.iter().map(|name| name.parse::<i64>()).collect::<Result<Vec<_>, _>>() {
            numbers.sort_unstable();
            numbers.dedup();
            // Names such as "01" stay as they are.
            if numbers.len() == names.len() {
                names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
            }
        }
        Ok(names)
    }

    fn table(self, task: Task, names: Vec<String>) -> Result<LabelTable, TableError> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        if task == Task::Classes && self.columns.len() > 1 {
            let columns = self.columns.iter().map(|column| column.name.clone()).collect();
            return Err(self.error(1, TableProblem::OneColumn(columns)));
        }
        let classes: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
        let mut lines: HashMap<PathBuf, u64> = HashMap::new();
        let mut rows = Vec::new();
        for (line, record) in &self.records {
            let line = *line;
            let file = folder.join(&record[0]);
            if !file.is_file() {
                return Err(self.error(line, TableProblem::NoFile(file)));
            }
            if let Some(first) = lines.insert(file.clone(), line) {
                return Err(self.error(line, TableProblem::Twice { file: record[0].to_string(), first }));
            }
            let mut row = TableRow { line, file, class: None, numbers: Vec::new(), part: Part::Training };
            if let Some(part) = self.part {
                let found = &record[part];
                row.part = Part::named(found).ok_or_else(|| self.error(line, TableProblem::Part(found.to_string())))?;
            }
            for column in &self.columns {
                let cell = &record[column.index];
                if task == Task::Classes {
                    let class = classes.get(cell).copied();
                    let unknown = || TableProblem::Class { cell: cell.to_string(), names: names.clone() };
                    row.class = Some(class.ok_or_else(|| self.error(line, unknown()))?);
                    continue;
                }
                let fits = |number: &f32| task == Task::Values || *number == 0.0 || *number == 1.0;
                let wrong = || TableProblem::Cell { column: column.name.clone(), cell: cell.to_string(), task };
                row.numbers.push(number(cell).filter(fits).ok_or_else(|| self.error(line, wrong()))?);
            }
            rows.push(row);
        }
        let has_units = task == Task::Values && self.columns.iter().any(|column| !column.unit.is_empty());
        let units = self.columns.iter().filter(|_| has_units).map(|column| column.unit.clone()).collect();
        drop(classes);
        Ok(LabelTable { path: self.path, task, names, units, rows, has_parts: self.part.is_some() })
    }
}

/// The numbers of a text's lines.
struct Lines<'a> {
    text: &'a [u8],
    /// Where the lines end.
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, ends: (0..text.len()).filter(|&at| text[at] == b'\n').collect() }
    }

    /// The number, from 1, of the line with the record that is read from a position on: blank lines and the end of the line
    /// before may lie in between.
    fn at(&self, position: u64) -> u64 {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        let blank = self.text[position..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        1 + self.ends.partition_point(|&end| end < position + blank) as u64
    }
}

/// A finite number.
fn number(cell: &str) -> Option<f32> {
    cell.parse::<f32>().ok().filter(|number| number.is_finite())
}

/// `age [years]` → (`age`, `years`).
fn name_and_unit(header: &str) -> (String, String) {
    match header.strip_suffix(']').and_then(|header| header.rsplit_once('[')) {
        Some((name, unit)) => (name.trim().to_string(), unit.trim().to_string()),
        None => (header.to_string(), String::new()),
    }
}

#[cfg(test)]
mod tests;
