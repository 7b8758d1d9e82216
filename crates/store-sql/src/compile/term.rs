//! Terms as SQL, and what reading one yields.

use std::borrow::Cow;

use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, CollectionId, FieldId, Scalar, Value};
use engine::query::{Alias, Arithmetic, Param, Pred, Term};

use super::predicate::{Compiler, Source};
use crate::dialect::Operand;

impl<'a> Compiler<'a> {
    pub(super) fn term(&mut self, term: &'a Term) {
        match term {
            // A choice between nulls is of no kind either; a database may take it for a text.
            Term::If(..) | Term::Lookup { .. } if self.kind(term) == Kind::Null => {
                self.sql.push("NULL");
            }
            // Of no kind, so not a parameter.
            Term::Const(Value::Null) => {
                self.sql.push("NULL");
            }
            Term::Const(value) => {
                self.sql.bind(Cow::Borrowed(value));
            }
            Term::Param(param) => self.param(*param),
            Term::Field(alias, field) => self.field(*alias, *field),
            Term::Item(alias) => self.item(*alias),
            Term::Json { of, path, ty } => {
                let dialect = self.sql.dialect;
                let path = Value::text(dialect.json_path(path));
                self.pieces(dialect.json_part(*ty, operand(of)), |compiler, operand| {
                    if operand == 0 {
                        compiler.term(of);
                    } else {
                        compiler.sql.bind(Cow::Owned(path.clone()));
                    }
                });
            }
            Term::Lookup {
                key,
                collection,
                alias,
                guard,
                then,
            } => self.lookup(key, *collection, *alias, guard, then),
            Term::Arithmetic(operation, scalar, left, right) => {
                let template = self.sql.dialect.arithmetic(*operation, *scalar);
                self.template(template, &[left, right]);
            }
            Term::Negate(_, inner) => {
                self.sql.push("(-");
                self.term(inner);
                self.sql.push(")");
            }
            Term::Call(function, arguments) => {
                let template = self.sql.dialect.function(*function);
                self.pieces(template, |compiler, operand| compiler.term(&arguments[operand]));
            }
            Term::If(condition, then, otherwise) => {
                self.sql.push("(CASE WHEN ");
                self.pred(condition);
                self.sql.push(" THEN ");
                self.term(then);
                self.sql.push(" ELSE ");
                self.term(otherwise);
                self.sql.push(" END)");
            }
            Term::Count(set, inner) => {
                self.sql.push("(SELECT count(*) FROM ");
                self.members(set, inner);
                self.sql.push(")");
            }
            Term::Bool(inner) => {
                self.sql.push("((");
                self.pred(inner);
                self.sql.push(") IS TRUE)");
            }
        }
    }

    fn param(&mut self, param: Param) {
        let bindings = self.frame.bindings;
        match param {
            Param::AuthId => self.sql.bind_as(Cow::Borrowed(&bindings.auth_id), Kind::Id),
            Param::Now => self.sql.bind(Cow::Owned(Value::DateTime(bindings.now))),
            Param::AuthRoles => unreachable!("a list stands in `InList` and `Items` alone"),
            Param::Before(field) => {
                let (collection, image) = self.frame.before.expect("`before` comes with an update");
                let slot = collection.slot(field).expect("only stored fields have a value before");
                let kind = Kind::of_field(self.frame.model, collection.field(field));
                self.sql.bind_as(Cow::Borrowed(&image.0[slot]), kind)
            }
        };
    }

    pub(super) fn field(&mut self, alias: Alias, field: FieldId) {
        match self.source(alias) {
            Source::Row(collection) => {
                let (before, after) = self.around(collection, field);
                self.sql.push(before);
                self.alias('t', alias);
                self.sql.push(".").name(&collection.field(field).column).push(after);
            }
            Source::Link(_, column) => {
                self.alias('l', alias);
                self.sql.push(".").name(column);
            }
            Source::Bare(collection) => {
                self.sql.name(&collection.field(field).column);
            }
            Source::JsonItem(_) | Source::ConstItem(_) => unreachable!("an item of a list has no fields"),
        }
    }

    /// What stands around a column that is compared.
    pub(super) fn around(&self, collection: &Collection, field: FieldId) -> (&'static str, &'static str) {
        if collection.managed {
            return ("", "");
        }
        let kind = Kind::of_field(self.frame.model, collection.field(field));
        self.sql.dialect.of_others(kind).unwrap_or_default()
    }

    fn item(&mut self, alias: Alias) {
        match self.source(alias) {
            Source::JsonItem(scalar) => {
                self.pieces(self.sql.dialect.json_item(scalar), |compiler, _| {
                    compiler.alias('t', alias);
                });
            }
            Source::ConstItem(_) => {
                self.alias('t', alias);
                let column = self.sql.dialect.listing().column;
                self.sql.push(".").push(column);
            }
            Source::Row(_) | Source::Link(..) | Source::Bare(_) => unreachable!("a row is no item of a list"),
        }
    }

    fn lookup(&mut self, key: &'a Term, collection: CollectionId, alias: Alias, guard: &'a Pred, then: &'a Term) {
        let target = self.collection(collection);
        let source = Source::Row(target);
        self.sql.push("(SELECT ");
        self.within(alias, source, |compiler| compiler.term(then));
        self.sql.push(" FROM ");
        self.table(target, alias);
        self.sql.push(" WHERE ");
        self.alias('t', alias);
        self.sql.push(".").name(&key_field(target).column).push(" = ");
        self.term(key);
        self.and_within(alias, source, guard);
        self.sql.push(")");
    }

    pub(super) fn template(&mut self, template: &'static str, operands: &[&'a Term]) {
        self.pieces(template, |compiler, operand| compiler.term(operands[operand]));
    }

    pub(super) fn text_template(&mut self, template: &'static str, text: &str) {
        self.pieces(template, |compiler, _| {
            compiler.sql.push(text);
        });
    }

    pub(super) fn pieces(&mut self, template: &'static str, mut operand: impl FnMut(&mut Self, usize)) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (number, after) = after.split_once('}').expect("templates close their braces");
            self.sql.push(before);
            operand(self, if number == "0" { 0 } else { 1 });
            rest = after;
        }
        self.sql.push(rest);
    }

    /// What reading a term yields.
    pub(super) fn kind(&mut self, term: &Term) -> Kind {
        match term {
            Term::Const(value) => Kind::of_value(value),
            Term::Param(Param::AuthId) => Kind::Id,
            Term::Param(Param::AuthRoles) => Kind::Json,
            Term::Param(Param::Now) => Kind::DateTime,
            Term::Param(Param::Before(field)) => self.frame.before.map_or(Kind::Null, |(collection, _)| {
                Kind::of_field(self.frame.model, collection.field(*field))
            }),
            Term::Field(alias, field) => match self.source(*alias) {
                Source::Row(collection) | Source::Link(collection, _) | Source::Bare(collection) => {
                    Kind::of_field(self.frame.model, collection.field(*field))
                }
                Source::JsonItem(_) | Source::ConstItem(_) => unreachable!("an item of a list has no fields"),
            },
            Term::Item(alias) => match self.source(*alias) {
                Source::JsonItem(scalar) => Kind::of_scalar(scalar),
                Source::ConstItem(kind) => kind,
                Source::Row(_) | Source::Link(..) | Source::Bare(_) => unreachable!("a row is no item of a list"),
            },
            Term::Json { ty, .. } => Kind::of_scalar(*ty),
            Term::Lookup {
                collection,
                alias,
                then,
                ..
            } => {
                let target = Source::Row(self.collection(*collection));
                self.within(*alias, target, |compiler| compiler.kind(then))
            }
            // Between two moments lie milliseconds.
            Term::Arithmetic(Arithmetic::Subtract, Scalar::DateTime, ..) => Kind::Int,
            Term::Arithmetic(_, scalar, ..) | Term::Negate(scalar, _) => Kind::of_scalar(*scalar),
            Term::Call(function, _) => Kind::of_call(*function),
            Term::If(_, then, otherwise) => match self.kind(then) {
                Kind::Null => self.kind(otherwise),
                kind => kind,
            },
            Term::Count(..) => Kind::Int,
            Term::Bool(_) => Kind::Bool,
        }
    }
}

/// What a term is where a template has it.
pub(super) fn operand(term: &Term) -> Operand {
    match term {
        Term::Field(..) => Operand::Column,
        Term::Json {
            of, ty: Scalar::Json, ..
        } => operand(of),
        _ => Operand::Any,
    }
}
