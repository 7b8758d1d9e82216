//! Fields: in place where SQLite can, through a rebuilt table where it can't.

use std::ops::Range;

use engine::model::migration::{Conversion, Fill, Step};
use engine::model::{StoredCollection, StoredField, Value};
use engine::ports::migrator::Refusal;

use super::{Action, Check, Complaint, Renderer, refusal};
use crate::migrate::sqlite::ddl::{self, quoted, quoted_list};
use crate::migrate::sqlite::{functions, stored};

/// The collection whose columns a step changes otherwise than by name.
pub(super) fn changed_collection(step: &Step) -> Option<&str> {
    match step {
        Step::AddField { collection, .. }
        | Step::RemoveField { collection, .. }
        | Step::ChangeField { collection, .. }
        | Step::ChangeKey { collection, .. } => Some(collection),
        _ => None,
    }
}

impl Renderer<'_> {
    pub(super) fn needs_rebuild(&self, index: usize) -> bool {
        match &self.steps[index] {
            Step::ChangeKey { .. } => true,
            // SQLite fills in constants only.
            Step::AddField { field, fill, .. } => field.required && *fill == Some(Fill::Now),
            // A foreign key belongs to the table's definition.
            Step::RemoveField { collection, field } => {
                let field = self.before(index, collection).field(field);
                field.is_some_and(|field| field.refers.is_some())
            }
            Step::ChangeField { collection, field, .. } => {
                let Some(current) = self.before(index, collection).field(&field.name) else {
                    return false;
                };
                let keeps = conversion(current, field).is_some_and(|conversion| conversion.keeps_values());
                !keeps || current.required != field.required || current.refers != field.refers
            }
            _ => false,
        }
    }

    pub(super) fn field_checks(&self, index: usize) -> Vec<Action> {
        match &self.steps[index] {
            Step::AddField {
                collection,
                field,
                fill: None,
            } if field.required => {
                let table = quoted(&self.before(index, collection).table);
                vec![Action::Check(Check {
                    count: format!("SELECT count(*) FROM {table}"),
                    examples: None,
                    shows: Vec::new(),
                    complaint: Complaint::NoValue {
                        collection: collection.clone(),
                        field: field.name.clone(),
                    },
                })]
            }
            Step::ChangeField {
                collection,
                field,
                fill,
            } => self.change_checks(index, self.before(index, collection), field, fill.is_some()),
            _ => Vec::new(),
        }
    }

    fn change_checks(&self, index: usize, owner: &StoredCollection, to: &StoredField, filled: bool) -> Vec<Action> {
        let Some(from) = owner.field(&to.name) else {
            return Vec::new();
        };
        let column = quoted(&to.column);
        let place = format!("{}.{}", owner.name, to.name);
        let mut checks = Vec::new();
        if to.required && !from.required && !filled {
            let complaint = Complaint::Null { place: place.clone() };
            checks.push(offenders(owner, &format!("{column} IS NULL"), complaint));
        }
        if conversion(from, to).is_some_and(|conversion| !conversion.is_free()) {
            let condition = format!("{column} IS NOT NULL AND {} IS NULL", converted(&column, from, to));
            let kind = to.kind.clone();
            checks.push(offenders(
                owner,
                &condition,
                Complaint::NotOfType {
                    place: place.clone(),
                    kind,
                },
            ));
        }
        let target = to.refers.as_ref().filter(|target| from.refers.as_ref() != Some(target));
        if let Some(target) = target.and_then(|target| self.structures[index].collection(target)) {
            let (table, key) = (quoted(&target.table), quoted_list(target.columns(&target.key)));
            let known = format!("SELECT {key} FROM {table}");
            checks.push(offenders(
                owner,
                &format!("{column} IS NOT NULL AND {column} NOT IN ({known})"),
                Complaint::NoTarget {
                    place,
                    target: target.name.clone(),
                },
            ));
        }
        checks
    }

    /// Without a rebuild.
    pub(super) fn field_actions(&self, index: usize) -> Result<Vec<Action>, Refusal> {
        match &self.steps[index] {
            Step::AddField {
                collection,
                field,
                fill,
            } => {
                let owner = self.before(index, collection);
                let table = quoted(&owner.table);
                let definition = ddl::column(self.knowing_field(index, field), field);
                let value = self.fill(index, field, fill.as_ref())?;
                let add = |default: &str| Action::Run(format!("ALTER TABLE {table} ADD COLUMN {definition}{default}"));
                Ok(match (value, fill) {
                    (Some(value), Some(Fill::Now)) => {
                        let set = format!("UPDATE {table} SET {} = {value}", quoted(&field.column));
                        vec![add(""), Action::Run(set)]
                    }
                    (Some(value), _) => vec![add(&format!(" DEFAULT {value}"))],
                    (None, _) => vec![add("")],
                })
            }
            Step::RemoveField { collection, field } => {
                let owner = self.before(index, collection);
                let column = owner
                    .field(field)
                    .map(|field| quoted(&field.column))
                    .unwrap_or_default();
                Ok(vec![Action::Run(format!(
                    "ALTER TABLE {} DROP COLUMN {column}",
                    quoted(&owner.table)
                ))])
            }
            // What a changed field holds stays as it is, or there would be a rebuild.
            _ => Ok(Vec::new()),
        }
    }

    /// All of a group's steps at once.
    pub(super) fn rebuild(&self, steps: Range<usize>) -> Result<Vec<Action>, Refusal> {
        let name = changed_collection(&self.steps[steps.start]).expect("a rebuild is of a collection");
        let before = self.before(steps.start, name);
        let after = self.before(steps.end, name);
        let sources = self.sources(steps.clone(), before)?;
        let new = format!("{}_rebuilt", before.table);
        let expressions = after.fields.iter().map(|field| {
            let source = sources.iter().find(|(name, _)| *name == field.name);
            source.map_or("NULL", |(_, expression)| expression.as_str())
        });
        let (old_name, new_name) = (quoted(&before.table), quoted(&new));
        let copy = format!(
            "INSERT INTO {new_name} ({}) SELECT {} FROM {old_name}",
            quoted_list(after.fields.iter().map(|field| field.column.as_str())),
            expressions.collect::<Vec<_>>().join(", "),
        );
        let table = before.table.clone();
        Ok(vec![
            Action::KnownColumns {
                table: table.clone(),
                columns: before.fields.iter().map(|field| field.column.clone()).collect(),
            },
            Action::Keep { table: table.clone() },
            Action::Run(ddl::create_table(self.knowing(steps.end - 1, after), after, &new)),
            Action::Run(copy),
            Action::SameCount {
                tables: [table.clone(), new.clone()],
            },
            Action::Run(format!("DROP TABLE {old_name}")),
            // References to the table by name must stay as they are.
            Action::Run("PRAGMA legacy_alter_table = ON".to_owned()),
            Action::Run(format!("ALTER TABLE {new_name} RENAME TO {old_name}")),
            Action::Run("PRAGMA legacy_alter_table = OFF".to_owned()),
            Action::Restore { table },
        ])
    }

    /// By field: what the new table's column is copied from.
    fn sources(&self, steps: Range<usize>, before: &StoredCollection) -> Result<Vec<(String, String)>, Refusal> {
        let own = |field: &StoredField| (field.name.clone(), quoted(&field.column));
        let mut sources: Vec<(String, String)> = before.fields.iter().map(own).collect();
        for index in steps {
            match &self.steps[index] {
                Step::AddField { field, fill, .. } => {
                    let value = self.fill(index, field, fill.as_ref())?;
                    sources.push((field.name.clone(), value.unwrap_or_else(|| "NULL".to_owned())));
                }
                Step::RemoveField { field, .. } => sources.retain(|(name, _)| name != field),
                Step::ChangeField {
                    collection,
                    field,
                    fill,
                } => {
                    let current = self.before(index, collection).field(&field.name);
                    let value = self.fill(index, field, fill.as_ref())?;
                    let source = sources.iter_mut().find(|(name, _)| *name == field.name);
                    if let (Some(current), Some((_, source))) = (current, source) {
                        *source = changed(source, current, field, value);
                    }
                }
                _ => {}
            }
        }
        Ok(sources)
    }

    /// A fill as a literal.
    fn fill(&self, index: usize, field: &StoredField, fill: Option<&Fill>) -> Result<Option<String>, Refusal> {
        let value: Option<Result<Value, String>> = fill.map(|fill| fill.value(&field.kind, self.now));
        value
            .transpose()
            .map(|value| value.as_ref().map(stored::literal))
            .map_err(|reason| refusal(&self.steps[index], reason))
    }

    /// As [`Renderer::knowing`], for one field.
    fn knowing_field(&self, index: usize, field: &StoredField) -> &engine::model::Structure {
        let knows = |structure: &&engine::model::Structure| {
            field
                .refers
                .as_ref()
                .is_none_or(|target| structure.collection(target).is_some())
        };
        let later = &self.structures[index + 1..];
        later.iter().find(knows).unwrap_or(&self.structures[index + 1])
    }
}

fn conversion(from: &StoredField, to: &StoredField) -> Option<Conversion> {
    Conversion::between(&from.kind, &to.kind)
}

fn changed(source: &str, from: &StoredField, to: &StoredField, fill: Option<String>) -> String {
    let kept = match conversion(from, to) {
        Some(conversion) if !conversion.keeps_values() => converted(source, from, to),
        _ => source.to_owned(),
    };
    match fill {
        Some(value) => format!("coalesce({kept}, {value})"),
        None => kept,
    }
}

/// The value as the other type; null when it can't be.
fn converted(source: &str, from: &StoredField, to: &StoredField) -> String {
    let types = [&from.kind, &to.kind].map(|kind| stored::text_literal(&kind.to_string()));
    format!("{}({source}, {}, {})", functions::CONVERT, types[0], types[1])
}

/// Records for which the condition holds, by their keys.
fn offenders(owner: &StoredCollection, condition: &str, complaint: Complaint) -> Action {
    let table = quoted(&owner.table);
    let key = owner
        .key
        .iter()
        .filter_map(|name| owner.field(name))
        .map(|field| field.kind.clone());
    Action::Check(Check {
        count: format!("SELECT count(*) FROM {table} WHERE {condition}"),
        examples: Some(format!(
            "SELECT {} FROM {table} WHERE {condition}",
            quoted_list(owner.columns(&owner.key))
        )),
        shows: key.collect(),
        complaint,
    })
}
