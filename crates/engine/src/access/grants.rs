//! The model's rules, for one caller, as predicates.
//!
//! An administrator is granted by every rule; a missing rule grants to nobody else.

use std::sync::Arc;

use crate::error::{Error, ErrorCode};
use crate::expr::{Aliases, Before, Decision, Expression, Facts, Lowering, Visibility};
use crate::model::{Collection, CollectionId, FieldId, FieldRule, Model};
use crate::query::{Alias, Pred, Refusal};

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Create,
    Update,
    Delete,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// The rules as they stand for one caller in one request.
#[derive(Clone, Copy)]
pub(crate) struct Grants<'a> {
    pub(crate) model: &'a Model,
    pub(crate) facts: Facts<'a>,
}

impl<'a> Grants<'a> {
    pub(crate) fn new(model: &'a Model, facts: Facts<'a>) -> Self {
        Self { model, facts }
    }

    pub(crate) fn rule(collection: &Collection, operation: Operation) -> Option<&Arc<Expression>> {
        let access = &collection.access;
        match operation {
            Operation::Read => access.read.as_ref(),
            Operation::Create => access.create.as_ref(),
            Operation::Update => access.update.as_ref(),
            Operation::Delete => access.delete.as_ref(),
        }
    }

    /// What the caller alone decides about an operation.
    pub(crate) fn decide(&self, collection: &Collection, operation: Operation) -> Decision {
        if self.facts.principal.is_administrator() {
            return Decision::Always;
        }
        match Self::rule(collection, operation) {
            Some(rule) => rule.decide(self.model, self.facts),
            None => Decision::Never,
        }
    }

    pub(crate) fn decide_field(&self, rule: &FieldRule) -> Decision {
        match rule {
            _ if self.facts.principal.is_administrator() => Decision::Always,
            FieldRule::Inherit => Decision::Always,
            FieldRule::Administrators => Decision::Never,
            FieldRule::Rule(rule) => rule.decide(self.model, self.facts),
        }
    }

    pub(crate) fn decide_field_write(&self, collection: &Collection, field: FieldId) -> Decision {
        if mutant!(FieldWrite) {
            return Decision::Always;
        }
        self.decide_field(&collection.field(field).write)
    }

    /// The rule that still has to be judged on a record, when the caller alone doesn't decide.
    pub(crate) fn residue<'m>(&self, collection: &'m Collection, operation: Operation) -> Option<&'m Arc<Expression>> {
        match self.decide(collection, operation) {
            Decision::Depends => Self::rule(collection, operation),
            Decision::Always | Decision::Never => None,
        }
    }

    /// The row predicate of an operation, on the row bound to `root`.
    pub(crate) fn predicate(
        &self,
        collection: &Collection,
        operation: Operation,
        root: Alias,
        aliases: &mut Aliases,
    ) -> Result<Pred, Error> {
        match self.decide(collection, operation) {
            Decision::Always => Ok(Pred::Const(true)),
            Decision::Never => Ok(Pred::Const(false)),
            Decision::Depends => match Self::rule(collection, operation) {
                Some(rule) => self.lower(rule, root, aliases, Before::Record),
                None => Ok(Pred::Const(false)),
            },
        }
    }

    /// A rule of the schema as a predicate; it sees all that it reads.
    pub(crate) fn lower(
        &self,
        rule: &Expression,
        root: Alias,
        aliases: &mut Aliases,
        before: Before<'_>,
    ) -> Result<Pred, Error> {
        let mut lowering = Lowering {
            model: self.model,
            facts: self.facts,
            root,
            aliases,
            visibility: None,
            before,
        };
        rule.predicate(&mut lowering)
            .map_err(|error| Error::internal(format!("rule `{}` can't be lowered: {}", rule.source(), error.message)))
    }

    /// What an operation that reads `collection` conjoins, with the row as `Alias::ROOT`.
    pub(crate) fn read_guard(&self, collection: &Collection) -> Result<Pred, Error> {
        if mutant!(ReadRule) {
            return Ok(Pred::Const(true));
        }
        self.predicate(collection, Operation::Read, Alias::ROOT, &mut Aliases::default())
    }

    /// Where a field may be read, given that its record may.
    pub(crate) fn field_guard(
        &self,
        collection: &Collection,
        field: FieldId,
        root: Alias,
        aliases: &mut Aliases,
    ) -> Result<Pred, Error> {
        if mutant!(FieldRead) {
            return Ok(Pred::Const(true));
        }
        let rule = &collection.field(field).read;
        match (self.decide_field(rule), rule) {
            (Decision::Always, _) => Ok(Pred::Const(true)),
            (Decision::Depends, FieldRule::Rule(rule)) => self.lower(rule, root, aliases, Before::Record),
            (Decision::Never | Decision::Depends, _) => Ok(Pred::Const(false)),
        }
    }

    /// What a caller who is denied is told.
    pub(crate) fn denied(&self, what: &str) -> Error {
        if self.facts.principal.is_anonymous() {
            Error::new(ErrorCode::Unauthenticated, format!("sign in to {what}"))
        } else {
            Error::new(ErrorCode::Forbidden, format!("you are not allowed to {what}"))
        }
    }

    /// The refusal of a store, in the caller's terms.
    pub(crate) fn refused(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::NotFound => Error::not_found(),
            Refusal::Forbidden => self.denied("do this to this record"),
            Refusal::Stale => Error::new(
                ErrorCode::Stale,
                "the record has another version by now; read it again and retry",
            ),
            Refusal::Invalid(fields) => Error::invalid(fields),
        }
    }
}

/// A caller's own filters, sorts and expansions see of each hop what the caller may read.
impl Visibility for Grants<'_> {
    fn record(&self, collection: CollectionId, alias: Alias, aliases: &mut Aliases) -> Pred {
        if mutant!(FilterHop) {
            return Pred::Const(true);
        }
        self.predicate(self.model.collection(collection), Operation::Read, alias, aliases)
            .unwrap_or(Pred::Const(false))
    }

    fn field(&self, collection: CollectionId, field: FieldId, alias: Alias, aliases: &mut Aliases) -> Pred {
        self.field_guard(self.model.collection(collection), field, alias, aliases)
            .unwrap_or(Pred::Const(false))
    }
}
