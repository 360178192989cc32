//! A product as a row of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use holdfast_contract::Currency;
use holdfast_products::http::check_new_product;
use serde_json::value::RawValue;

use super::Format;
use super::lines::UnixLines;

/// The fields of a row, and the columns of a CSV file.
pub(super) const COLUMNS: [&str; 12] = [
    "sku",
    "name",
    "description",
    "price",
    "currency",
    "category",
    "brand",
    "tags",
    "imageUrl",
    "rating",
    "reviewCount",
    "isActive",
];
/// First stock; what is there keeps its own.
pub(super) const STOCK: &str = "stock";
/// Longest line of a file: more than a product can be.
const LONGEST: u64 = 1 << 20;

/// JSON values by field, as they were written: an amount of money is no float.
pub(super) type Fields = BTreeMap<String, Box<RawValue>>;

/// A product in a file.
#[derive(Debug)]
pub(super) struct Row {
    /// From 1; where it begins.
    pub(super) line: u64,
    pub(super) sku: String,
    pub(super) fields: Fields,
}

/// A row that is no product.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRow {
    pub(super) line: u64,
    pub(super) problem: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// The rows of a file, read as they are asked for.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, BadRow>> + Send>;

/// Opens a file of products, whose rows begin with this line or later.
///
/// # Errors
/// If it cannot be read, or its first line does not name columns that there are.
pub(super) fn open(path: &Path, format: Format, currency: Currency, from: u64) -> anyhow::Result<Rows> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let rows: Box<dyn Iterator<Item = Result<(u64, Fields), BadRow>> + Send> = match format {
        Format::Csv => Box::new(csv_rows(file)?),
        Format::Jsonl => Box::new(json_rows(file)),
    };
    let at = |row: &Result<(u64, Fields), BadRow>| match row {
        Ok((line, _)) => *line,
        Err(bad) => bad.line,
    };
    Ok(Box::new(rows.filter(move |row| at(row) >= from).map(move |row| {
        let (line, fields) = row?;
        proved(line, fields, currency).map_err(|problem| BadRow { line, problem })
    })))
}

/// A row that the service will take, as far as that can be known here.
fn proved(line: u64, fields: Fields, currency: Currency) -> Result<Row, String> {
    let sku = fields.get("sku").filter(|sku| sku.get() != "null");
    let sku = sku.ok_or("sku: is required, because a product is known by it")?;
    let sku = sku.get().to_owned();
    let body = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
    check_new_product(&body, currency).map_err(|error| error.message().to_owned())?;
    let sku = serde_json::from_str(&sku).map_err(|error| format!("sku: {error}"))?;
    Ok(Row { line, sku, fields })
}

fn csv_rows(
    file: impl Read + Send,
) -> anyhow::Result<impl Iterator<Item = Result<(u64, Fields), BadRow>> + Send> {
    let mut reader = csv::Reader::from_reader(UnixLines::new(file));
    let columns: Vec<String> =
        reader.headers().context("line 1")?.iter().map(|name| name.trim().to_owned()).collect();
    for (at, column) in columns.iter().enumerate() {
        if !COLUMNS.contains(&column.as_str()) && column != STOCK {
            bail!("line 1: there is no column {column:?}; there are {} and {STOCK}", COLUMNS.join(", "));
        }
        if columns[..at].contains(column) {
            bail!("line 1: the column {column:?} is there twice");
        }
    }
    for needed in ["sku", "name", "price"] {
        if !columns.iter().any(|column| column == needed) {
            bail!("line 1: the column {needed:?} is missing");
        }
    }
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            BadRow { line, problem: said_of(&error) }
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut fields = Fields::new();
        for (column, cell) in columns.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
            let value = cell_value(column, cell);
            let value = value.map_err(|expected| BadRow {
                line,
                problem: format!("{column}: expected {expected}, and not {cell:?}"),
            })?;
            fields.insert(column.clone(), value);
        }
        Ok((line, fields))
    }))
}

fn said_of(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells, and not {expected_len} as the first line")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

/// What a cell means in JSON; or what was expected in it.
fn cell_value(column: &str, cell: &str) -> Result<Box<RawValue>, &'static str> {
    let json = match column {
        "price" | "rating" | "reviewCount" | STOCK => {
            serde_json::from_str::<serde_json::Number>(cell).map_err(|_| "a number, such as 29.99")?;
            cell.trim().to_owned()
        }
        "isActive" if cell == "true" || cell == "false" => cell.to_owned(),
        "isActive" => return Err("true or false"),
        "tags" if cell.starts_with('[') => {
            const EXPECTED: &str = "words separated by |, or a JSON array of texts";
            serde_json::from_str::<Vec<String>>(cell).map_err(|_| EXPECTED)?;
            cell.to_owned()
        }
        "tags" => {
            let tags: Vec<&str> = cell.split('|').map(str::trim).filter(|tag| !tag.is_empty()).collect();
            serde_json::json!(tags).to_string()
        }
        _ => serde_json::Value::from(cell).to_string(),
    };
    RawValue::from_string(json).map_err(|_| "a value")
}

/// A value as a cell that [`cell_value`] reads as the same.
pub(super) fn cell_of(column: &str, value: &RawValue) -> serde_json::Result<String> {
    let json = value.get();
    if json == "null" {
        return Ok(String::new());
    }
    if column == "tags" {
        let tags: Vec<String> = serde_json::from_str(json)?;
        let plain = |tag: &String| !tag.contains('|') && tag.trim() == tag && !tag.starts_with('[');
        return Ok(if tags.iter().all(plain) { tags.join("|") } else { json.to_owned() });
    }
    if json.starts_with('"') { serde_json::from_str(json) } else { Ok(json.to_owned()) }
}

fn json_rows(file: impl Read + Send) -> impl Iterator<Item = Result<(u64, Fields), BadRow>> + Send {
    let mut reader = BufReader::new(file);
    let mut line = 0;
    std::iter::from_fn(move || {
        loop {
            line += 1;
            let mut text = Vec::new();
            let bad = |problem: String| Some(Err(BadRow { line, problem }));
            match (&mut reader).take(LONGEST).read_until(b'\n', &mut text) {
                Ok(0) => return None,
                Ok(read) if read as u64 == LONGEST && !text.ends_with(b"\n") => {
                    // The rest of it is no line of its own.
                    let _ = reader.skip_until(b'\n');
                    return bad(format!("is longer than {LONGEST} bytes"));
                }
                Ok(_) if text.trim_ascii().is_empty() => {}
                Ok(_) => {
                    return match serde_json::from_slice(&text) {
                        Ok(fields) => Some(Ok((line, fields))),
                        Err(error) => bad(format!("expected a JSON object: {error}")),
                    };
                }
                Err(error) => return bad(error.to_string()),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, format: Format, content: &[u8]) -> anyhow::Result<Vec<Result<String, String>>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(name);
        std::fs::write(&path, content)?;
        let rows = open(&path, format, Currency::iso("USD")?, 1)?;
        Ok(rows
            .map(|row| match row {
                Ok(row) => Ok(format!("{} {}", row.line, serde_json::to_string(&row.fields).unwrap())),
                Err(bad) => Err(bad.to_string()),
            })
            .collect())
    }

    #[test]
    fn a_cell_is_what_its_column_says() {
        let csv = b"sku,name,price,tags,isActive,stock\r\n\
            A-1,\"Kettle, red\",29.990,hot|red,true,5\r\nA-2,\"two\nlines\",1,,,\r\nA-3,x,0,\"[\"\"a|b\"\"]\",,\r\n";
        let rows = rows("a.csv", Format::Csv, csv).unwrap();
        assert_eq!(
            rows,
            [
                Ok(r#"2 {"isActive":true,"name":"Kettle, red","price":29.990,"sku":"A-1","stock":5,"tags":["hot","red"]}"#.to_owned()),
                Err("line 3: name: must not contain control characters".to_owned()),
                Ok(r#"5 {"name":"x","price":0,"sku":"A-3","tags":["a|b"]}"#.to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_field() {
        let csv = b"sku,name,price,isActive\nA-1,x,cheap,\nA-2,x,1\nA-3,x,-1,\nA-4,x,1,yes\n,x,1,\nA-6,\xff,1,\nA-7,,1,\n";
        let said: Vec<String> =
            rows("a.csv", Format::Csv, csv).unwrap().into_iter().map(Result::unwrap_err).collect();
        let expected = [
            "line 2: price: expected a number",
            "line 3: has 3 cells",
            "line 4: price:",
            "line 5: isActive: expected true or false",
            "line 6: sku: is required",
            "line 7: is not UTF-8",
            "line 8: name:",
        ];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
        for (head, problem) in [
            ("sku,name", "\"price\" is missing"),
            ("sku,name,price,colour", "no column \"colour\""),
            ("sku,name,price,sku", "twice"),
        ] {
            let error = rows("a.csv", Format::Csv, head.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_line_of_json_is_an_object() {
        let mut lines = b"{\"sku\": \"A\", \"name\": \"x\", \"price\": 90071992547409.91}\n\n[]\n{\"sku\": \"B\", \"name\": \"x\", \"price\": 1, \"size\": 3}\n".to_vec();
        lines.extend(vec![b' '; LONGEST as usize + 5]);
        lines.extend(b"\n{\"sku\": \"C\", \"name\": \"x\", \"price\": 1}");
        let rows = rows("a.jsonl", Format::Jsonl, &lines).unwrap();
        // To the last digit: a float would not have it.
        assert_eq!(rows[0], Ok(r#"1 {"name":"x","price":90071992547409.91,"sku":"A"}"#.to_owned()));
        assert!(rows[1].as_ref().unwrap_err().starts_with("line 3: expected a JSON object"));
        assert!(rows[2].as_ref().unwrap_err().starts_with("line 4: size"), "{:?}", rows[2]);
        assert!(rows[3].as_ref().unwrap_err().starts_with("line 5: is longer"), "{:?}", rows[3]);
        assert_eq!(rows[4], Ok(r#"6 {"name":"x","price":1,"sku":"C"}"#.to_owned()));
    }

    #[test]
    fn a_value_is_read_back_from_its_cell() {
        for (column, json) in [
            ("name", r#""a \"b\" \n c""#),
            ("price", "90071992547409.91"),
            ("tags", r#"["a","b c"]"#),
            ("tags", r#"["a|b","[c"]"#),
            ("isActive", "false"),
        ] {
            let value = RawValue::from_string(json.to_owned()).unwrap();
            let back = cell_value(column, &cell_of(column, &value).unwrap()).unwrap();
            let values: [serde_json::Value; 2] =
                [json, back.get()].map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(values[0], values[1], "{column}");
        }
    }
}
