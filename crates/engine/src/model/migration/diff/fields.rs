//! Fields that come, go, and change.

use super::*;

impl Draft<'_> {
    pub(super) fn rename_fields(&mut self, wanted: &StoredCollection) {
        for field in &wanted.fields {
            let Some(from) = self.former_field(wanted, field) else {
                continue;
            };
            if from.name == field.name && from.column == field.column {
                continue;
            }
            if from.column != field.column {
                self.vacate_column(wanted, &field.column);
            }
            self.push(Step::RenameField {
                collection: wanted.name.clone(),
                from: from.name,
                to: field.name.clone(),
                column: field.column.clone(),
            });
        }
    }

    /// What a field of the target is now: the field of its name, of the name that it says it had, or one that is gone
    /// and leaves its column behind.
    fn former_field(&self, wanted: &StoredCollection, field: &StoredField) -> Option<StoredField> {
        let current = self.current_of(wanted)?;
        if let Some(same) = current.field(&field.name) {
            return Some(same.clone());
        }
        if current.links_named(&field.name).is_some() {
            return None;
        }
        let is_free = |name: &str| wanted.field(name).is_none() && wanted.links_named(name).is_none();
        if let Some(from) = self.target.former_field(&wanted.name, &field.name)
            && is_free(from)
            && let Some(from) = current.field(from)
        {
            return Some(from.clone());
        }
        let mut left = current.fields.iter().filter(|left| is_free(&left.name));
        left.find(|left| left.column == field.column).cloned()
    }

    fn vacate_column(&mut self, wanted: &StoredCollection, column: &str) {
        let Some(current) = self.current_of(wanted) else { return };
        let Some(occupant) = current.fields.iter().find(|field| field.column == column) else {
            return;
        };
        let taken = |name: &str| {
            current
                .fields
                .iter()
                .chain(&wanted.fields)
                .any(|field| field.column == name)
        };
        let (name, aside) = (occupant.name.clone(), set_aside(column, taken));
        self.push(Step::RenameField {
            collection: wanted.name.clone(),
            from: name.clone(),
            to: name,
            column: aside,
        });
    }

    /// A field that becomes a to-many relation of the same name, or the other way around, can't be beside itself.
    pub(super) fn remove_what_stands_in_the_way(&mut self, wanted: &StoredCollection) {
        let Some(current) = self.current_of(wanted) else { return };
        let collection = || wanted.name.clone();
        let fields = current
            .fields
            .iter()
            .filter(|field| wanted.links_named(&field.name).is_some());
        let fields = fields.map(|field| Step::RemoveField {
            collection: collection(),
            field: field.name.clone(),
        });
        let links = current.links.iter().filter(|links| wanted.field(&links.name).is_some());
        let links = links.map(|links| Step::RemoveLinks {
            collection: collection(),
            field: links.name.clone(),
        });
        for step in fields.chain(links).collect::<Vec<_>>() {
            self.push(step);
        }
    }

    pub(super) fn add_and_change_fields(&mut self, wanted: &StoredCollection) {
        for field in &wanted.fields {
            let current = self.current_of(wanted).and_then(|current| current.field(&field.name));
            if current == Some(field) {
                continue;
            }
            let collection = wanted.name.clone();
            let default = self.target.fill(&wanted.name, &field.name).cloned();
            let step = match current {
                None => {
                    self.vacate_column(wanted, &field.column);
                    Step::AddField {
                        collection,
                        field: field.clone(),
                        fill: default,
                    }
                }
                Some(current) => Step::ChangeField {
                    collection,
                    fill: default.filter(|_| field.required && !current.required),
                    field: field.clone(),
                },
            };
            self.push(step);
        }
        if self.current_of(wanted).is_some_and(|current| current.key != wanted.key) {
            self.push(Step::ChangeKey {
                collection: wanted.name.clone(),
                key: wanted.key.clone(),
            });
        }
    }

    pub(super) fn remove_fields(&mut self, wanted: &StoredCollection) {
        let Some(current) = self.current_of(wanted) else { return };
        let gone = current
            .fields
            .iter()
            .filter(|field| wanted.field(&field.name).is_none());
        let gone: Vec<String> = gone.map(|field| field.name.clone()).collect();
        for field in gone {
            self.push(Step::RemoveField {
                collection: wanted.name.clone(),
                field,
            });
        }
    }
}
