//! The one expression language: CEL, typed against the schema.
//!
//! [`Expression::compile`] parses with the `cel` crate and types the tree against the [`Model`]; what it
//! accepts has exactly one meaning and two back ends: [`Expression::evaluate`] in memory, and
//! [`Expression::predicate`] for a store. [`Expression::decide`] settles what depends on the caller alone.

mod anatomy;
mod check;
mod convert;
mod evaluate;
mod lower;
mod memo;
mod parse;
pub(crate) mod pattern;
mod scan;
#[cfg(test)]
mod tests;
mod typed;
mod types;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use crate::access::Principal;
use crate::model::{CollectionId, FieldId, FieldKind, Model, Scalar, Timestamp, Value, ValueType};
use crate::query::functions::json_scalar;
use crate::query::{Alias, Image, Pred, Term};

pub use anatomy::{Anatomy, Joint};
use lower::Lowerer;
use memo::Memo;
pub(crate) use scan::without_values;
use typed::Node;

/// What is known before the database is asked.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub principal: &'a Principal,
    pub now: Timestamp,
    pub request: RequestFacts<'a>,
}

/// `request` in a rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestFacts<'a> {
    /// `request.operation`: `get`, `list`, `create`, `update`, `delete`.
    pub operation: &'a str,
    /// `request.address`: the client's, as text; null inside.
    pub address: Option<IpAddr>,
}

/// Which names an expression may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The collection of `record`, if there is one in scope.
    pub record: Option<CollectionId>,
    /// Whether `before` is in scope (of the same collection).
    pub before: bool,
    /// A caller's filter, where bare field names stand for `record.`'s.
    pub bare_fields: bool,
}

/// What an expression must yield.
#[derive(Debug, Clone, Copy)]
pub enum Expects<'a> {
    Condition,
    /// Something that the field can hold.
    ValueOf(&'a FieldKind),
    /// A scalar to sort by: a field of `record` or behind to-one relations.
    SortTerm,
}

/// Something wrong in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Bytes of the source.
    pub span: Range<usize>,
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ExprError {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    #[must_use]
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The message alone; the place is the reader's to show.
impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// What an expression reads of the database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reads {
    /// Own fields of `record` and `before`, links and inverses included.
    pub fields: Vec<FieldId>,
    /// Collections reached through relations.
    pub collections: Vec<CollectionId>,
    /// Every field touched, of any collection.
    pub paths: Vec<(CollectionId, FieldId)>,
    pub now: bool,
    pub before: bool,
}

/// What the caller alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Always,
    /// False or an error, whatever the record: an error at the root denies.
    Never,
    /// On the record.
    Depends,
}

/// Other records, for [`Expression::evaluate`] of what is not local.
pub trait Related {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image>;
    /// Keys of the targets of a to-many field, or of the records at the other end of an inverse one.
    fn members(&self, collection: CollectionId, field: FieldId, key: &Value) -> Vec<Value>;
}

/// What [`Expression::evaluate`] reads.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub model: &'a Model,
    pub facts: Facts<'a>,
    pub record: Option<&'a Image>,
    pub before: Option<&'a Image>,
    pub related: Option<&'a dyn Related>,
}

/// CEL's runtime errors: no such overload, division by zero, overflow, a null dereferenced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

/// What a caller may see of the records that its own filter or sort passes through. Rules pass `None`: they see all.
pub trait Visibility {
    /// The read rule of `collection` for the row bound to `alias`.
    fn record(&self, collection: CollectionId, alias: Alias, aliases: &mut Aliases) -> Pred;
    /// The field's own read rule, on the row bound to `alias`; where false the field is null.
    fn field(&self, collection: CollectionId, field: FieldId, alias: Alias, aliases: &mut Aliases) -> Pred;
}

/// Hands out aliases, each once per statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aliases(u16);

impl Default for Aliases {
    fn default() -> Self {
        Self(Alias::ROOT.0 + 1)
    }
}

impl Aliases {
    pub fn fresh(&mut self) -> Alias {
        let alias = Alias(self.0);
        self.0 = self.0.saturating_add(1);
        alias
    }
}

/// How to turn an expression into a predicate.
pub struct Lowering<'a> {
    pub model: &'a Model,
    pub facts: Facts<'a>,
    /// The row that `record` is.
    pub root: Alias,
    pub aliases: &'a mut Aliases,
    /// `None` for the schema's rules.
    pub visibility: Option<&'a dyn Visibility>,
    pub before: Before<'a>,
}

/// What `before` means where a predicate is used.
pub enum Before<'a> {
    /// The stored row is being judged: `before` is `record`.
    Record,
    /// A create's result is being judged: `before` is null.
    Absent,
    /// An update's result is being judged: `before`'s fields become `Param::Before`, and truths about its relations are
    /// pushed here, to be taken from the stored row (with `record` as `Alias::ROOT`); they become `Pred::Captured(index)`.
    Captured(&'a mut Vec<Pred>),
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    source: String,
    reads: Reads,
    root: Node,
    goes_to: Destination,
    memo: Memo,
}

/// What the value of an expression is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Anywhere,
    /// A field that keeps lists and documents as JSON.
    JsonField,
    /// A scalar field, which a claim of the caller must be converted for.
    Scalar(Scalar),
}

impl Destination {
    fn of(expects: Expects<'_>) -> Self {
        match expects {
            Expects::ValueOf(FieldKind::Value(ty)) => match ty {
                ValueType::Scalar(Scalar::Json) | ValueType::Document(_) | ValueType::List { .. } => Self::JsonField,
                ValueType::Scalar(scalar) => Self::Scalar(*scalar),
                ValueType::Enum(_) => Self::Scalar(Scalar::String),
            },
            _ => Self::Anywhere,
        }
    }
}

impl Expression {
    /// Parses and types. All errors at once.
    ///
    /// # Errors
    /// Never empty; in the order of their places.
    pub fn compile(source: &str, scope: Scope, expects: Expects<'_>, model: &Model) -> Result<Self, Vec<ExprError>> {
        let syntax = parse::parse(source)?;
        let checked = check::check(&syntax, scope, expects, model)?;
        Ok(Self {
            source: source.to_owned(),
            reads: checked.reads,
            root: checked.root,
            goes_to: Destination::of(expects),
            memo: Memo::default(),
        })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Whether [`Expression::evaluate`] needs no `related`: it reads the record's own columns and the facts.
    pub fn is_local(&self) -> bool {
        !self.root.deps.relations
    }

    /// What the facts alone decide of a condition. What depends on `before` is left open, whatever `before` will mean.
    pub fn decide(&self, model: &Model, facts: Facts<'_>) -> Decision {
        let kept = self.memo.of(facts).map(|kept| &kept.decision);
        if let Some(Some(decision)) = kept.and_then(|kept| kept.get()) {
            return *decision;
        }
        let mut aliases = Aliases::default();
        let mut lowerer = Lowerer::deciding(model, facts, &mut aliases);
        let decision = match lowerer.predicate(&self.root) {
            Ok(Pred::Const(true)) => Decision::Always,
            Ok(Pred::Const(false)) => Decision::Never,
            Ok(_) | Err(_) => Decision::Depends,
        };
        if let Some(kept) = kept {
            kept.get_or_init(|| (!lowerer.is_personal()).then_some(decision));
        }
        decision
    }

    /// The value, as CEL has it. A reference is its key; a list for a field that keeps it as JSON is [`Value::Json`].
    ///
    /// # Errors
    /// CEL's runtime errors.
    pub fn evaluate(&self, input: Input<'_>) -> Result<Value, EvalError> {
        let value = evaluate::evaluate(&self.root, input)?.into_value(self.goes_to == Destination::JsonField);
        match (self.goes_to, value) {
            (Destination::Scalar(scalar), Value::Json(json)) => {
                let claim = serde_json::from_str(&json).unwrap_or(serde_json::Value::Null);
                match json_scalar(&claim, scalar) {
                    Value::Null => Err(EvalError("the claim has another type".into())),
                    value => Ok(value),
                }
            }
            (_, value) => Ok(value),
        }
    }

    /// Whether a condition is true; an error is not.
    pub fn holds(&self, input: Input<'_>) -> bool {
        matches!(self.evaluate(input), Ok(Value::Bool(true)))
    }

    /// Where a condition is true; an error is not. What the facts decide is folded away.
    ///
    /// # Errors
    /// What no predicate can say (found at start for rules, by [`Expression::compile`]'s caller lowering once).
    pub fn predicate(&self, lowering: &mut Lowering<'_>) -> Result<Pred, ExprError> {
        let is_usual = lowering.root == Alias::ROOT
            && *lowering.aliases == Aliases::default()
            && lowering.visibility.is_none()
            && !self.root.deps.before;
        let kept = self.memo.of(lowering.facts).filter(|_| is_usual);
        let kept = kept.map(|kept| &kept.predicate);
        if let Some(Some((predicate, aliases))) = kept.and_then(|kept| kept.get()) {
            *lowering.aliases = *aliases;
            return Ok(predicate.clone());
        }
        let mut lowerer = Lowerer::new(lowering);
        let predicate = lowerer.predicate(&self.root)?;
        let is_personal = lowerer.is_personal();
        if let Some(kept) = kept {
            kept.get_or_init(|| (!is_personal).then(|| (predicate.clone(), *lowering.aliases)));
        }
        Ok(predicate)
    }

    /// The term of a [`Expects::SortTerm`] expression; null where it has an error.
    ///
    /// # Errors
    /// As for [`Expression::predicate`].
    pub fn term(&self, lowering: &mut Lowering<'_>) -> Result<Term, ExprError> {
        Lowerer::new(lowering).sort_term(&self.root)
    }

    /// The type that a store has its value in; `None` where it has none.
    pub fn scalar(&self, model: &Model) -> Option<Scalar> {
        self.root.ty.scalar(model)
    }
}
