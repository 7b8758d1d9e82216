//! From the typed tree to a neutral predicate.
//!
//! Each condition becomes a pair, where it is true and where it is false ([`Cond`]); where it is neither it has an error.
//! Each value becomes a term with what is known about it ([`Valued`]). Two invariants carry all the rest:
//!
//! - **A value that has an error is null.** So a comparison, which is false beside null, needs no guard to be exact.
//! - **A value that is not `nullable` is null only when it has an error.** So "has no error" is "is not null".
//!
//! What the facts decide is folded away by the evaluator itself, which is why both back ends agree on it; only `auth.id`,
//! `auth.roles` and `now` beside something stored stay parameters, so that the statement's text is the same for all.

mod arithmetic;
mod calls;
mod condition;
mod json;
mod rebind;
mod rows;
mod sets;

use std::cell::Cell;

use super::evaluate::evaluate;
use super::typed::{Kind, Node};
use super::types::Type;
use super::{Aliases, Before, ExprError, Facts, Input, Lowering, Visibility};
use crate::access::Principal;
use crate::model::{Model, Value};
use crate::query::functions::compare;
use crate::query::{Alias, Comparison, Param, Pred, Term};

pub(super) use rebind::unique_binders;

/// How many nodes the inner parts of a predicate may have where they would be multiplied.
const NODES_MAX: usize = 4000;

type Lowers<T> = Result<T, ExprError>;

/// Where a condition is true and where it is false.
#[derive(Debug, Clone)]
struct Cond {
    yes: Pred,
    no: Pred,
    /// There are no errors: `no` is the complement of `yes`.
    total: bool,
}

/// A term and what is known about it; see the module's invariants.
#[derive(Debug, Clone)]
struct Valued {
    term: Term,
    /// Whether null is a value that it can have.
    nullable: bool,
    /// Where it has no error. Of what is not `nullable` only whether it is constantly true counts.
    defined: Pred,
    /// Bounds of an integer, of a moment or a duration in milliseconds, of a Decimal times a million. Of a float: it can
    /// be an operand as it is.
    range: Option<(i128, i128)>,
}

/// A record that fields are read from.
#[derive(Debug, Clone)]
enum Row {
    Bound(Alias),
    /// The row before the change, as parameters.
    Parameters,
    /// The record with this key.
    Behind(Valued),
    /// There is none: reading a field is an error.
    Nowhere,
}

/// What an iteration variable stands for.
#[derive(Debug, Clone)]
enum Bound {
    Row(Alias),
    Value(Valued),
}

pub(super) struct Lowerer<'l> {
    model: &'l Model,
    facts: Facts<'l>,
    root: Alias,
    aliases: &'l mut Aliases,
    visibility: Option<&'l dyn Visibility>,
    before: BeforeMode<'l>,
    /// The condition is taken from the stored row.
    capturing: bool,
    variables: Vec<Bound>,
    /// Something was folded that is not the same for all callers of a kind.
    personal: Cell<bool>,
}

/// [`Before`], or nothing known.
pub(super) enum BeforeMode<'l> {
    Record,
    Absent,
    Captured(&'l mut Vec<Pred>),
    /// A decision must hold whatever `before` is.
    Unknown,
}

impl<'l> Lowerer<'l> {
    pub(super) fn new(lowering: &'l mut Lowering<'_>) -> Self {
        Self {
            model: lowering.model,
            facts: lowering.facts,
            root: lowering.root,
            aliases: lowering.aliases,
            visibility: lowering.visibility,
            before: match &mut lowering.before {
                Before::Record => BeforeMode::Record,
                Before::Absent => BeforeMode::Absent,
                Before::Captured(captures) => BeforeMode::Captured(captures),
            },
            capturing: false,
            variables: Vec::new(),
            personal: Cell::new(false),
        }
    }

    /// For what the facts alone decide.
    pub(super) fn deciding(model: &'l Model, facts: Facts<'l>, aliases: &'l mut Aliases) -> Self {
        Self {
            model,
            facts,
            root: Alias::ROOT,
            aliases,
            visibility: None,
            before: BeforeMode::Unknown,
            capturing: false,
            variables: Vec::new(),
            personal: Cell::new(false),
        }
    }

    /// Whether what it has lowered depends on more of the facts than whether a user asks, or nobody.
    pub(super) fn is_personal(&self) -> bool {
        self.personal.get()
    }

    /// Where a condition is true.
    pub(super) fn predicate(&mut self, node: &Node) -> Lowers<Pred> {
        let pred = self.cond(node)?.yes;
        Ok(unique_binders(pred, self.aliases))
    }

    /// A value; null where it has an error.
    pub(super) fn sort_term(&mut self, node: &Node) -> Lowers<Term> {
        let term = self.value(node)?.term;
        Ok(rebind::unique_binders_of_term(term, self.aliases))
    }

    fn value(&mut self, node: &Node) -> Lowers<Valued> {
        if let Some(known) = self.parameter(node) {
            return Ok(known);
        }
        if node.deps.facts_only() {
            return Ok(self.folded(node));
        }
        match &node.kind {
            Kind::Record | Kind::Before => Ok(self.own_key(node)),
            Kind::Variable(level) => Ok(self.variable(*level, node)),
            Kind::Field { of, collection, field } => {
                let row = self.row(of)?;
                Ok(self.field(&row, *collection, *field))
            }
            Kind::Part { .. } => self.part(node),
            // Also of conditions: unlike them a value may be null.
            Kind::If(parts) => self.choice(parts),
            Kind::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right, node),
            Kind::Negate(inner) => self.negate(inner),
            Kind::Call(call, argument) => self.call(*call, argument, node),
            _ if node.ty == Type::Bool => {
                let cond = self.cond(node)?;
                Ok(cond.into_value())
            }
            _ => Err(ExprError::new(node.span.clone(), "this can't be asked of a database")),
        }
    }

    /// What stays a parameter, so that the text of a statement doesn't change with the caller.
    fn parameter(&self, node: &Node) -> Option<Valued> {
        let of_user = match &node.kind {
            Kind::AuthId | Kind::AuthUser => true,
            Kind::Field { of, .. } => matches!(of.kind, Kind::AuthUser) && !node.deps.relations,
            Kind::Now => {
                let mut now = Valued::sure(Term::Param(Param::Now));
                now.range = Some(arithmetic::MOMENTS);
                return Some(now);
            }
            _ => false,
        };
        match self.facts.principal {
            Principal::User { .. } if of_user => Some(Valued::sure(Term::Param(Param::AuthId))),
            _ => None,
        }
    }

    /// What depends on the facts alone, as the evaluator has it.
    fn folded(&self, node: &Node) -> Valued {
        match self.fact(node) {
            Some(value) => Valued::constant(match value {
                Value::Duration(ms) => Value::Int(ms),
                other => other,
            }),
            None => Valued::error(),
        }
    }

    /// `None` for an error.
    fn fact(&self, node: &Node) -> Option<Value> {
        if !self.is_same_for_all(node) {
            self.personal.set(true);
        }
        let input = Input {
            model: self.model,
            facts: self.facts,
            record: None,
            before: None,
            related: None,
        };
        evaluate(node, input).ok().map(|value| value.into_value(false))
    }

    /// Whether a fact is the same for everybody who is signed in, or for everybody who isn't.
    fn is_same_for_all(&self, node: &Node) -> bool {
        let is_caller = |node: &Node| matches!(node.kind, Kind::Auth | Kind::AuthId | Kind::AuthUser);
        let is_null = |node: &Node| node.constant().is_some_and(Value::is_null);
        match &node.kind {
            _ if node.deps.request || node.deps.now => false,
            _ if !node.deps.auth || self.facts.principal.is_anonymous() => true,
            Kind::Equal { left, right, .. } => is_caller(left) && is_null(right) || is_null(left) && is_caller(right),
            Kind::Not(inner) => self.is_same_for_all(inner),
            Kind::And(left, right) | Kind::Or(left, right) => self.is_same_for_all(left) && self.is_same_for_all(right),
            _ => false,
        }
    }

    fn variable(&mut self, level: u8, node: &Node) -> Valued {
        match self.variables[usize::from(level)].clone() {
            Bound::Value(value) => value,
            Bound::Row(alias) => match &node.ty {
                Type::Record(collection) => self.key_of(&Row::Bound(alias), *collection),
                _ => Valued::error(),
            },
        }
    }

    fn choice(&mut self, parts: &[Node; 3]) -> Lowers<Valued> {
        let [condition, then, otherwise] = parts;
        let cond = self.cond(condition)?;
        let (then, otherwise) = (self.value(then)?, self.value(otherwise)?);
        self.bounded(
            cond.size() + rebind::size_of_term(&then.term) + rebind::size_of_term(&otherwise.term),
            condition,
        )?;
        let defined = Pred::or([
            Pred::and([cond.yes.clone(), then.defined()]),
            Pred::and([cond.no.clone(), otherwise.defined()]),
        ]);
        let range = match (then.range, otherwise.range) {
            (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
            _ => None,
        };
        let certain = cond.total && then.is_certain() && otherwise.is_certain();
        Ok(Valued {
            nullable: then.nullable || otherwise.nullable,
            term: cond.choose(then.term, otherwise.term),
            defined: if certain { Pred::Const(true) } else { defined },
            range,
        })
    }

    fn bounded(&self, size: usize, node: &Node) -> Lowers<()> {
        if size <= NODES_MAX {
            return Ok(());
        }
        Err(
            ExprError::new(node.span.clone(), "this grows too large for a database to ask")
                .help("write it in a simpler way"),
        )
    }
}

impl Valued {
    /// Neither null nor an error.
    fn sure(term: Term) -> Self {
        Self {
            term,
            nullable: false,
            defined: Pred::Const(true),
            range: None,
        }
    }

    fn constant(value: Value) -> Self {
        let range = match &value {
            Value::Int(int) => Some((i128::from(*int), i128::from(*int))),
            Value::DateTime(moment) => Some((i128::from(moment.0), i128::from(moment.0))),
            Value::Decimal(decimal) => Some((i128::from(decimal.0), i128::from(decimal.0))),
            Value::Float(float) if crate::query::functions::is_float_operand(*float) => Some((0, 0)),
            _ => None,
        };
        Self {
            nullable: value.is_null(),
            term: Term::Const(value),
            defined: Pred::Const(true),
            range,
        }
    }

    fn error() -> Self {
        Self {
            term: Term::Const(Value::Null),
            nullable: true,
            defined: Pred::Const(false),
            range: None,
        }
    }

    fn is_certain(&self) -> bool {
        self.defined == Pred::Const(true)
    }

    /// Where it has no error.
    fn defined(&self) -> Pred {
        if self.nullable || self.is_certain() {
            self.defined.clone()
        } else {
            Pred::IsNull(self.term.clone()).complement()
        }
    }

    /// Where it is neither null nor an error.
    fn present(&self) -> Pred {
        match &self.term {
            Term::Const(value) => Pred::Const(!value.is_null()),
            _ if !self.nullable && self.is_certain() => Pred::Const(true),
            term => Pred::IsNull(term.clone()).complement(),
        }
    }

    fn is_sure(&self) -> bool {
        !self.nullable && self.is_certain()
    }
}

impl Cond {
    fn of(yes: Pred, no: Pred, total: bool) -> Self {
        let settled = matches!((&yes, &no), (Pred::Const(a), Pred::Const(b)) if a != b);
        Self {
            yes,
            no,
            total: total || settled,
        }
    }

    /// Never an error.
    fn total(yes: Pred) -> Self {
        let no = yes.clone().complement();
        Self { yes, no, total: true }
    }

    fn error() -> Self {
        Self::of(Pred::Const(false), Pred::Const(false), false)
    }

    fn negated(self) -> Self {
        Self {
            yes: self.no,
            no: self.yes,
            total: self.total,
        }
    }

    /// Where it is false or an error.
    fn not_yes(&self) -> Pred {
        if self.total {
            self.no.clone()
        } else {
            self.yes.clone().complement()
        }
    }

    /// Where it is true or an error.
    fn not_no(&self) -> Pred {
        if self.total {
            self.yes.clone()
        } else {
            self.no.clone().complement()
        }
    }

    /// Where it is not an error.
    fn defined(&self) -> Pred {
        if self.total {
            Pred::Const(true)
        } else {
            Pred::or([self.yes.clone(), self.no.clone()])
        }
    }

    fn and(self, other: Self) -> Self {
        let total = self.total && other.total;
        Self::of(Pred::and([self.yes, other.yes]), Pred::or([self.no, other.no]), total)
    }

    fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }

    /// Both hold only where `guard` does.
    fn guarded(self, guard: Pred) -> Self {
        let total = self.total && guard == Pred::Const(true);
        Self::of(Pred::and([guard.clone(), self.yes]), Pred::and([guard, self.no]), total)
    }

    /// One term where it is true, another where it is false, null where it is an error.
    fn choose(self, then: Term, otherwise: Term) -> Term {
        let other = match (&self.total, &self.no) {
            (true, _) => otherwise,
            (false, Pred::Const(false)) => Term::Const(Value::Null),
            (false, _) => if_term(self.no, otherwise, Term::Const(Value::Null)),
        };
        if_term(self.yes, then, other)
    }

    fn into_value(self) -> Valued {
        let defined = self.defined();
        let term = match (self.total, self.yes) {
            (_, Pred::Const(truth)) if self.total => Term::Const(Value::Bool(truth)),
            (true, yes) => Term::Bool(Box::new(yes)),
            (false, yes) => if_term(defined.clone(), Term::Bool(Box::new(yes)), Term::Const(Value::Null)),
        };
        Valued {
            term,
            nullable: defined == Pred::Const(false),
            defined,
            range: None,
        }
    }

    fn size(&self) -> usize {
        rebind::size_of_pred(&self.yes) + rebind::size_of_pred(&self.no)
    }
}

fn if_term(condition: Pred, then: Term, otherwise: Term) -> Term {
    match condition {
        Pred::Const(true) => then,
        Pred::Const(false) => otherwise,
        condition => Term::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
    }
}

/// A comparison with what is constant folded, and the stored side on the left.
fn comparison(comparison: Comparison, left: Term, right: Term) -> Pred {
    match (left, right) {
        (Term::Const(left), Term::Const(right)) => {
            Pred::Const(compare(&left, &right).is_some_and(|order| comparison.accepts(order)))
        }
        (Term::Const(Value::Null), _) | (_, Term::Const(Value::Null)) => Pred::Const(false),
        (left @ (Term::Const(_) | Term::Param(_)), right) if !matches!(right, Term::Const(_)) => {
            Pred::Compare(comparison.mirrored(), right, left)
        }
        (left, right) => Pred::Compare(comparison, left, right),
    }
}
