//! Callers' expressions: filters and sort terms, compiled once for as long as they are asked again.
//!
//! Clients send the same few texts with every page, and compiling one costs more than the page. What is kept doesn't
//! depend on the caller: an expression is typed against the model alone, and lowered under each caller's rights.

use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::error::{Error, FieldError};
use crate::expr::{Expects, ExprError, Expression, Scope};
use crate::model::{Collection, CollectionId, Epoch, Model};
use crate::operations::shape::unknown_field;

/// Texts kept. A compiled expression takes some fifty times the memory of its text, and each word of it counts.
const SOURCE_BYTES_MAX: u64 = 256 * 1024;
/// What a kept text costs besides its length.
const OVERHEAD_BYTES: u64 = 64;
const EXPRESSIONS_EXPECTED: usize = 1024;

/// Where a caller may write an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Filter,
    Sort,
}

impl Role {
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Sort => "sort",
        }
    }

    fn expects(self) -> Expects<'static> {
        match self {
            Self::Filter => Expects::Condition,
            Self::Sort => Expects::SortTerm,
        }
    }
}

/// A bounded cache of what [`Expressions::compile`] has made.
pub(crate) struct Expressions(Cache<Kept, Arc<Expression>, BySource>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kept {
    epoch: Epoch,
    collection: CollectionId,
    role: Role,
    source: Box<str>,
}

/// A [`Kept`] with a borrowed text; hashes as that does.
#[derive(Hash)]
struct Asked<'s> {
    epoch: Epoch,
    collection: CollectionId,
    role: Role,
    source: &'s str,
}

impl Equivalent<Kept> for Asked<'_> {
    fn equivalent(&self, kept: &Kept) -> bool {
        self.epoch == kept.epoch
            && self.collection == kept.collection
            && self.role == kept.role
            && *self.source == *kept.source
    }
}

#[derive(Clone)]
struct BySource;

impl Weighter<Kept, Arc<Expression>> for BySource {
    fn weight(&self, kept: &Kept, _: &Arc<Expression>) -> u64 {
        kept.source.len() as u64 + OVERHEAD_BYTES
    }
}

impl Default for Expressions {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPRESSIONS_EXPECTED, SOURCE_BYTES_MAX, BySource))
    }
}

impl Expressions {
    /// A caller's expression on `collection`. What is private can't be asked about.
    pub(crate) fn compile(
        &self,
        model: &Model,
        collection: &Collection,
        role: Role,
        source: &str,
    ) -> Result<Arc<Expression>, Error> {
        let asked = Asked {
            epoch: model.epoch,
            collection: collection.id,
            role,
            source,
        };
        if let Some(known) = self.0.get(&asked) {
            return Ok(known);
        }
        let expression = Arc::new(compile(model, collection, role, source)?);
        let kept = Kept {
            epoch: asked.epoch,
            collection: asked.collection,
            role,
            source: source.into(),
        };
        self.0.insert(kept, expression.clone());
        Ok(expression)
    }
}

fn compile(model: &Model, collection: &Collection, role: Role, source: &str) -> Result<Expression, Error> {
    let scope = Scope {
        record: Some(collection.id),
        before: false,
        bare_fields: true,
    };
    let expression = Expression::compile(source, scope, role.expects(), model)
        .map_err(|errors| not_valid(role.parameter(), source, errors))?;
    for (collection, field) in &expression.reads().paths {
        let collection = model.collection(*collection);
        let field = collection.field(*field);
        if field.private {
            return Err(unknown_field(role.parameter(), collection, &field.name));
        }
    }
    Ok(expression)
}

fn not_valid(parameter: &'static str, source: &str, errors: Vec<ExprError>) -> Error {
    let mut problem = Error::parameter(parameter, "bad_expression", "the expression is not valid; see errors");
    problem.fields = errors
        .into_iter()
        .map(|error| {
            let help = error.help.map_or(String::new(), |help| format!("; {help}"));
            let before = source.get(..error.span.start);
            let column = before.map_or(0, |before| before.chars().count()) + 1;
            let message = format!("column {column}: {}{help}", error.message);
            FieldError::new(parameter, "bad_expression", message)
        })
        .collect();
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(epoch: u64, note: &str) -> Model {
        let schema = format!("type Note @collection {{ text: {note} secret: String @private }}");
        let mut model = Model::read(&schema, "schema.graphql").expect("the schema is right");
        model.epoch = Epoch(epoch);
        model
    }

    #[test]
    fn an_expression_is_kept_for_its_model_collection_and_role_alone() {
        let expressions = Expressions::default();
        let compile = |model: &Model, role, source| {
            expressions.compile(model, model.by_name("Note").expect("it is in the schema"), role, source)
        };
        let (first, second) = (model(1, "String!"), model(2, "Int!"));
        let kept = compile(&first, Role::Filter, "text == 'a'").unwrap();
        assert!(Arc::ptr_eq(
            &kept,
            &compile(&first, Role::Filter, "text == 'a'").unwrap()
        ));
        assert!(
            compile(&second, Role::Filter, "text == 'a'").is_err(),
            "another model has another meaning"
        );
        compile(&first, Role::Sort, "text").unwrap();
        assert!(compile(&first, Role::Filter, "text").is_err(), "text is no condition");
        assert!(compile(&first, Role::Filter, "secret == 'a'").is_err());
    }

    #[test]
    fn a_flood_of_texts_is_bounded() {
        let (expressions, model) = (Expressions::default(), model(1, "String!"));
        let note = model.by_name("Note").expect("it is in the schema");
        for number in 0..20_000 {
            expressions
                .compile(&model, note, Role::Sort, &format!("text{}", " ".repeat(number % 200)))
                .unwrap();
        }
        assert!(expressions.0.weight() <= SOURCE_BYTES_MAX);
    }
}
