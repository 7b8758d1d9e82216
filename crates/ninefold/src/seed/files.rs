//! Reading the files: JSON (a list of objects), NDJSON (an object per line) and CSV (a header, then rows).

use std::fs;
use std::path::{Path, PathBuf};

use engine::Model;
use engine::model::Collection;
use engine::operations::Data;
use serde_json::Value as Json;

use super::{FOLDER, Record};
use crate::failure::Failure;
use crate::suggest::did_you_mean;
use crate::transfer::Notation;

/// All records, file by file in the order of their names.
pub(super) fn read(folder: &Path, model: &Model) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    for path in paths(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shown = format!("{FOLDER}/{name}");
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let parse = match extension {
            "json" => json,
            "ndjson" => ndjson,
            "csv" => csv,
            _ => {
                return Err(Failure::mistake(format!("{shown} is no .json, .ndjson or .csv file"))
                    .help("only files of records belong into the seed folder"));
            }
        };
        let collection = collection(model, stem).ok_or_else(|| {
            let known = model.collections.iter().map(|collection| collection.path.as_str());
            let help = did_you_mean(stem, known)
                .unwrap_or_else(|| "name the file as its collection's path, such as order-lines.json".to_owned());
            Failure::mistake(format!("{shown}: the schema has no collection {stem}")).help(help)
        })?;
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::environment(format!("{shown} can't be read: {error}")))?;
        let parsed = parse(&text, collection)
            .map_err(|problem| Failure::mistake(format!("{shown}, {problem}")).help("nothing was loaded"))?;
        records.extend(parsed.into_iter().map(|(place, data)| Record {
            collection: collection.path.clone(),
            data,
            place: format!("{shown}, {place}"),
        }));
    }
    Ok(records)
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure::environment(format!("{} can't be read: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// By its path, its type's name or its table.
fn collection<'m>(model: &'m Model, stem: &str) -> Option<&'m Collection> {
    let by_table = || model.collections.iter().find(|collection| collection.table == stem);
    model.by_path(stem).or_else(|| model.by_name(stem)).or_else(by_table)
}

/// Records with where each stands in its file.
type Parsed = Result<Vec<(String, Data)>, String>;

fn json(text: &str, _: &Collection) -> Parsed {
    let records: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Json::Array(records) = records else {
        return Err("it must be a list of records: [{…}, {…}]".to_owned());
    };
    let numbered = records.into_iter().enumerate();
    numbered
        .map(|(index, record)| object(record, format!("record {}", index + 1)))
        .collect()
}

fn ndjson(text: &str, _: &Collection) -> Parsed {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let place = format!("line {}", index + 1);
            let record = serde_json::from_str(line).map_err(|error| format!("{place}: {error}"))?;
            object(record, place)
        })
        .collect()
}

fn object(record: Json, place: String) -> Result<(String, Data), String> {
    match record {
        Json::Object(data) => Ok((place, data)),
        other => Err(format!("{place}: must be an object, not {other}")),
    }
}

fn csv(text: &str, collection: &Collection) -> Parsed {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let place = format!("line {line}");
        let mut data = Data::new();
        // An empty cell is a value that isn't given.
        for (name, cell) in header.iter().zip(&row).filter(|(_, cell)| !cell.is_empty()) {
            data.insert(name.to_owned(), Notation::of_column(collection, name).read(cell));
        }
        records.push((place, data));
    }
    Ok(records)
}
