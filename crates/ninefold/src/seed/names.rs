//! Relations by a unique field of the target, as an import has them: `"country.code": "DE"`. Who is named so gets an id, if
//! the file gives it none.

use std::collections::HashMap;

use engine::Model;
use engine::model::{Collection, CollectionId, FieldId};
use engine::operations::import::By;
use serde_json::Value as Json;
use uuid::Uuid;

use super::Record;
use crate::failure::Failure;

/// Of each field by which records are named, which record has which value.
type Known = HashMap<(CollectionId, FieldId), HashMap<String, usize>>;

/// A member of a record that names others.
struct Named {
    record: usize,
    member: String,
    by: By,
}

/// Puts ids in the place of what names records by a unique field.
///
/// # Errors
/// No record has the value.
pub(super) fn resolve(mut records: Vec<Record>, model: &Model) -> Result<Vec<Record>, Failure> {
    let named = named(&records, model);
    let known = known(&records, &named, model);
    for Named { record, member, by } in named {
        let Some(value) = records[record].data.shift_remove(&member) else {
            continue;
        };
        let known = &known[&(by.target, by.field)];
        let mut id = |value: &Json| match text(value).and_then(|text| known.get(&text)) {
            Some(&index) => Ok(id_of(&mut records[index])),
            None => Err(nobody(model, &by, value)),
        };
        let ids = match &value {
            Json::Null => Ok(Json::Null),
            Json::Array(values) if by.many => values.iter().map(id).collect(),
            one if by.many => id(one).map(|id| Json::Array(vec![id])),
            one => id(one),
        };
        let record = &mut records[record];
        let ids = ids.map_err(|message| {
            Failure::mistake(format!("{}: {member}: {message}", record.place))
                .help("nothing was loaded; mend the file and seed again")
        })?;
        record.data.insert(by.relation, ids);
    }
    Ok(records)
}

fn named(records: &[Record], model: &Model) -> Vec<Named> {
    let mut named = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let collection = collection(record, model);
        for member in record.data.keys().filter(|name| name.contains('.')) {
            named.extend(By::of(model, collection, member).map(|by| Named {
                record: index,
                member: member.clone(),
                by,
            }));
        }
    }
    named
}

fn known(records: &[Record], named: &[Named], model: &Model) -> Known {
    let mut known: Known = HashMap::new();
    for Named { by, .. } in named {
        known.entry((by.target, by.field)).or_default();
    }
    for ((target, field), values) in &mut known {
        let target = model.collection(*target);
        let name = &target.field(*field).name;
        let own = records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.collection == target.path);
        values.extend(own.filter_map(|(index, record)| Some((text(record.data.get(name)?)?, index))));
    }
    known
}

fn collection<'m>(record: &Record, model: &'m Model) -> &'m Collection {
    model.by_path(&record.collection).expect("files are read by collection")
}

/// As a value is compared: `1` in one file is the `"1"` of another.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn id_of(record: &mut Record) -> Json {
    let id = record.data.entry("id");
    id.or_insert_with(|| Uuid::now_v7().to_string().into()).clone()
}

fn nobody(model: &Model, by: &By, value: &Json) -> String {
    let target = model.collection(by.target);
    let field = &target.field(by.field).name;
    format!("there is no {} whose {field} is {value}", target.name)
}
