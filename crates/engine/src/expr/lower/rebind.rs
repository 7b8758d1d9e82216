//! Each binder of a statement has an alias of its own, also where a term is used twice.

use std::collections::HashSet;

use crate::expr::Aliases;
use crate::query::{Alias, Pred, Set, Term};

pub(in crate::expr) fn unique_binders(mut pred: Pred, aliases: &mut Aliases) -> Pred {
    Rebinder::new(aliases).pred(&mut pred);
    pred
}

pub(super) fn unique_binders_of_term(mut term: Term, aliases: &mut Aliases) -> Term {
    Rebinder::new(aliases).term(&mut term);
    term
}

struct Rebinder<'a> {
    aliases: &'a mut Aliases,
    seen: HashSet<Alias>,
    /// What a binder in scope is called now.
    renamed: Vec<(Alias, Alias)>,
}

impl<'a> Rebinder<'a> {
    fn new(aliases: &'a mut Aliases) -> Self {
        Self {
            aliases,
            seen: HashSet::new(),
            renamed: Vec::new(),
        }
    }

    fn binder(&mut self, alias: &mut Alias) {
        let old = *alias;
        if !self.seen.insert(old) {
            *alias = self.aliases.fresh();
        }
        self.renamed.push((old, *alias));
    }

    fn reference(&self, alias: &mut Alias) {
        if let Some((_, new)) = self.renamed.iter().rev().find(|(old, _)| old == alias) {
            *alias = *new;
        }
    }

    fn pred(&mut self, pred: &mut Pred) {
        match pred {
            Pred::Const(_) | Pred::Captured(_) => {}
            Pred::And(parts) | Pred::Or(parts) => parts.iter_mut().for_each(|part| self.pred(part)),
            Pred::Not(inner) => self.pred(inner),
            Pred::Compare(_, left, right)
            | Pred::Same(left, right)
            | Pred::InList(left, right)
            | Pred::Text(_, left, right) => {
                self.term(left);
                self.term(right);
            }
            Pred::IsNull(term) | Pred::Truth(term) => self.term(term),
            Pred::Any(set, pred) => self.set(set, pred),
        }
    }

    fn set(&mut self, set: &mut Set, pred: &mut Pred) {
        let (of, alias) = match set {
            Set::Links { of, alias, .. }
            | Set::LinkedFrom { of, alias, .. }
            | Set::Referencing { of, alias, .. }
            | Set::Items { of, alias, .. } => (of, alias),
        };
        self.term(of);
        self.binder(alias);
        self.pred(pred);
        self.renamed.pop();
    }

    fn term(&mut self, term: &mut Term) {
        match term {
            Term::Const(_) | Term::Param(_) => {}
            Term::Field(alias, _) | Term::Item(alias) => self.reference(alias),
            Term::Json { of, .. } => self.term(of),
            Term::Lookup {
                key,
                alias,
                guard,
                then,
                ..
            } => {
                self.term(key);
                self.binder(alias);
                self.pred(guard);
                self.term(then);
                self.renamed.pop();
            }
            Term::Arithmetic(_, _, left, right) => {
                self.term(left);
                self.term(right);
            }
            Term::Negate(_, inner) => self.term(inner),
            Term::Call(_, arguments) => arguments.iter_mut().for_each(|argument| self.term(argument)),
            Term::If(condition, then, otherwise) => {
                self.pred(condition);
                self.term(then);
                self.term(otherwise);
            }
            Term::Count(set, pred) => self.set(set, pred),
            Term::Bool(pred) => self.pred(pred),
        }
    }
}

pub(super) fn size_of_pred(pred: &Pred) -> usize {
    1 + match pred {
        Pred::Const(_) | Pred::Captured(_) => 0,
        Pred::And(parts) | Pred::Or(parts) => parts.iter().map(size_of_pred).sum(),
        Pred::Not(inner) => size_of_pred(inner),
        Pred::Compare(_, left, right)
        | Pred::Same(left, right)
        | Pred::InList(left, right)
        | Pred::Text(_, left, right) => size_of_term(left) + size_of_term(right),
        Pred::IsNull(term) | Pred::Truth(term) => size_of_term(term),
        Pred::Any(set, pred) => size_of_set(set) + size_of_pred(pred),
    }
}

pub(super) fn size_of_term(term: &Term) -> usize {
    1 + match term {
        Term::Const(_) | Term::Param(_) | Term::Field(..) | Term::Item(_) => 0,
        Term::Json { of, .. } => size_of_term(of),
        Term::Lookup { key, guard, then, .. } => size_of_term(key) + size_of_pred(guard) + size_of_term(then),
        Term::Arithmetic(_, _, left, right) => size_of_term(left) + size_of_term(right),
        Term::Negate(_, inner) => size_of_term(inner),
        Term::Call(_, arguments) => arguments.iter().map(size_of_term).sum(),
        Term::If(condition, then, otherwise) => size_of_pred(condition) + size_of_term(then) + size_of_term(otherwise),
        Term::Count(set, pred) => size_of_set(set) + size_of_pred(pred),
        Term::Bool(pred) => size_of_pred(pred),
    }
}

fn size_of_set(set: &Set) -> usize {
    match set {
        Set::Links { of, .. } | Set::LinkedFrom { of, .. } | Set::Referencing { of, .. } | Set::Items { of, .. } => {
            size_of_term(of)
        }
    }
}
