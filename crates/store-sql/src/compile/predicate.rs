//! Predicates and terms as SQL.
//!
//! A [`Pred`] is two-valued and SQL is not: a leaf whose operand is null yields null, which counts as false in `WHERE`,
//! `AND`, `OR` and `CASE`; so only the complement needs care, and is written `IS NOT TRUE`. Each term and predicate is
//! written so that it can stand anywhere without parentheses of its own.

use std::borrow::Cow;

use engine::Model;
use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, CollectionId, FieldId, FieldKind, Scalar, Value, ValueType};
use engine::query::{Alias, Bindings, Comparison, Image, Param, Pred, Set, Term, TextTest};

use super::links::Links;
use super::sql::Sql;
use super::term::operand;
use super::walk;

/// What a statement is written for.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) model: &'a Model,
    pub(crate) bindings: &'a Bindings,
    /// The row as it was before the change: its collection and image.
    pub(crate) before: Option<(&'a Collection, &'a Image)>,
    /// What `Pred::Captured` means.
    pub(crate) captured: &'a [bool],
}

impl<'a> Frame<'a> {
    pub(crate) fn reading(model: &'a Model, bindings: &'a Bindings) -> Self {
        Self {
            model,
            bindings,
            before: None,
            captured: &[],
        }
    }
}

/// What an alias stands for in the statement.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A row of a table that is called `t` and the alias' number.
    Row(&'a Collection),
    /// A key in the column of a link table that is called `l` and the alias' number.
    Link(&'a Collection, &'a str),
    /// An item of a stored list.
    JsonItem(Scalar),
    /// An item of a list of constants.
    ConstItem(Kind),
    /// A row whose columns go by their bare names.
    Bare(&'a Collection),
}

/// Writes one statement.
pub(super) struct Compiler<'a> {
    pub(super) sql: Sql<'a>,
    pub(super) frame: Frame<'a>,
    scope: Vec<(Alias, Source<'a>)>,
    /// Which of the records of a result row is being written about: 0 is the row's own, others are joined to it. Aliases are
    /// counted anew for each.
    pub(super) level: u32,
    /// How many records are joined so far.
    pub(super) levels: u32,
    /// Whether columns of the result get names: `c` and their place.
    pub(super) names_columns: bool,
}

impl<'a> Compiler<'a> {
    /// For a statement over the rows of `root`, called `t0`.
    pub(super) fn new(sql: Sql<'a>, frame: Frame<'a>, root: &'a Collection) -> Self {
        Self {
            sql,
            frame,
            scope: vec![(Alias::ROOT, Source::Row(root))],
            level: 0,
            levels: 0,
            names_columns: false,
        }
    }

    /// For a condition in the definition of `root`'s own table.
    pub(super) fn bare(sql: Sql<'a>, frame: Frame<'a>, root: &'a Collection) -> Self {
        Self {
            sql,
            frame,
            scope: vec![(Alias::ROOT, Source::Bare(root))],
            level: 0,
            levels: 0,
            names_columns: false,
        }
    }

    pub(super) fn collection(&self, id: CollectionId) -> &'a Collection {
        self.frame.model.collection(id)
    }

    /// How many columns the result has so far.
    pub(super) fn width(&self) -> usize {
        self.sql.width()
    }

    /// `"message" AS t0`
    pub(super) fn table(&mut self, collection: &Collection, alias: Alias) {
        self.sql.name(&collection.table).push(" AS ");
        self.alias('t', alias);
    }

    pub(super) fn alias(&mut self, letter: char, alias: Alias) {
        let mut buffer = [0; 4];
        self.sql
            .push(letter.encode_utf8(&mut buffer))
            .number(u64::from(alias.0));
        if self.level > 0 {
            self.sql.push("_").number(u64::from(self.level));
        }
    }

    pub(super) fn pred(&mut self, pred: &'a Pred) {
        match pred {
            Pred::Const(truth) => self.truth(*truth),
            Pred::And(parts) => self.joined(parts, " AND ", true),
            Pred::Or(parts) => self.joined(parts, " OR ", false),
            Pred::Not(inner) => {
                self.sql.push("((");
                self.pred(inner);
                self.sql.push(") IS NOT TRUE)");
            }
            Pred::Compare(comparison, left, right) => {
                let operator = match comparison {
                    Comparison::Eq => " = ",
                    Comparison::Ne => " <> ",
                    Comparison::Lt => " < ",
                    Comparison::Le => " <= ",
                    Comparison::Gt => " > ",
                    Comparison::Ge => " >= ",
                };
                self.infix(left, operator, right);
            }
            Pred::Same(left, right) => self.infix(left, self.sql.dialect.same(), right),
            Pred::IsNull(term) => {
                self.term(term);
                self.sql.push(" IS NULL");
            }
            Pred::InList(item, list) => self.in_list(item, list),
            Pred::Text(test, text, other) => {
                let dialect = self.sql.dialect;
                self.pieces(dialect.text_test(*test), |compiler, operand| match (test, other) {
                    _ if operand == 0 => compiler.term(text),
                    (TextTest::Matches, Term::Const(Value::Text(pattern))) => {
                        compiler.sql.bind(Cow::Owned(Value::text(dialect.pattern(pattern))));
                    }
                    _ => compiler.term(other),
                });
            }
            Pred::Truth(term) => self.term(term),
            Pred::Any(set, inner) => {
                self.sql.push("EXISTS (SELECT 1 FROM ");
                self.members(set, inner);
                self.sql.push(")");
            }
            Pred::Captured(index) => {
                let captured = self.frame.captured.get(usize::from(*index)).copied();
                self.truth(captured.expect("what a plan refers to it has captured"));
            }
        }
    }

    fn truth(&mut self, truth: bool) {
        self.sql.push(if truth { "TRUE" } else { "FALSE" });
    }

    /// As a balanced tree: databases limit how deep an expression may be, and count a flat list by its length.
    fn joined(&mut self, parts: &'a [Pred], operator: &str, empty: bool) {
        match parts {
            [] => self.truth(empty),
            [only] => self.pred(only),
            [first, second] => {
                self.sql.push("(");
                self.pred(first);
                self.sql.push(operator);
                self.pred(second);
                self.sql.push(")");
            }
            many => {
                let (left, right) = many.split_at(many.len().div_ceil(2));
                self.sql.push("(");
                self.joined(left, operator, empty);
                self.sql.push(operator);
                self.joined(right, operator, empty);
                self.sql.push(")");
            }
        }
    }

    fn infix(&mut self, left: &'a Term, operator: &str, right: &'a Term) {
        self.operand(left, right);
        self.sql.push(operator);
        self.operand(right, left);
    }

    /// One side of a comparison. One of the few values that the other side can have is written out rather than bound: then
    /// the database sees where the condition of a partial index holds.
    fn operand(&mut self, term: &'a Term, other: &'a Term) {
        match term {
            Term::Const(value) if self.is_choice(value, other) => self.sql.constant(value),
            _ => self.term(term),
        }
    }

    fn is_choice(&self, value: &Value, other: &Term) -> bool {
        let Term::Field(alias, field) = other else {
            return false;
        };
        let (Source::Row(collection) | Source::Bare(collection)) = self.source(*alias) else {
            return false;
        };
        match (&collection.field(*field).kind, value) {
            (FieldKind::Value(ValueType::Scalar(Scalar::Boolean)), Value::Bool(_)) => true,
            (FieldKind::Value(ValueType::Enum(choices)), Value::Text(text)) => {
                let choices = &self.frame.model.enumeration(*choices).values;
                choices.iter().any(|choice| *choice.name == **text)
            }
            _ => false,
        }
    }

    fn in_list(&mut self, item: &'a Term, list: &'a Term) {
        if let Some(values) = self.constant_list(list) {
            if values.is_empty() {
                return self.truth(false);
            }
            self.term(item);
            self.sql.in_list(values);
            return;
        }
        let scalar = self.kind(item).scalar();
        self.term(item);
        self.sql.push(" IN (SELECT ");
        // The alias is the subquery's own and meets no other.
        self.text_template(self.sql.dialect.json_item(scalar), "j");
        self.sql.push(" FROM ");
        self.template(self.sql.dialect.json_items(operand(list)), &[list]);
        self.sql.push(" AS j)");
    }

    /// The items of a list that is known when the statement is written.
    fn constant_list(&self, list: &'a Term) -> Option<&'a [Value]> {
        match list {
            Term::Const(Value::List(values)) => Some(values),
            Term::Const(Value::Null) => Some(&[]),
            Term::Param(Param::AuthRoles) => match &self.frame.bindings.auth_roles {
                Value::List(roles) => Some(roles),
                _ => Some(&[]),
            },
            _ => None,
        }
    }

    /// The rows of a set for which `inner` holds: what follows `FROM`.
    pub(super) fn members(&mut self, set: &'a Set, inner: &'a Pred) {
        match set {
            Set::Links {
                of,
                collection,
                field,
                alias,
            } => {
                let links = self.links(*collection, *field);
                let member = self.collection(links.target);
                self.linked(
                    of,
                    links.source_column,
                    (member, links.target_column),
                    links.table,
                    *alias,
                    inner,
                );
            }
            Set::LinkedFrom {
                of,
                collection,
                field,
                alias,
            } => {
                let links = self.links(*collection, *field);
                let member = self.collection(*collection);
                self.linked(
                    of,
                    links.target_column,
                    (member, links.source_column),
                    links.table,
                    *alias,
                    inner,
                );
            }
            Set::Referencing {
                of,
                collection,
                field,
                alias,
            } => {
                let member = self.collection(*collection);
                self.table(member, *alias);
                self.sql.push(" WHERE ");
                self.alias('t', *alias);
                self.sql.push(".").name(&member.field(*field).column).push(" = ");
                self.term(of);
                self.and_within(*alias, Source::Row(member), inner);
            }
            Set::Items { of, item, alias } => self.items(of, *item, *alias, inner),
        }
    }

    /// Members behind a link table; their own table is joined only where more than their key is read.
    fn linked(
        &mut self,
        of: &'a Term,
        of_column: &str,
        (member, member_column): (&'a Collection, &'a str),
        table: &str,
        alias: Alias,
        inner: &'a Pred,
    ) {
        self.sql.name(table).push(" AS ");
        self.alias('l', alias);
        let key = key_field(member);
        let source = if walk::reads_beyond_key(inner, alias, key.id) {
            self.sql.push(" JOIN ");
            self.table(member, alias);
            self.sql.push(" ON ");
            self.alias('t', alias);
            self.sql.push(".").name(&key.column).push(" = ");
            self.alias('l', alias);
            self.sql.push(".").name(member_column);
            Source::Row(member)
        } else {
            Source::Link(member, member_column)
        };
        self.sql.push(" WHERE ");
        self.alias('l', alias);
        self.sql.push(".").name(of_column).push(" = ");
        self.term(of);
        self.and_within(alias, source, inner);
    }

    fn items(&mut self, of: &'a Term, item: Scalar, alias: Alias, inner: &'a Pred) {
        let source = match self.constant_list(of) {
            Some([]) => {
                self.sql.push("(SELECT 1) AS nothing WHERE FALSE");
                return;
            }
            Some(values) => {
                let listing = self.sql.dialect.listing();
                self.sql.push(listing.begin);
                for (index, value) in values.iter().enumerate() {
                    self.sql.push(if index > 0 { listing.between } else { "" });
                    self.sql
                        .push(listing.row.0)
                        .bind(Cow::Borrowed(value))
                        .push(listing.row.1);
                }
                self.sql.push(")");
                Source::ConstItem(Kind::of_scalar(item))
            }
            None => {
                self.template(self.sql.dialect.json_items(operand(of)), &[of]);
                Source::JsonItem(item)
            }
        };
        self.sql.push(" AS ");
        self.alias('t', alias);
        self.sql.push(" WHERE TRUE");
        self.and_within(alias, source, inner);
    }

    pub(super) fn and_within(&mut self, alias: Alias, source: Source<'a>, inner: &'a Pred) {
        if *inner != Pred::Const(true) {
            self.sql.push(" AND ");
            self.within(alias, source, |compiler| compiler.pred(inner));
        }
    }

    pub(super) fn within<T>(&mut self, alias: Alias, source: Source<'a>, write: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push((alias, source));
        let result = write(self);
        self.scope.pop();
        result
    }

    pub(super) fn source(&self, alias: Alias) -> Source<'a> {
        let found = self.scope.iter().rev().find(|(name, _)| *name == alias);
        found.expect("an alias is used within its scope").1
    }

    fn links(&self, collection: CollectionId, field: FieldId) -> Links<'a> {
        Links::of(self.collection(collection), field)
    }
}
