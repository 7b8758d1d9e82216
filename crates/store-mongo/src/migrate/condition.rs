//! The condition of an index as a `partialFilterExpression`, which knows no more than comparisons of a field with a value,
//! `$and` and `$or`.
//!
//! A structure keeps it in the schema's own language; the model that it came from may be long gone, so it is read against
//! a skeleton of the structure.

use engine::Model;
use engine::access::Principal;
use engine::expr::{Aliases, Before, Expects, ExprError, Expression, Facts, Lowering, RequestFacts, Scope};
use engine::model::kind::Kind;
use engine::model::{Collection, FieldId, StoredCollection, StoredIndex, Structure, Timestamp, Value};
use engine::query::{Alias, Comparison, Pred, Term};
use mongodb::bson::{Bson, DateTime, Document, doc};

use crate::compile::path;
use crate::value::{decimal128, encode};

/// What a document must be like for the index to hold it; `None`: every one does.
///
/// # Errors
/// In words, when a unique index has a condition that can't be written, or any that can't be read.
pub(crate) fn filter(
    structure: &Structure,
    collection: &StoredCollection,
    index: &StoredIndex,
) -> Result<Option<Document>, String> {
    let mut parts = Vec::new();
    if let Some(only) = &index.only {
        match condition(structure, collection, index, only)? {
            Some(condition) => parts.push(condition),
            // It finds as much without, at the price of some space.
            None if !index.unique => return Ok(None),
            None => {
                return Err(format!(
                    "the condition `{only}` of the unique index {} can't be an index's on MongoDB: compare fields with values",
                    index.name
                ));
            }
        }
    }
    if index.unique {
        // Nulls are all different: they are left out.
        let nullable = index.fields.iter().filter_map(|name| collection.field(name));
        let nullable = nullable.filter(|field| !field.required && !collection.key.contains(&field.name));
        parts.extend(nullable.filter_map(|field| {
            there(
                &path::of_column(collection, &field.column),
                Kind::of_stored(&field.kind),
            )
        }));
    }
    Ok(match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(doc! { "$and": parts }),
    })
}

/// That there is a value: it is at least the least of its type. So the planner sees that a query for a value finds no other.
fn there(path: &str, kind: Kind) -> Option<Document> {
    let least = match kind {
        Kind::Bool => Bson::Boolean(false),
        Kind::Int | Kind::Duration => Bson::Int64(i64::MIN),
        Kind::Float => Bson::Double(f64::NEG_INFINITY),
        Kind::Decimal => decimal128("-Infinity"),
        Kind::Text | Kind::Bytes | Kind::Id => Bson::String(String::new()),
        Kind::DateTime | Kind::Date => Bson::DateTime(DateTime::from_millis(Timestamp::MIN.0)),
        Kind::Null | Kind::Json => return None,
    };
    Some(doc! { path: { "$gte": least } })
}

fn condition(
    structure: &Structure,
    collection: &StoredCollection,
    index: &StoredIndex,
    only: &str,
) -> Result<Option<Document>, String> {
    let wrong = |error: &ExprError| {
        format!(
            "the condition `{only}` of {} can't be used: {}",
            index.name, error.message
        )
    };
    let model = structure.skeleton();
    let collection = model.by_name(&collection.name).expect("a skeleton has all collections");
    let scope = Scope {
        record: Some(collection.id),
        before: false,
        bare_fields: false,
    };
    let expression = Expression::compile(only, scope, Expects::Condition, &model)
        .map_err(|errors| errors.first().map(&wrong).unwrap_or_default())?;
    let pred = expression
        .predicate(&mut Lowering {
            model: &model,
            facts: Facts {
                principal: &Principal::Anonymous,
                now: Timestamp(0),
                request: RequestFacts::default(),
            },
            root: Alias::ROOT,
            aliases: &mut Aliases::default(),
            visibility: None,
            before: Before::Record,
        })
        .map_err(|error| wrong(&error))?;
    Ok(Writer {
        model: &model,
        collection,
    }
    .write(&pred, true))
}

struct Writer<'a> {
    model: &'a Model,
    collection: &'a Collection,
}

impl Writer<'_> {
    /// The predicate, or its complement.
    fn write(&self, pred: &Pred, truth: bool) -> Option<Document> {
        match (pred, truth) {
            (Pred::Not(inner), truth) => self.write(inner, !truth),
            (Pred::And(parts), true) | (Pred::Or(parts), false) => self.all("$and", parts, truth),
            (Pred::Or(parts), true) | (Pred::And(parts), false) => self.all("$or", parts, truth),
            (Pred::Compare(comparison, Term::Field(Alias::ROOT, field), Term::Const(value)), truth)
            | (Pred::Compare(comparison, Term::Const(value), Term::Field(Alias::ROOT, field)), truth) => {
                let is_mirrored = matches!(pred, Pred::Compare(_, Term::Const(_), _));
                let comparison = if is_mirrored {
                    comparison.mirrored()
                } else {
                    *comparison
                };
                self.compared(comparison, *field, value, truth)
            }
            (Pred::Same(Term::Field(Alias::ROOT, field), Term::Const(value)), truth)
            | (Pred::Same(Term::Const(value), Term::Field(Alias::ROOT, field)), truth) => match value {
                Value::Null => self.null(*field, truth),
                value => self.compared(Comparison::Eq, *field, value, truth),
            },
            (Pred::Truth(Term::Field(Alias::ROOT, field)), truth) => {
                self.compared(Comparison::Eq, *field, &Value::Bool(true), truth)
            }
            (Pred::IsNull(Term::Field(Alias::ROOT, field)), truth) => self.null(*field, truth),
            _ => None,
        }
    }

    fn all(&self, operator: &str, parts: &[Pred], truth: bool) -> Option<Document> {
        let parts: Option<Vec<Document>> = parts.iter().map(|part| self.write(part, truth)).collect();
        Some(doc! { operator: parts? })
    }

    fn compared(&self, comparison: Comparison, field: FieldId, value: &Value, truth: bool) -> Option<Document> {
        if value.is_null() {
            return None;
        }
        let path = self.path(field);
        let compared = |operator: &str| doc! { &path: { operator: encode(value) } };
        let positive = |comparison: Comparison| match comparison {
            Comparison::Eq => compared("$eq"),
            Comparison::Ne => doc! { "$or": [compared("$lt"), compared("$gt")] },
            Comparison::Lt => compared("$lt"),
            Comparison::Le => compared("$lte"),
            Comparison::Gt => compared("$gt"),
            Comparison::Ge => compared("$gte"),
        };
        Some(match truth {
            true => positive(comparison),
            false => doc! { "$or": [positive(comparison.complement()), { &path: { "$eq": Bson::Null } }] },
        })
    }

    fn null(&self, field: FieldId, truth: bool) -> Option<Document> {
        let path = self.path(field);
        if truth {
            return Some(doc! { path: { "$eq": Bson::Null } });
        }
        there(&path, Kind::of_field(self.model, self.collection.field(field)))
    }

    fn path(&self, field: FieldId) -> String {
        path::of(self.collection, self.collection.field(field))
    }
}
