//! Which fields of which rows a predicate reads.

use engine::model::FieldId;
use engine::query::{Alias, Pred, Set, Term};

/// Whether `pred` reads more of the row `alias` than its key.
pub(super) fn reads_beyond_key(pred: &Pred, alias: Alias, key: FieldId) -> bool {
    let mut beyond = false;
    in_pred(pred, &mut |row, field| beyond |= row == alias && field != key);
    beyond
}

/// Whether anything but the row itself has to be looked at.
pub(super) fn looks_up(pred: &Pred) -> bool {
    match pred {
        Pred::Const(_) | Pred::Captured(_) => false,
        Pred::And(parts) | Pred::Or(parts) => parts.iter().any(looks_up),
        Pred::Not(inner) => looks_up(inner),
        Pred::Compare(_, left, right)
        | Pred::Same(left, right)
        | Pred::InList(left, right)
        | Pred::Text(_, left, right) => term_looks_up(left) || term_looks_up(right),
        Pred::IsNull(term) | Pred::Truth(term) => term_looks_up(term),
        Pred::Any(set, inner) => set_looks_up(set) || looks_up(inner),
    }
}

fn set_looks_up(set: &Set) -> bool {
    match set {
        Set::Links { .. } | Set::LinkedFrom { .. } | Set::Referencing { .. } => true,
        Set::Items { of, .. } => term_looks_up(of),
    }
}

fn term_looks_up(term: &Term) -> bool {
    match term {
        Term::Const(_) | Term::Param(_) | Term::Item(_) | Term::Field(..) => false,
        Term::Lookup { .. } => true,
        Term::Json { of: inner, .. } | Term::Negate(_, inner) => term_looks_up(inner),
        Term::Arithmetic(_, _, left, right) => term_looks_up(left) || term_looks_up(right),
        Term::Call(_, arguments) => arguments.iter().any(term_looks_up),
        Term::If(condition, then, otherwise) => looks_up(condition) || term_looks_up(then) || term_looks_up(otherwise),
        Term::Count(set, inner) => set_looks_up(set) || looks_up(inner),
        Term::Bool(inner) => looks_up(inner),
    }
}

fn in_pred(pred: &Pred, see: &mut impl FnMut(Alias, FieldId)) {
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
            in_set(set, see);
            in_pred(inner, see);
        }
    }
}

fn in_set(set: &Set, see: &mut impl FnMut(Alias, FieldId)) {
    match set {
        Set::Links { of, .. } | Set::LinkedFrom { of, .. } | Set::Referencing { of, .. } | Set::Items { of, .. } => {
            in_term(of, see);
        }
    }
}

fn in_term(term: &Term, see: &mut impl FnMut(Alias, FieldId)) {
    match term {
        Term::Const(_) | Term::Param(_) | Term::Item(_) => {}
        Term::Field(alias, field) => see(*alias, *field),
        Term::Json { of, .. } => in_term(of, see),
        Term::Lookup { key, guard, then, .. } => {
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
            in_set(set, see);
            in_pred(inner, see);
        }
        Term::Bool(inner) => in_pred(inner, see),
    }
}
