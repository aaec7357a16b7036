//! Errors of tables of labels.

use std::path::PathBuf;

use thiserror::Error;

use crate::model::Task;

/// What is wrong with a [`LabelTable`](super::LabelTable). The text contains that of the cause.
#[derive(Debug, Error)]
#[error("{}{}: {problem}", path.display(), line.map_or(String::new(), |line| format!(", line {line}")))]
pub struct TableError {
    /// The CSV file.
    pub path: PathBuf,
    /// The number of the line, from 1.
    pub line: Option<u64>,
    /// The problem.
    pub problem: TableProblem,
}

/// What can be wrong with a table of labels.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableProblem {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Io(std::io::Error),
    /// The text isn't UTF-8.
    #[error("can't be read as CSV: {0}")]
    Csv(csv::Error),
    /// The first line doesn't name a column of files and others.
    #[error(
        "expected the names of the columns, separated by commas, such as `file,class` or `file,scratch,dent`; found `{found}`"
    )]
    Header {
        /// The line.
        found: String,
    },
    /// Two columns have the same name, or one has none.
    #[error("expected a name for each column that no other has, found `{0}`")]
    ColumnName(String),
    /// There is only a header.
    #[error("expected a line for each picture, found none")]
    NoRows,
    /// A line with another number of columns than the header.
    #[error("expected {expected} columns, as the first line names, found {found}")]
    Columns {
        /// The number of names in the header.
        expected: usize,
        /// The number of cells.
        found: usize,
    },
    /// An empty cell: unknown labels aren't supported.
    #[error("the cell of column `{column}` is empty: fill it in, or remove the line")]
    Empty {
        /// The name of the column.
        column: String,
    },
    /// A picture doesn't exist.
    #[error("there is no file {}: paths are relative to the CSV file's folder", .0.display())]
    NoFile(PathBuf),
    /// A picture is named in two lines.
    #[error("`{file}` is also in line {first}: a picture has one line")]
    Twice {
        /// The cell with its path.
        file: String,
        /// The first line.
        first: u64,
    },
    /// A part that isn't one.
    #[error("expected `train`, `val` or `test` as the part, found `{0}`")]
    Part(String),
    /// A class that isn't known.
    #[error("expected one of the classes {}, found `{cell}`", names.join(", "))]
    Class {
        /// The cell.
        cell: String,
        /// The classes.
        names: Vec<String>,
    },
    /// A cell that isn't a label or a value.
    #[error(
        "column `{column}`: expected {}, found `{cell}`",
        if *task == Task::Labels { "1 (present) or 0 (absent)" } else { "a number (or classes, if the task is set to them)" }
    )]
    Cell {
        /// The name of the column.
        column: String,
        /// The cell.
        cell: String,
        /// Labels or values.
        task: Task,
    },
    /// Some columns are labels, another one has a number that isn't.
    #[error(
        "column `{column}`: expected 1 (present) or 0 (absent), as in column `{sound}`, found `{cell}`; if the columns are \
         numbers, set the task to values"
    )]
    Mixed {
        /// The name of the column.
        column: String,
        /// The cell.
        cell: String,
        /// A column of labels.
        sound: String,
    },
    /// Classes in several columns.
    #[error("expected one column of classes, found {}", .0.join(", "))]
    OneColumn(Vec<String>),
    /// A column of a trained model is missing.
    #[error("expected a column `{name}`, found {}", found.join(", "))]
    NoColumn {
        /// The name of the column.
        name: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A task that no table can have.
    #[error("a CSV file has classes, labels or values; found the task {0}")]
    Task(Task),
}
