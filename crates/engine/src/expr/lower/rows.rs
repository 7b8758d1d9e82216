//! Records and their fields: which row a field is read from, and what the caller may see of it.

use super::{BeforeMode, Bound, Lowerer, Lowers, Row, Valued, arithmetic, if_term};
use crate::expr::ExprError;
use crate::expr::typed::{Kind, Node};
use crate::expr::types::Type;
use crate::model::{CollectionId, Field, FieldId, FieldKind, Scalar, Value, ValueType};
use crate::query::{Alias, Param, Pred, Term};

impl Lowerer<'_> {
    /// The record that a node of a record's type stands for.
    pub(super) fn row(&mut self, node: &Node) -> Lowers<Row> {
        Ok(match &node.kind {
            Kind::Record => Row::Bound(self.root),
            Kind::Before => self.before_row(),
            Kind::Variable(level) => match self.variables[usize::from(*level)].clone() {
                Bound::Row(alias) => Row::Bound(alias),
                Bound::Value(key) => Row::Behind(key),
            },
            _ if matches!(node.ty, Type::Record(_)) => Row::Behind(self.value(node)?),
            _ => return Err(ExprError::new(node.span.clone(), "this is no record")),
        })
    }

    fn before_row(&self) -> Row {
        match &self.before {
            BeforeMode::Record => Row::Bound(self.root),
            BeforeMode::Captured(_) if self.capturing => Row::Bound(Alias::ROOT),
            BeforeMode::Captured(_) => Row::Parameters,
            BeforeMode::Absent | BeforeMode::Unknown => Row::Nowhere,
        }
    }

    /// `record` or `before` as a value: its key.
    pub(super) fn own_key(&mut self, node: &Node) -> Valued {
        let row = match node.kind {
            Kind::Before => self.before_row(),
            _ => Row::Bound(self.root),
        };
        match (&node.ty, row) {
            (_, Row::Nowhere) => Valued::constant(Value::Null),
            (Type::Record(collection), row) => self.key_of(&row, *collection),
            _ => Valued::error(),
        }
    }

    pub(super) fn key_of(&mut self, row: &Row, collection: CollectionId) -> Valued {
        match (row, self.model.collection(collection).key.as_slice()) {
            (Row::Bound(alias), [key]) => Valued::sure(Term::Field(*alias, *key)),
            (Row::Parameters, [key]) => Valued::sure(Term::Param(Param::Before(*key))),
            (Row::Behind(key), _) => key.clone(),
            // Whatever it is, it is there.
            (Row::Bound(_) | Row::Parameters, _) => Valued::constant(Value::Bool(true)),
            (Row::Nowhere, _) => Valued::error(),
        }
    }

    pub(super) fn field(&mut self, row: &Row, collection: CollectionId, id: FieldId) -> Valued {
        let field = self.model.collection(collection).field(id);
        let range = range_of(field);
        match row {
            Row::Nowhere => Valued::error(),
            Row::Bound(alias) => {
                let (term, hidden) = self.seen(collection, id, *alias);
                Valued {
                    term,
                    nullable: !field.required || hidden,
                    defined: Pred::Const(true),
                    range,
                }
            }
            Row::Parameters => Valued {
                term: Term::Param(Param::Before(id)),
                nullable: !field.required,
                defined: Pred::Const(true),
                range,
            },
            Row::Behind(key) if self.model.collection(collection).key.as_slice() == [id] => Valued {
                term: key.term.clone(),
                nullable: false,
                defined: key.present(),
                range: None,
            },
            Row::Behind(key) => self.looked_up(key, collection, id, range),
        }
    }

    fn looked_up(
        &mut self,
        key: &Valued,
        collection: CollectionId,
        id: FieldId,
        range: Option<(i128, i128)>,
    ) -> Valued {
        if key.term == Term::Const(Value::Null) {
            return Valued::error();
        }
        let alias = self.aliases.fresh();
        let guard = self.visible(collection, alias);
        let (then, hidden) = self.seen(collection, id, alias);
        let nullable = !self.model.collection(collection).field(id).required || hidden;
        let term = Term::Lookup {
            key: Box::new(key.term.clone()),
            collection,
            alias,
            guard: Box::new(guard),
            then: Box::new(then),
        };
        let defined = if nullable {
            Pred::IsNull(self.existing(key, collection)).complement()
        } else {
            Pred::IsNull(term.clone()).complement()
        };
        Valued {
            term,
            nullable,
            defined,
            range,
        }
    }

    /// The key again, if there is such a record and the caller may see it.
    pub(super) fn existing(&mut self, key: &Valued, collection: CollectionId) -> Term {
        let alias = self.aliases.fresh();
        let guard = self.visible(collection, alias);
        let then = match self.model.collection(collection).key.as_slice() {
            [key] => Term::Field(alias, *key),
            _ => Term::Const(Value::Bool(true)),
        };
        Term::Lookup {
            key: Box::new(key.term.clone()),
            collection,
            alias,
            guard: Box::new(guard),
            then: Box::new(then),
        }
    }

    /// What the caller may see of a collection's records.
    pub(super) fn visible(&mut self, collection: CollectionId, alias: Alias) -> Pred {
        match self.visibility {
            Some(visibility) => visibility.record(collection, alias, self.aliases),
            None => Pred::Const(true),
        }
    }

    /// What the caller may see of a field.
    pub(super) fn field_visible(&mut self, collection: CollectionId, field: FieldId, alias: Alias) -> Pred {
        match self.visibility {
            Some(visibility) => visibility.field(collection, field, alias, self.aliases),
            None => Pred::Const(true),
        }
    }

    /// A field's term, null where it is hidden, and whether it may be.
    fn seen(&mut self, collection: CollectionId, field: FieldId, alias: Alias) -> (Term, bool) {
        let visible = self.field_visible(collection, field, alias);
        let hidden = visible != Pred::Const(true);
        (
            if_term(visible, Term::Field(alias, field), Term::Const(Value::Null)),
            hidden,
        )
    }
}

fn range_of(field: &Field) -> Option<(i128, i128)> {
    match &field.kind {
        FieldKind::Value(ValueType::Scalar(scalar)) => scalar_range(*scalar),
        _ => None,
    }
}

pub(super) fn scalar_range(scalar: Scalar) -> Option<(i128, i128)> {
    match scalar {
        Scalar::Int => Some((i128::from(i32::MIN), i128::from(i32::MAX))),
        Scalar::Long | Scalar::Decimal => Some(arithmetic::INTEGERS),
        Scalar::DateTime => Some(arithmetic::MOMENTS),
        _ => None,
    }
}
