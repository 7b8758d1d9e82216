//! Names that two things want at once, compared as the least particular database does: without case.

use std::collections::HashMap;

use super::Reader;
use super::directives::{Span, name_span};

impl Reader<'_, '_> {
    pub(super) fn check_collisions(&mut self) {
        self.check_tables();
        self.check_columns();
        self.check_renames();
    }

    fn check_tables(&mut self) {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for wanted in &self.tables {
            if let Some(first) = owners.insert(&wanted.table, &wanted.owner) {
                self.report
                    .error(
                        wanted.span.clone(),
                        format!("`{first}` already has the table `{}`", wanted.table),
                    )
                    .help("choose another: @table(name: \"...\")");
            }
        }
    }

    fn check_columns(&mut self) {
        for (collection, node) in self.model.collections.iter().zip(&self.declared.collections) {
            let mut owners: HashMap<String, &str> = HashMap::new();
            for field in collection.stored() {
                let Some(first) = owners.insert(field.column.to_ascii_lowercase(), &field.name) else {
                    continue;
                };
                let span = node.fields.iter().find(|node| node.name == field.name.as_str());
                let span: Span = span.map_or(0..0, |node| name_span(&node.name));
                self.report
                    .error(span, format!("`{first}` already has the column `{}`", field.column))
                    .help("choose another: @column(name: \"...\")");
            }
        }
    }

    /// What was renamed can't still be there.
    fn check_renames(&mut self) {
        for (collection, node) in self.model.collections.iter().zip(&self.declared.collections) {
            if let Some(from) = collection
                .renamed_from
                .as_ref()
                .filter(|from| self.model.by_name.contains_key(*from))
            {
                self.report
                    .error(
                        name_span(&node.name),
                        format!("`{from}` still exists, so `{}` is no new name for it", collection.name),
                    )
                    .help("take @renamed out, or the other type");
            }
            for field in &collection.fields {
                let Some(from) = field
                    .renamed_from
                    .as_ref()
                    .filter(|from| collection.by_name.contains_key(*from))
                else {
                    continue;
                };
                let span = node.fields.iter().find(|node| node.name == field.name.as_str());
                let span: Span = span.map_or(0..0, |node| name_span(&node.name));
                self.report
                    .error(
                        span,
                        format!("`{from}` still exists, so `{}` is no new name for it", field.name),
                    )
                    .help("take @renamed out, or the other field");
            }
        }
    }
}
