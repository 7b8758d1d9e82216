//! The condition of a partial index as SQL.
//!
//! A structure keeps it in the schema's own language; the model that it came from may be long gone, so it is read
//! against a skeleton of the structure.

use engine::access::Principal;
use engine::expr::{Aliases, Before, Expects, ExprError, Expression, Facts, Lowering, RequestFacts, Scope};
use engine::model::{StoredCollection, StoredIndex, Structure, Timestamp, Value};
use engine::query::{Alias, Bindings};

use crate::compile::{self, DialectRef};

/// `None` for an index of all records.
///
/// # Errors
/// In words, when it isn't a condition over the collection's own stored fields.
pub(crate) fn condition(
    dialect: DialectRef,
    structure: &Structure,
    collection: &StoredCollection,
    index: &StoredIndex,
) -> Result<Option<String>, String> {
    let Some(only) = &index.only else { return Ok(None) };
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
    let bindings = Bindings {
        auth_id: Value::Null,
        auth_roles: Value::List(Vec::new()),
        now: Timestamp(0),
    };
    Ok(Some(compile::definition(dialect, &model, &bindings, collection, &pred)))
}
