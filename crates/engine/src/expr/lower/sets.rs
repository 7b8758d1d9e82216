//! Lists and sets: `in`, `exists` and its kin, sizes.

use super::condition::equal;
use super::{Bound, Cond, Lowerer, Lowers, Row, Valued, comparison, if_term};
use crate::expr::ExprError;
use crate::expr::typed::{Each, EachKind, Kind, Node};
use crate::expr::types::Type;
use crate::model::{CollectionId, FieldId, FieldKind, Scalar, Value, ValueType};
use crate::query::functions::json_scalar;
use crate::query::{Arithmetic, Comparison, Param, Pred, Set, Term};

/// The members of a list or a set.
#[derive(Debug, Clone)]
pub(super) struct Members {
    source: Source,
    /// Where having them is no error.
    pub(super) defined: Pred,
    /// The part of `defined` that having a member does not prove.
    guard: Pred,
}

#[derive(Debug, Clone)]
enum Source {
    /// Kept in the database: those for which `keep` holds, each as `item`.
    Stored {
        set: Box<Set>,
        keep: Pred,
        item: Box<Bound>,
    },
    /// Known one by one: kept where the predicate holds.
    Known(Vec<(Pred, Valued)>),
}

impl Lowerer<'_> {
    pub(super) fn members(&mut self, node: &Node) -> Lowers<Members> {
        match &node.kind {
            Kind::Each(each) if each.kind == EachKind::Filter => self.filtered(each),
            Kind::Each(each) => self.mapped(each),
            Kind::List(items) => {
                let items = items.iter().map(|item| Ok((Pred::Const(true), self.value(item)?)));
                let items: Vec<(Pred, Valued)> = items.collect::<Lowers<_>>()?;
                let defined = Pred::and(items.iter().map(|(_, item)| item.defined()));
                Ok(Members {
                    source: Source::Known(items),
                    guard: defined.clone(),
                    defined,
                })
            }
            _ if node.deps.facts_only() => Ok(self.known(node)),
            Kind::Field { of, collection, field } if matches!(node.ty, Type::Set(_)) => {
                let row = self.row(of)?;
                self.set(&row, *collection, *field, node)
            }
            _ => self.stored_list(node),
        }
    }

    /// What the facts list.
    fn known(&mut self, node: &Node) -> Members {
        let (items, defined) = match self.fact(node) {
            Some(Value::List(items)) => (items, true),
            Some(Value::Json(json)) => match serde_json::from_str(&json) {
                Ok(serde_json::Value::Array(items)) => {
                    (items.iter().map(|item| json_scalar(item, Scalar::Json)).collect(), true)
                }
                _ => (Vec::new(), false),
            },
            _ => (Vec::new(), false),
        };
        let items = items
            .into_iter()
            .map(|item| (Pred::Const(true), Valued::constant(item)));
        Members {
            source: Source::Known(items.collect()),
            defined: Pred::Const(defined),
            guard: Pred::Const(defined),
        }
    }

    /// A to-many or inverse field.
    fn set(&mut self, row: &Row, collection: CollectionId, id: FieldId, node: &Node) -> Lowers<Members> {
        let field = self.model.collection(collection).field(id);
        let Some(target) = field.target() else {
            return Err(ExprError::new(node.span.clone(), "this is no set of records"));
        };
        let (of, guard) = self.owner(row, collection, id);
        let alias = self.aliases.fresh();
        let set = match field.kind {
            FieldKind::Inverse { target, field } => {
                let of = of.term.clone();
                match self.model.collection(target).field(field).kind {
                    FieldKind::Links { .. } => Set::LinkedFrom {
                        of,
                        collection: target,
                        field,
                        alias,
                    },
                    _ => Set::Referencing {
                        of,
                        collection: target,
                        field,
                        alias,
                    },
                }
            }
            _ => Set::Links {
                of: of.term.clone(),
                collection,
                field: id,
                alias,
            },
        };
        let keep = self.visible(target, alias);
        Ok(Members {
            source: Source::Stored {
                set: Box::new(set),
                keep,
                item: Box::new(Bound::Row(alias)),
            },
            defined: Pred::and([of.present(), guard.clone()]),
            guard,
        })
    }

    /// The key of the record that has the set, null where the caller may not see it; and where the field may be seen.
    fn owner(&mut self, row: &Row, collection: CollectionId, field: FieldId) -> (Valued, Pred) {
        let key = self.key_of(row, collection);
        match row {
            Row::Bound(alias) => {
                let visible = self.field_visible(collection, field, *alias);
                (key, visible)
            }
            Row::Behind(_) if self.visibility.is_some() || may_dangle(&key.term) => {
                let alias = self.aliases.fresh();
                let record = self.visible(collection, alias);
                let visible = Pred::and([record, self.field_visible(collection, field, alias)]);
                let [key_field] = self.model.collection(collection).key.as_slice() else {
                    return (Valued::error(), Pred::Const(false));
                };
                if visible == Pred::Const(true) && !may_dangle(&key.term) {
                    return (key, Pred::Const(true));
                }
                let term = Term::Lookup {
                    key: Box::new(key.term),
                    collection,
                    alias,
                    guard: Box::new(visible),
                    then: Box::new(Term::Field(alias, *key_field)),
                };
                let seen = Valued {
                    defined: Pred::IsNull(term.clone()).complement(),
                    term,
                    nullable: false,
                    range: None,
                };
                (seen, Pred::Const(true))
            }
            _ => (key, Pred::Const(true)),
        }
    }

    /// A list of scalars that a field holds as JSON.
    fn stored_list(&mut self, node: &Node) -> Lowers<Members> {
        let list = self.value(node)?;
        let Type::List(item) = &node.ty else {
            return Err(ExprError::new(node.span.clone(), "this is no list"));
        };
        let Some(scalar) = item.scalar(self.model) else {
            return Err(ExprError::new(
                node.span.clone(),
                "the items of this list can't be asked for",
            ));
        };
        let alias = self.aliases.fresh();
        let present = list.present();
        Ok(Members {
            source: Source::Stored {
                set: Box::new(Set::Items {
                    of: list.term,
                    item: scalar,
                    alias,
                }),
                keep: Pred::Const(true),
                item: Box::new(Bound::Value(Valued {
                    term: Term::Item(alias),
                    nullable: !self.items_required(node),
                    defined: Pred::Const(true),
                    range: super::rows::scalar_range(scalar),
                })),
            },
            defined: present,
            guard: Pred::Const(true),
        })
    }

    fn items_required(&self, node: &Node) -> bool {
        let Kind::Field { collection, field, .. } = &node.kind else {
            return false;
        };
        let kind = &self.model.collection(*collection).field(*field).kind;
        matches!(kind, FieldKind::Value(ValueType::List { required: true, .. }))
    }

    fn filtered(&mut self, each: &Each) -> Lowers<Members> {
        let Members { source, defined, guard } = self.members(&each.range)?;
        match source {
            Source::Stored { set, keep, item } => {
                let cond = self.under((*item).clone(), |this| this.cond(&each.body))?;
                let sound = none_of(&set, Pred::and([keep.clone(), cond.defined().complement()]));
                Ok(Members {
                    source: Source::Stored {
                        set,
                        keep: Pred::and([keep, cond.yes]),
                        item,
                    },
                    defined: Pred::and([defined, sound.clone()]),
                    guard: Pred::and([guard, sound]),
                })
            }
            Source::Known(items) => {
                let mut kept = Vec::with_capacity(items.len());
                let mut sound = Vec::new();
                for (keep, item) in items {
                    let cond = self.under(Bound::Value(item.clone()), |this| this.cond(&each.body))?;
                    sound.push(Pred::or([keep.clone().complement(), cond.defined()]));
                    kept.push((Pred::and([keep, cond.yes]), item));
                }
                let sound = Pred::and(sound);
                Ok(Members {
                    source: Source::Known(kept),
                    defined: Pred::and([defined, sound.clone()]),
                    guard: Pred::and([guard, sound]),
                })
            }
        }
    }

    fn mapped(&mut self, each: &Each) -> Lowers<Members> {
        let Members { source, defined, guard } = self.members(&each.range)?;
        match source {
            Source::Stored { set, keep, item } => {
                let made = self.under(*item, |this| this.value(&each.body))?;
                let sound = none_of(&set, Pred::and([keep.clone(), made.defined().complement()]));
                Ok(Members {
                    source: Source::Stored {
                        set,
                        keep,
                        item: Box::new(Bound::Value(made)),
                    },
                    defined: Pred::and([defined, sound.clone()]),
                    guard: Pred::and([guard, sound]),
                })
            }
            Source::Known(items) => {
                let mut made = Vec::with_capacity(items.len());
                let mut sound = Vec::new();
                for (keep, item) in items {
                    let value = self.under(Bound::Value(item), |this| this.value(&each.body))?;
                    sound.push(Pred::or([keep.clone().complement(), value.defined()]));
                    made.push((keep, value));
                }
                let sound = Pred::and(sound);
                Ok(Members {
                    source: Source::Known(made),
                    defined: Pred::and([defined, sound.clone()]),
                    guard: Pred::and([guard, sound]),
                })
            }
        }
    }

    fn under<T>(&mut self, item: Bound, run: impl FnOnce(&mut Self) -> Lowers<T>) -> Lowers<T> {
        self.variables.push(item);
        let result = run(self);
        self.variables.pop();
        result
    }

    /// `exists`, `all` and `exists_one`.
    pub(super) fn quantifier(&mut self, each: &Each, node: &Node) -> Lowers<Cond> {
        let members = self.members(&each.range)?;
        let Members { source, defined, guard } = members;
        match source {
            Source::Stored { set, keep, item } => {
                let cond = self.under(*item, |this| this.cond(&each.body))?;
                self.bounded(cond.size(), node)?;
                Ok(stored_quantifier(each.kind, &set, &keep, cond, defined, guard))
            }
            Source::Known(items) => {
                let mut conds = Vec::with_capacity(items.len());
                for (keep, item) in items {
                    let cond = self.under(Bound::Value(item), |this| this.cond(&each.body))?;
                    conds.push((keep, cond));
                }
                self.bounded(conds.iter().map(|(_, cond)| cond.size()).sum(), node)?;
                Ok(known_quantifier(each.kind, conds, defined))
            }
        }
    }

    pub(super) fn membership(&mut self, item: &Node, range: &Node) -> Lowers<Cond> {
        let roles = matches!(range.kind, Kind::AuthRoles);
        if roles && self.facts.principal.user_id().is_some() {
            let value = self.value(item)?;
            return Ok(listed(value, Term::Param(Param::AuthRoles), false));
        }
        let stored = matches!(range.kind, Kind::Field { .. } | Kind::Part { .. });
        if stored && matches!(range.ty, Type::List(_)) && !range.deps.facts_only() {
            return self.in_stored_list(item, range);
        }
        let members = self.members(range)?;
        let value = self.value(item)?;
        Ok(match members.source {
            Source::Known(items) => {
                let json = range.ty == Type::Json;
                in_known(value, items, members.defined, json)
            }
            Source::Stored { set, keep, item } => {
                let held = match *item {
                    Bound::Value(held) => held,
                    Bound::Row(alias) => match &range.ty {
                        Type::Set(target) => self.key_of(&Row::Bound(alias), *target),
                        _ => Valued::error(),
                    },
                };
                let found = equal(held, value.clone()).yes;
                let any = any_of(&set, Pred::and([keep, found]));
                Cond::of(
                    Pred::and([members.guard, value.needed(), any.clone()]),
                    Pred::and([members.defined.clone(), value.defined(), any.complement()]),
                    members.defined == Pred::Const(true) && value.is_certain(),
                )
            }
        })
    }

    fn in_stored_list(&mut self, item: &Node, range: &Node) -> Lowers<Cond> {
        let list = self.value(range)?;
        let value = self.value(item)?;
        let holds_null = value.nullable && !self.items_required(range);
        let mut yes = Pred::InList(value.term.clone(), list.term.clone());
        if value.term == Term::Const(Value::Null) {
            yes = Pred::Const(false);
        }
        if holds_null {
            let members = self.stored_list(range)?;
            if let Source::Stored { set, .. } = members.source {
                let null_item = any_of(&set, Pred::IsNull(Term::Item(set.alias())));
                let null = match &value.term {
                    Term::Const(constant) => Pred::Const(constant.is_null()),
                    term => Pred::IsNull(term.clone()),
                };
                yes = Pred::or([yes, Pred::and([value.defined(), null, null_item])]);
            }
        }
        let no = Pred::and([list.present(), value.defined(), yes.clone().complement()]);
        Ok(Cond::of(yes, no, list.is_sure() && value.is_certain()))
    }
}

/// Foreign keys lead to records that exist; the caller's account may be gone while its token lasts.
fn may_dangle(key: &Term) -> bool {
    match key {
        Term::Param(_) | Term::Const(_) => true,
        Term::If(_, then, otherwise) => may_dangle(then) || may_dangle(otherwise),
        _ => false,
    }
}

impl Valued {
    /// What being equal to something does not prove: an error of a value that may be null.
    fn needed(&self) -> Pred {
        if self.nullable {
            self.defined.clone()
        } else {
            Pred::Const(true)
        }
    }
}

impl Members {
    /// How many of them satisfy a condition on each.
    pub(super) fn count(&self, satisfy: impl Fn(&Valued) -> Pred) -> Term {
        match &self.source {
            Source::Stored { set, keep, item } => {
                let pred = match &**item {
                    Bound::Value(value) => satisfy(value),
                    Bound::Row(_) => Pred::Const(true),
                };
                Term::Count(set.clone(), Box::new(Pred::and([keep.clone(), pred])))
            }
            Source::Known(items) => sum(items
                .iter()
                .map(|(keep, item)| Pred::and([keep.clone(), satisfy(item)]))),
        }
    }
}

/// How many of some predicates hold.
fn sum(preds: impl Iterator<Item = Pred>) -> Term {
    let mut sure = 0;
    let mut total: Option<Term> = None;
    for pred in preds {
        match pred {
            Pred::Const(truth) => sure += i64::from(truth),
            pred => {
                let one = if_term(pred, Term::Const(Value::Int(1)), Term::Const(Value::Int(0)));
                total = Some(match total {
                    Some(total) => added(total, one),
                    None => one,
                });
            }
        }
    }
    let sure_term = Term::Const(Value::Int(sure));
    match total {
        None => sure_term,
        Some(total) if sure == 0 => total,
        Some(total) => added(total, sure_term),
    }
}

fn added(left: Term, right: Term) -> Term {
    Term::Arithmetic(Arithmetic::Add, Scalar::Long, Box::new(left), Box::new(right))
}

fn any_of(set: &Set, pred: Pred) -> Pred {
    match pred {
        Pred::Const(false) => Pred::Const(false),
        pred => Pred::Any(Box::new(set.clone()), Box::new(pred)),
    }
}

fn none_of(set: &Set, pred: Pred) -> Pred {
    any_of(set, pred).complement()
}

fn stored_quantifier(kind: EachKind, set: &Set, keep: &Pred, cond: Cond, defined: Pred, guard: Pred) -> Cond {
    let kept = |pred: Pred| Pred::and([keep.clone(), pred]);
    let total = cond.total && defined == Pred::Const(true);
    match kind {
        EachKind::All => Cond::of(
            Pred::and([defined, none_of(set, kept(cond.not_yes()))]),
            Pred::and([guard, any_of(set, kept(cond.no))]),
            total,
        ),
        EachKind::ExistsOne => {
            let sound = none_of(set, kept(cond.defined().complement()));
            let count = Term::Count(Box::new(set.clone()), Box::new(kept(cond.yes)));
            let one = |operator| comparison(operator, count.clone(), Term::Const(Value::Int(1)));
            let sound = Pred::and([defined, sound]);
            Cond::of(
                Pred::and([sound.clone(), one(Comparison::Eq)]),
                Pred::and([sound, one(Comparison::Ne)]),
                total,
            )
        }
        _ => {
            let no = none_of(set, kept(cond.not_no()));
            Cond::of(
                Pred::and([guard, any_of(set, kept(cond.yes))]),
                Pred::and([defined, no]),
                total,
            )
        }
    }
}

fn known_quantifier(kind: EachKind, conds: Vec<(Pred, Cond)>, defined: Pred) -> Cond {
    let kept = |(keep, cond): (Pred, Cond)| {
        // What isn't kept takes part in nothing.
        let gone = keep.clone().complement();
        (keep, gone, cond)
    };
    match kind {
        EachKind::ExistsOne => {
            let sound = Pred::and(
                conds
                    .iter()
                    .map(|(keep, cond)| Pred::or([keep.clone().complement(), cond.defined()])),
            );
            let total = sound == Pred::Const(true);
            let count = sum(conds.into_iter().map(|(keep, cond)| Pred::and([keep, cond.yes])));
            let one = |operator| comparison(operator, count.clone(), Term::Const(Value::Int(1)));
            Cond::of(one(Comparison::Eq), one(Comparison::Ne), true)
                .guarded(Pred::and([defined, sound]))
                .totally(total)
        }
        EachKind::All => {
            let all = conds
                .into_iter()
                .map(kept)
                .map(|(keep, gone, cond)| Cond::of(Pred::or([gone, cond.yes]), Pred::and([keep, cond.no]), cond.total));
            all.fold(Cond::total(Pred::Const(true)), Cond::and).guarded(defined)
        }
        _ => {
            let any = conds
                .into_iter()
                .map(kept)
                .map(|(keep, gone, cond)| Cond::of(Pred::and([keep, cond.yes]), Pred::or([gone, cond.no]), cond.total));
            any.fold(Cond::total(Pred::Const(false)), Cond::or).guarded(defined)
        }
    }
}

impl Cond {
    /// A condition known to have no errors stays so under a guard that is constant.
    fn totally(mut self, total: bool) -> Self {
        self.total = self.total && total;
        self
    }
}

/// In a list of constants, or one by one.
fn in_known(value: Valued, items: Vec<(Pred, Valued)>, defined: Pred, json: bool) -> Cond {
    let constants: Option<Vec<Value>> = items
        .iter()
        .map(|(keep, item)| match (keep, &item.term) {
            (Pred::Const(true), Term::Const(constant)) => Some(constant.clone()),
            _ => None,
        })
        .collect();
    match constants {
        Some(constants) => {
            let holds_null = constants.iter().any(Value::is_null);
            let comparable = constants
                .into_iter()
                .map(|constant| if json { out_of_json(constant, &value) } else { constant })
                .filter(|constant| !constant.is_null())
                .collect();
            listed(value, Term::Const(Value::List(comparable)), holds_null).guarded(defined)
        }
        None => {
            let total = defined == Pred::Const(true) && value.is_certain();
            let found: Vec<Cond> = items
                .into_iter()
                .map(|(keep, item)| {
                    let cond = equal(item, value.clone());
                    Cond::of(Pred::and([keep, cond.yes]), Pred::Const(false), false)
                })
                .collect();
            let yes = Pred::or(found.into_iter().map(|cond| cond.yes));
            let no = Pred::and([defined.clone(), value.defined(), yes.clone().complement()]);
            Cond::of(Pred::and([defined, yes]), no, total)
        }
    }
}

/// An item of a claim's list as a value like the one that is looked for; null where it has another type.
fn out_of_json(constant: Value, like: &Valued) -> Value {
    let Value::Json(json) = &constant else { return constant };
    let Ok(json) = serde_json::from_str::<serde_json::Value>(json) else {
        return Value::Null;
    };
    match (&json, like.range) {
        (serde_json::Value::String(text), _) => Value::text(text.as_str()),
        (serde_json::Value::Bool(truth), _) => Value::Bool(*truth),
        (serde_json::Value::Number(number), _) => number.as_i64().map_or(Value::Null, Value::Int),
        _ => Value::Null,
    }
}

fn listed(value: Valued, list: Term, holds_null: bool) -> Cond {
    let found = match (&value.term, &list) {
        (Term::Const(Value::Null), _) => Pred::Const(false),
        (_, Term::Const(Value::List(items))) if items.is_empty() => Pred::Const(false),
        (Term::Const(constant), Term::Const(Value::List(items))) => Pred::Const(items.contains(constant)),
        (term, list) => Pred::InList(term.clone(), list.clone()),
    };
    let null = if holds_null && value.nullable {
        let null = match &value.term {
            Term::Const(constant) => Pred::Const(constant.is_null()),
            term => Pred::IsNull(term.clone()),
        };
        Pred::and([value.defined(), null])
    } else {
        Pred::Const(false)
    };
    let yes = Pred::or([found, null]);
    let no = Pred::and([value.defined(), yes.clone().complement()]);
    Cond::of(yes, no, value.is_certain())
}
