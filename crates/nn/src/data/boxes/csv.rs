//! Boxes as CSV.

use csv::{ReaderBuilder, StringRecord};

use super::{Annotation, BoxesError, checked};

const EDGES: [&str; 4] = ["x0", "y0", "x1", "y1"];
const HEADER: &str = "the header file,x0,y0,x1,y1 or file,x0,y0,x1,y1,class";

/// Reads a CSV file; errors call it `name`.
pub(super) fn parse(text: &[u8], name: &str) -> Result<Vec<Annotation>, BoxesError> {
    // A byte-order mark, as spreadsheets write it.
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    // After a CRLF, the reader reports the number of the line before: the CRs are dropped.
    let ends_line = |at: usize| text[at] == b'\r' && text.get(at + 1) == Some(&b'\n');
    let text: Vec<u8> = (0..text.len()).filter(|&at| !ends_line(at)).map(|at| text[at]).collect();
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(&text[..]);
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        BoxesError::content(format!("{name}, line {line}"), "text in UTF-8", error.to_string())
    };
    let header = reader.headers().map_err(broken)?.clone();
    let column = |title: &str| header.iter().position(|found| found == title);
    let first = format!("{name}, line 1");
    let wanted = |title: &str| column(title).ok_or_else(|| BoxesError::content(&first, HEADER, listed(&header)));
    let file = wanted("file")?;
    let edges = [wanted(EDGES[0])?, wanted(EDGES[1])?, wanted(EDGES[2])?, wanted(EDGES[3])?];
    let class = column("class");
    if header.len() != 5 + usize::from(class.is_some()) {
        return Err(BoxesError::content(first, HEADER, listed(&header)));
    }
    let annotation = |record: Result<StringRecord, csv::Error>| {
        let record = record.map_err(broken)?;
        let place = format!("{name}, line {}", record.position().map_or(0, csv::Position::line));
        if record.len() != header.len() {
            let expected = format!("{} cells: {}", header.len(), listed(&header));
            return Err(BoxesError::content(place, expected, format!("{}: {}", record.len(), listed(&record))));
        }
        let mut numbers = [0.0; 4];
        for ((number, &column), title) in numbers.iter_mut().zip(&edges).zip(EDGES) {
            let cell = &record[column];
            let expected = || BoxesError::content(&place, format!("a number in column {title}"), format!("{cell:?}"));
            *number = cell.parse().map_err(|_| expected())?;
        }
        let filled = |column: usize| match &record[column] {
            "" => Err(BoxesError::content(&place, format!("a value in column {}", &header[column]), "an empty cell")),
            cell => Ok(cell.to_string()),
        };
        let (picture, class) = (filled(file)?.into(), class.map(filled).transpose()?);
        Ok(Annotation { picture, edges: checked(numbers, &place)?, class, size: None, place })
    };
    reader.records().map(annotation).collect()
}

fn listed(record: &StringRecord) -> String {
    record.iter().collect::<Vec<_>>().join(",")
}
