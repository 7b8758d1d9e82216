//! The order in which records can be created: each after those that it refers to.
//!
//! Where they refer to each other in a circle, one relation that can be empty for a while is left out of the create
//! and set by an update at the end.

use std::collections::HashMap;

use engine::Model;
use engine::model::{Collection, CollectionId, Field, FieldKind};
use engine::operations::{Action, Data, Precondition, Step};
use serde_json::Value as Json;

use super::{Record, create};
use crate::failure::Failure;

/// A step, and the record that it is for.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) step: Step,
    pub(super) place: String,
}

/// What one relation of a record refers to among the records.
struct Edge {
    field: String,
    to: usize,
    /// Whether the create can do without the field.
    can_wait: bool,
}

/// A record and the relation of it that closes a circle.
type Circle = (usize, String);

pub(super) fn order(records: Vec<Record>, model: &Model) -> Result<Vec<Placed>, Failure> {
    let edges = edges(&records, model);
    // Heeding all relations leaves the least to be set later; heeding what can't wait alone always works if anything does.
    let order = walk(&edges, |_| true).or_else(|_| walk(&edges, |edge| !edge.can_wait));
    let order = order.map_err(|(record, field)| {
        let place = &records[record].place;
        Failure::mistake(format!(
            "{place}: {field}: refers in a circle in which no relation can be set later"
        ))
        .help("make one of the relations optional and mutable")
    })?;
    Ok(steps(records, &edges, &order))
}

/// Indices of records, each behind what it refers to by the relations that are heeded.
///
/// Depth first without recursion: a chain of replies can be long.
///
/// # Errors
/// A circle of relations that can't wait.
fn walk(edges: &[Vec<Edge>], heeded: impl Fn(&Edge) -> bool) -> Result<Vec<usize>, Circle> {
    #[derive(Clone, Copy)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    let mut order = Vec::with_capacity(edges.len());
    // Each open record with the number of its edges that were looked at.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for start in 0..edges.len() {
        if matches!(marks[start], Mark::New) {
            marks[start] = Mark::Open;
            open.push((start, 0));
        }
        while let Some((record, looked_at)) = open.last_mut() {
            let record = *record;
            let Some(edge) = edges[record].get(*looked_at) else {
                marks[record] = Mark::Done;
                order.push(record);
                open.pop();
                continue;
            };
            *looked_at += 1;
            match marks[edge.to] {
                Mark::New if heeded(edge) => {
                    marks[edge.to] = Mark::Open;
                    open.push((edge.to, 0));
                }
                Mark::Open if !edge.can_wait => return Err((record, edge.field.clone())),
                Mark::New | Mark::Open | Mark::Done => {}
            }
        }
    }
    Ok(order)
}

/// Creates in that order, and then updates with the relations that had to wait.
fn steps(records: Vec<Record>, edges: &[Vec<Edge>], order: &[usize]) -> Vec<Placed> {
    let mut position = vec![0; order.len()];
    for (place, record) in order.iter().enumerate() {
        position[*record] = place;
    }
    let mut records: Vec<_> = records.into_iter().map(Some).collect();
    let (mut creates, mut updates) = (Vec::with_capacity(order.len()), Vec::new());
    for &index in order {
        let mut record = records[index].take().expect("an order has each record once");
        let mut patch = Data::new();
        for edge in edges[index].iter().filter(|edge| position[edge.to] >= position[index]) {
            // A to-many field has an edge for each of its records and is taken out whole with the first.
            if let Some(value) = record.data.shift_remove(&edge.field) {
                patch.insert(edge.field.clone(), value);
            }
        }
        if !patch.is_empty() {
            updates.push(update(&record, patch));
        }
        creates.push(create(record));
    }
    creates.append(&mut updates);
    creates
}

fn update(record: &Record, patch: Data) -> Placed {
    let key = record.data.get("id").and_then(Json::as_str);
    Placed {
        step: Step {
            action: Action::Update {
                key: key.expect("who is referred to has an id").to_owned(),
                patch,
            },
            collection: record.collection.clone(),
            precondition: Precondition::None,
            alias: None,
        },
        place: record.place.clone(),
    }
}

fn edges(records: &[Record], model: &Model) -> Vec<Vec<Edge>> {
    let collection = |record: &Record| model.by_path(&record.collection).expect("files are read by collection");
    let mut known: HashMap<(CollectionId, &str), usize> = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        if let Some(id) = record.data.get("id").and_then(Json::as_str) {
            known.insert((collection(record).id, id), index);
        }
    }
    let of_record = |record: &Record| -> Vec<Edge> {
        let has_id = record.data.contains_key("id");
        let relations = relations(collection(record), &record.data);
        relations
            .filter_map(|(field, target, id)| {
                Some(Edge {
                    field: field.name.clone(),
                    to: *known.get(&(target, id))?,
                    can_wait: has_id && can_wait(field),
                })
            })
            .collect()
    };
    records.iter().map(of_record).collect()
}

/// The ids that a record refers to.
fn relations<'a>(
    collection: &'a Collection,
    data: &'a Data,
) -> impl Iterator<Item = (&'a Field, CollectionId, &'a str)> {
    data.iter().flat_map(move |(name, value)| {
        let field = collection.field_named(name);
        let relation = field.and_then(|field| Some((field, field.target()?)));
        let ids: Vec<&str> = match value {
            Json::String(id) => vec![id],
            Json::Array(ids) => ids.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        let of_relation = move |(field, target)| ids.clone().into_iter().map(move |id| (field, target, id));
        relation.into_iter().flat_map(of_relation)
    })
}

/// A list can be empty for a while; a reference if it may be null, and may change.
fn can_wait(field: &Field) -> bool {
    let may_be_empty = matches!(field.kind, FieldKind::Links { .. }) || !field.required;
    may_be_empty && !field.immutable
}
