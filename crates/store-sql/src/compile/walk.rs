//! What a predicate looks at: which fields of which rows, and which records beside its own.

use engine::Model;
use engine::model::kind::key_field;
use engine::model::{CollectionId, FieldId};
use engine::query::{Alias, Comparison, GetPlan, Item, Pred, Projection, Set, Shape, Term};

/// One thing that it looks at.
enum Seen<'p> {
    Field(Alias, FieldId),
    /// A record by its key.
    Record(CollectionId),
    /// Members of a set, until one satisfies a predicate.
    Some(&'p Set, &'p Pred),
    /// All members of a set, of which a predicate is asked.
    All(&'p Set, &'p Pred),
}

/// Whether `pred` reads more of the row `alias` than its key.
pub(super) fn reads_beyond_key(pred: &Pred, alias: Alias, key: FieldId) -> bool {
    let mut beyond = false;
    in_pred(pred, &mut |seen| {
        beyond |= matches!(seen, Seen::Field(row, field) if row == alias && field != key)
    });
    beyond
}

/// Whether it looks at records beside the one that it is about.
pub(crate) fn reads_others(pred: &Pred) -> bool {
    let mut others = false;
    in_pred(pred, &mut |seen| {
        others |= match seen {
            Seen::Field(..) => false,
            Seen::Record(_) => true,
            Seen::Some(set, _) | Seen::All(set, _) => !matches!(set, Set::Items { .. }),
        };
    });
    others
}

/// Whether all that is read for a plan is found by keys, so that it takes little time, however many records there are.
pub(crate) fn is_by_key(model: &Model, plan: &GetPlan) -> bool {
    looks_by_key(model, &plan.guard) && shows_by_key(model, &plan.projection)
}

fn shows_by_key(model: &Model, projection: &Projection) -> bool {
    let shows = |item: &Item| {
        let nested = match &item.shape {
            Shape::Value => return looks_by_key(model, &item.visible),
            Shape::One(nested) => nested,
            Shape::Many(_) => return false,
        };
        let related = nested.projection.as_ref();
        looks_by_key(model, &item.visible)
            && looks_by_key(model, &nested.guard)
            && related.is_none_or(|related| shows_by_key(model, related))
    };
    is_indexed(model, projection.collection) && projection.items.iter().all(shows)
}

fn looks_by_key(model: &Model, pred: &Pred) -> bool {
    let mut all = true;
    in_pred(pred, &mut |seen| {
        all &= match seen {
            Seen::Field(..) => true,
            // A list may be long, so nothing is looked for once for each of its items.
            Seen::Some(Set::Items { .. }, wanted) | Seen::All(Set::Items { .. }, wanted) => is_simple(wanted),
            Seen::Record(collection) => is_indexed(model, collection),
            Seen::Some(set, wanted) => names_member(model, set, wanted),
            Seen::All(..) => false,
        };
    });
    all
}

/// Whether it looks at fields and items alone.
fn is_simple(pred: &Pred) -> bool {
    let mut simple = true;
    in_pred(pred, &mut |seen| simple &= matches!(seen, Seen::Field(..)));
    simple
}

/// Of a table that others made, or a view, nobody knows how it is looked up.
fn is_indexed(model: &Model, collection: CollectionId) -> bool {
    model.collection(collection).managed
}

/// Whether a predicate says which member of a set it wants.
fn names_member(model: &Model, set: &Set, wanted: &Pred) -> bool {
    let (members, alias) = match set {
        Set::Links {
            collection,
            field,
            alias,
            ..
        } => {
            let target = model.collection(*collection).field(*field).target();
            (target.filter(|_| is_indexed(model, *collection)), *alias)
        }
        Set::LinkedFrom { collection, alias, .. } | Set::Referencing { collection, alias, .. } => {
            (Some(*collection), *alias)
        }
        Set::Items { .. } => return true,
    };
    let Some(members) = members.filter(|members| is_indexed(model, *members)) else {
        return false;
    };
    let key = Term::Field(alias, key_field(model.collection(members)).id);
    let is_outside = |term: &Term| {
        let mut outside = true;
        in_term(term, &mut |seen| {
            outside &= !matches!(seen, Seen::Field(row, _) if row == alias)
        });
        outside
    };
    let names = |part: &Pred| match part {
        Pred::Compare(Comparison::Eq, left, right) => {
            (*left == key && is_outside(right)) || (*right == key && is_outside(left))
        }
        _ => false,
    };
    match wanted {
        Pred::And(parts) => parts.iter().any(names),
        part => names(part),
    }
}

fn in_pred<'p>(pred: &'p Pred, see: &mut impl FnMut(Seen<'p>)) {
    match pred {
        Pred::Const(_) | Pred::Captured(_) => {}
        Pred::And(parts) | Pred::Or(parts) => parts.iter().for_each(|part| in_pred(part, see)),
        Pred::Not(inner) => in_pred(inner, see),
        Pred::Compare(_, left, right)
        | Pred::Same(left, right)
        | Pred::InList(left, right)
        | Pred::Text(_, left, right) => {
            in_term(left, see);
            in_term(right, see);
        }
        Pred::IsNull(term) | Pred::Truth(term) => in_term(term, see),
        Pred::Any(set, inner) => {
            see(Seen::Some(set, inner));
            in_set(set, see);
            in_pred(inner, see);
        }
    }
}

fn in_set<'p>(set: &'p Set, see: &mut impl FnMut(Seen<'p>)) {
    match set {
        Set::Links { of, .. } | Set::LinkedFrom { of, .. } | Set::Referencing { of, .. } | Set::Items { of, .. } => {
            in_term(of, see);
        }
    }
}

fn in_term<'p>(term: &'p Term, see: &mut impl FnMut(Seen<'p>)) {
    match term {
        Term::Const(_) | Term::Param(_) | Term::Item(_) => {}
        Term::Field(alias, field) => see(Seen::Field(*alias, *field)),
        Term::Json { of, .. } => in_term(of, see),
        Term::Lookup {
            key,
            collection,
            guard,
            then,
            ..
        } => {
            see(Seen::Record(*collection));
            in_term(key, see);
            in_pred(guard, see);
            in_term(then, see);
        }
        Term::Arithmetic(_, _, left, right) => {
            in_term(left, see);
            in_term(right, see);
        }
        Term::Negate(_, inner) => in_term(inner, see),
        Term::Call(_, arguments) => arguments.iter().for_each(|argument| in_term(argument, see)),
        Term::If(condition, then, otherwise) => {
            in_pred(condition, see);
            in_term(then, see);
            in_term(otherwise, see);
        }
        Term::Count(set, inner) => {
            see(Seen::All(set, inner));
            in_set(set, see);
            in_pred(inner, see);
        }
        Term::Bool(inner) => in_pred(inner, see),
    }
}
