//! To-many relations and inverses.

use apollo_compiler::Node;
use apollo_compiler::ast::FieldDefinition;

use super::super::{CollectionId, FieldKind, Model, Referrer};
use super::directives::{Applied, name_span};
use super::{PendingInverse, Reader, names};
use crate::model::closest;

impl<'a> Reader<'a, '_> {
    /// A relation that is stored in a table of its own.
    pub(super) fn links(
        &mut self,
        source: CollectionId,
        target: CollectionId,
        applied: &Applied<'a>,
        node: &'a Node<FieldDefinition>,
    ) -> FieldKind {
        let source_table = self.model.collection(source).table.clone();
        let target_table = self.model.collection(target).table.clone();
        let (source_column, target_column) = if source == target {
            ("source_id".to_owned(), "target_id".to_owned())
        } else {
            (column_of(&source_table), column_of(&target_table))
        };
        let managed = self.model.collection(source).managed;
        if managed && !self.model.collection(target).managed {
            let target = &self.model.collection(target).name;
            self.report
                .error(
                    name_span(&node.name),
                    format!("the table of `{target}` is not Ninefold's: nothing can be joined to it"),
                )
                .help("write a collection of its own, with a to-one relation to either");
        }
        let named = |argument| applied.get("table").and_then(|table| table.text(argument));
        let mut column = |argument, otherwise| match named(argument) {
            Some(written) => {
                self.check_column(source, written.text, written.span);
                written.text.to_owned()
            }
            None => otherwise,
        };
        let (source_column, target_column) = (column("source", source_column), column("target", target_column));
        if source_column.eq_ignore_ascii_case(&target_column) {
            self.report.error(
                name_span(&node.name),
                format!("both columns of the join table would be `{source_column}`"),
            );
        }
        let written = applied.get("table").and_then(|table| table.text("name"));
        let (table, span) = match written {
            Some(written) => (written.text.to_owned(), written.span),
            None => (
                format!("{source_table}_{}", names::snake_case(&node.name)),
                name_span(&node.name),
            ),
        };
        let owner = format!("{}.{}", self.model.collection(source).name, node.name);
        self.claim_table(&table, owner, managed, span);
        FieldKind::Links {
            target,
            table,
            source_column,
            target_column,
        }
    }

    pub(super) fn resolve_inverses(&mut self) {
        for pending in std::mem::take(&mut self.inverses) {
            self.resolve_inverse(&pending);
        }
    }

    fn resolve_inverse(&mut self, pending: &PendingInverse<'a>) {
        let source = self.model.collection(pending.collection);
        let target = self.model.collection(pending.target);
        let name = pending.name.text;
        let refers = |kind: &FieldKind| {
            matches!(kind, FieldKind::Reference { target, .. } | FieldKind::Links { target, .. }
                if *target == pending.collection)
        };
        match target.field_named(name) {
            Some(field) if refers(&field.kind) => {
                let found = field.id;
                let field =
                    &mut self.model.collections[usize::from(pending.collection.0)].fields[usize::from(pending.field.0)];
                field.kind = FieldKind::Inverse {
                    target: pending.target,
                    field: found,
                };
                return;
            }
            Some(_) => {
                let message = format!("`{}.{name}` doesn't refer to {}", target.name, source.name);
                self.report.error(pending.name.span.clone(), message).help(format!(
                    "@inverse names the field of `{}` that has the type `{}` or `[{}!]!`",
                    target.name, source.name, source.name
                ));
            }
            None if self.broken.contains(name) => {}
            None => {
                let candidates: Vec<&str> = target
                    .fields
                    .iter()
                    .filter(|field| refers(&field.kind))
                    .map(|field| field.name.as_str())
                    .collect();
                let near = closest(name, candidates.iter().copied()).or(match candidates.as_slice() {
                    [only] => Some(*only),
                    _ => None,
                });
                self.report
                    .error(
                        pending.name.span.clone(),
                        format!("{} has no field `{name}`", target.name),
                    )
                    .suggest(near);
            }
        }
        let broken = &source.field(pending.field).name;
        self.broken.insert(broken.clone());
    }
}

fn column_of(table: &str) -> String {
    format!("{table}_id")
}

/// Who refers to each collection.
pub(super) fn referrers(model: &Model) -> Vec<Vec<Referrer>> {
    let mut referrers = vec![Vec::new(); model.collections.len()];
    for collection in &model.collections {
        for field in &collection.fields {
            if let FieldKind::Reference { target, .. } | FieldKind::Links { target, .. } = &field.kind {
                referrers[usize::from(target.0)].push(Referrer {
                    collection: collection.id,
                    field: field.id,
                });
            }
        }
    }
    referrers
}
