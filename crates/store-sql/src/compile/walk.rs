//! Which fields of which rows a predicate reads, and whether it reads rows beside its own.

use engine::model::FieldId;
use engine::query::{Alias, Pred, Set, Term};

/// Whether `pred` reads more of the row `alias` than its key.
pub(super) fn reads_beyond_key(pred: &Pred, alias: Alias, key: FieldId) -> bool {
    let mut beyond = false;
    in_pred(pred, &mut |row, field| beyond |= row == alias && field != key);
    beyond
}

/// Whether it looks at records beside the one that it is about.
pub(crate) fn reads_others(pred: &Pred) -> bool {
    match pred {
        Pred::Const(_) | Pred::Captured(_) => false,
        Pred::And(parts) | Pred::Or(parts) => parts.iter().any(reads_others),
        Pred::Not(inner) => reads_others(inner),
        Pred::Compare(_, left, right)
        | Pred::Same(left, right)
        | Pred::InList(left, right)
        | Pred::Text(_, left, right) => term_reads_others(left) || term_reads_others(right),
        Pred::IsNull(term) | Pred::Truth(term) => term_reads_others(term),
        Pred::Any(set, inner) => set_reads_others(set) || reads_others(inner),
    }
}

fn set_reads_others(set: &Set) -> bool {
    match set {
        Set::Links { .. } | Set::LinkedFrom { .. } | Set::Referencing { .. } => true,
        Set::Items { of, .. } => term_reads_others(of),
    }
}

fn term_reads_others(term: &Term) -> bool {
    match term {
        Term::Const(_) | Term::Param(_) | Term::Item(_) | Term::Field(..) => false,
        Term::Lookup { .. } => true,
        Term::Json { of, .. } => term_reads_others(of),
        Term::Arithmetic(_, _, left, right) => term_reads_others(left) || term_reads_others(right),
        Term::Negate(_, inner) => term_reads_others(inner),
        Term::Call(_, arguments) => arguments.iter().any(term_reads_others),
        Term::If(condition, then, otherwise) => {
            reads_others(condition) || term_reads_others(then) || term_reads_others(otherwise)
        }
        Term::Count(set, inner) => set_reads_others(set) || reads_others(inner),
        Term::Bool(inner) => reads_others(inner),
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
