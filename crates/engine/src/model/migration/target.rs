//! What a model wants of a database: its structure, and how to get there without loss.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::fill::Fill;
use crate::access::Principal;
use crate::expr::{Expression, Facts, Input, RequestFacts};
use crate::model::{Collection, DefaultValue, Field, FieldKind, Model, Scalar, Structure, Timestamp, Value, ValueType};

/// A structure with the hints of its model: `@renamed(from:)` and `@default`.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub structure: Structure,
    /// What must be there already: tables that others made.
    pub mapped: Vec<MappedTable>,
    collections: HashMap<String, String>,
    fields: HashMap<(String, String), String>,
    fills: HashMap<(String, String), Fill>,
}

/// A table that is not Ninefold's to make, or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedTable {
    pub table: String,
    pub columns: Vec<String>,
}

impl Target {
    pub fn of(model: &Model) -> Self {
        let mut target = Self::from(Structure::of(model));
        for collection in model.collections.iter().filter(|collection| !collection.managed) {
            target.map(collection);
        }
        for collection in &model.collections {
            if let Some(from) = &collection.renamed_from {
                target.collections.insert(collection.name.clone(), from.clone());
            }
            for field in &collection.fields {
                target.hint(model, collection, field);
            }
        }
        target
    }

    fn map(&mut self, collection: &Collection) {
        self.mapped.push(MappedTable {
            table: collection.table.clone(),
            columns: collection.stored().map(|field| field.column.clone()).collect(),
        });
        for field in &collection.fields {
            if let FieldKind::Links {
                table,
                source_column,
                target_column,
                ..
            } = &field.kind
            {
                self.mapped.push(MappedTable {
                    table: table.clone(),
                    columns: vec![source_column.clone(), target_column.clone()],
                });
            }
        }
    }

    fn hint(&mut self, model: &Model, collection: &Collection, field: &Field) {
        let place = (collection.name.clone(), field.name.clone());
        if let Some(from) = &field.renamed_from {
            self.fields.insert(place.clone(), from.clone());
        }
        if let Some(fill) = fill_of(model, field) {
            self.fills.insert(place, fill);
        }
    }

    /// The name that a collection had before, if the schema says so. It may have been honoured long ago.
    pub fn former_collection(&self, name: &str) -> Option<&str> {
        self.collections.get(name).map(String::as_str)
    }

    pub fn former_field(&self, collection: &str, name: &str) -> Option<&str> {
        self.fields
            .get(&(collection.to_owned(), name.to_owned()))
            .map(String::as_str)
    }

    /// What records that exist get in the field.
    pub fn fill(&self, collection: &str, field: &str) -> Option<&Fill> {
        self.fills.get(&(collection.to_owned(), field.to_owned()))
    }
}

/// Without hints: nothing was renamed, nothing has a default.
impl From<Structure> for Target {
    fn from(structure: Structure) -> Self {
        Self {
            structure,
            ..Self::default()
        }
    }
}

/// A default that is the same for all, or `now`. What depends on a caller has no meaning for records that exist.
fn fill_of(model: &Model, field: &Field) -> Option<Fill> {
    let FieldKind::Value(value_type) = &field.kind else {
        return None;
    };
    match field.default.as_ref()? {
        DefaultValue::Constant(value) => Fill::constant(value),
        DefaultValue::Expression(expression) if expression.source().trim() == "now" => {
            let is_moment = matches!(value_type, ValueType::Scalar(Scalar::DateTime));
            is_moment.then_some(Fill::Now)
        }
        DefaultValue::Expression(expression) => Fill::constant(&constant(model, expression)?),
    }
}

/// What an expression yields for everybody and always, if it does.
fn constant(model: &Model, expression: &Expression) -> Option<Value> {
    let [nobody, somebody] =
        [(Principal::Anonymous, Timestamp(0)), (somebody(), Timestamp(1))].map(|(principal, now)| {
            expression.evaluate(Input {
                model,
                facts: Facts {
                    principal: &principal,
                    now,
                    request: RequestFacts::default(),
                },
                record: None,
                before: None,
                related: None,
            })
        });
    nobody.ok().filter(|value| somebody.as_ref() == Ok(value))
}

fn somebody() -> Principal {
    Principal::User {
        id: Uuid::nil(),
        roles: Arc::from([Box::from("role")]),
        claims: Arc::default(),
    }
}
