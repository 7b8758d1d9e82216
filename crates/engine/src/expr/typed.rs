//! The typed tree: names resolved to ids, constants converted, comparisons between values of one type.
//!
//! Both back ends start here, and neither looks at text again.

use std::ops::Range;

use regex::Regex;

use super::types::Type;
use crate::model::{CollectionId, FieldId, Value};
use crate::query::{Arithmetic, Comparison, TextTest};

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) ty: Type,
    pub(super) span: Range<usize>,
    pub(super) deps: Deps,
}

/// What a node's value depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deps {
    pub(super) record: bool,
    pub(super) before: bool,
    /// The relations of `before`: links that may have changed, and records behind a reference.
    pub(super) before_relations: bool,
    /// Any record but `record` and `before` themselves.
    pub(super) relations: bool,
    pub(super) auth: bool,
    pub(super) request: bool,
    pub(super) now: bool,
    /// Iteration variables, by their level; a bit each.
    pub(super) variables: u8,
}

impl Deps {
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            record: self.record || other.record,
            before: self.before || other.before,
            before_relations: self.before_relations || other.before_relations,
            relations: self.relations || other.relations,
            auth: self.auth || other.auth,
            request: self.request || other.request,
            now: self.now || other.now,
            variables: self.variables | other.variables,
        }
    }

    /// Nothing in the database, and no iteration variable.
    pub(super) fn facts_only(self) -> bool {
        !(self.record || self.before || self.relations) && self.variables == 0
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Null, a scalar, or a list of scalars.
    Const(Value),
    Auth,
    AuthId,
    AuthRoles,
    AuthClaims,
    AuthUser,
    RequestOperation,
    RequestAddress,
    Now,
    Record,
    Before,
    /// An iteration variable, by its level.
    Variable(u8),
    Field {
        of: Box<Node>,
        collection: CollectionId,
        field: FieldId,
    },
    /// A part of a document or of JSON.
    Part {
        of: Box<Node>,
        name: Box<str>,
    },
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// Condition, then, otherwise.
    If(Box<[Node; 3]>),
    Equal {
        negated: bool,
        left: Box<Node>,
        right: Box<Node>,
    },
    Order(Comparison, Box<Node>, Box<Node>),
    /// An item, and a list, a set, or JSON of the caller.
    In(Box<Node>, Box<Node>),
    Text(TextTest, Box<Node>, Box<Node>),
    Matches(Box<Node>, Regex),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Negate(Box<Node>),
    Call(Call, Box<Node>),
    /// Of items that are not all constant.
    List(Vec<Node>),
    Each(Box<Each>),
}

/// Functions of one argument; the argument's type tells the overload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Of text, bytes, a list or a set.
    Size,
    LowerAscii,
    UpperAscii,
    Trim,
    ToInt,
    ToFloat,
    ToDecimal,
    ToText,
    ToDateTime,
    ToDate,
    Part(TimePart),
    /// Of a duration: the whole of it in this unit of so many milliseconds.
    DurationIn(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimePart {
    FullYear,
    Month,
    /// 1 to 31.
    Date,
    /// 0 to 30.
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// `range.exists(x, body)` and its kin. The body's variable has the level of the node's nesting.
#[derive(Debug, Clone)]
pub(super) struct Each {
    pub(super) kind: EachKind,
    pub(super) range: Node,
    pub(super) level: u8,
    pub(super) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EachKind {
    Exists,
    All,
    ExistsOne,
    Filter,
    Map,
}

impl Node {
    pub(super) fn new(kind: Kind, ty: Type, span: Range<usize>) -> Self {
        let deps = kind.deps();
        Self { kind, ty, span, deps }
    }

    /// What has an error already.
    pub(super) fn unknown(span: Range<usize>) -> Self {
        Self::new(Kind::Const(Value::Null), Type::Unknown, span)
    }

    pub(super) fn constant(&self) -> Option<&Value> {
        if let Kind::Const(value) = &self.kind {
            Some(value)
        } else {
            None
        }
    }
}

impl Kind {
    fn deps(&self) -> Deps {
        let none = Deps::default();
        match self {
            Self::Const(_) => none,
            Self::Auth | Self::AuthId | Self::AuthRoles | Self::AuthClaims | Self::AuthUser => {
                Deps { auth: true, ..none }
            }
            Self::RequestOperation | Self::RequestAddress => Deps { request: true, ..none },
            Self::Now => Deps { now: true, ..none },
            Self::Record => Deps { record: true, ..none },
            Self::Before => Deps { before: true, ..none },
            Self::Variable(level) => Deps {
                variables: 1 << level,
                ..none
            },
            // The checker adds what a field reads, for it knows the field's kind.
            Self::Field { of, .. } | Self::Part { of, .. } => of.deps,
            Self::Not(inner) | Self::Negate(inner) | Self::Call(_, inner) | Self::Matches(inner, _) => inner.deps,
            Self::And(left, right)
            | Self::Or(left, right)
            | Self::Equal { left, right, .. }
            | Self::Order(_, left, right)
            | Self::In(left, right)
            | Self::Text(_, left, right)
            | Self::Arithmetic(_, left, right) => left.deps.and(right.deps),
            Self::If(parts) => parts.iter().fold(none, |deps, part| deps.and(part.deps)),
            Self::List(items) => items.iter().fold(none, |deps, item| deps.and(item.deps)),
            Self::Each(each) => {
                let mut body = each.body.deps;
                body.variables &= !(1 << each.level);
                each.range.deps.and(body)
            }
        }
    }
}
