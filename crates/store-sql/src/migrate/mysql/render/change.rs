//! A field that gets another type, or becomes another in what else it is.

use engine::model::migration::{Conversion, Fill};
use engine::model::{StoredCollection, StoredField, StoredIndex, StoredType, Value};

use super::super::ddl::{self, IndexParts, Reference, quoted, quoted_list};
use super::{Action, Actions, Nulls, Renderer, duplicates, key_of, offenders};
use crate::migrate::check::{Check, Complaint};

/// The column that takes converted values.
pub(in super::super) const CONVERTED: &str = "_ninefold_converted";

pub(in super::super) const UNLOCK: &str = "UNLOCK TABLES";

/// Values of a column as values of another type, in a column of their own beside it.
#[derive(Debug, Clone)]
pub(in super::super) struct Convert {
    pub(in super::super) table: String,
    pub(in super::super) column: String,
    /// Columns of the primary key, and what they hold.
    pub(in super::super) key: Vec<(String, StoredType)>,
    pub(in super::super) from: StoredType,
    pub(in super::super) to: StoredType,
    /// What takes the place of nulls.
    pub(in super::super) fill: Option<Value>,
    /// How the column beside it is defined.
    definition: String,
    /// Of what can't be converted.
    pub(in super::super) checks: Vec<Check>,
}

/// The column beside takes the place of the other, while nobody else has the table.
#[derive(Debug, Clone)]
pub(in super::super) struct Replace {
    pub(in super::super) convert: Convert,
    /// Of what was written since it was converted.
    pub(in super::super) checks: Vec<Check>,
    /// Takes away the old column and what covers it, and puts the new one there, covered as the old one was.
    pub(in super::super) exchange: String,
    /// Foreign keys that were taken away before.
    pub(in super::super) loosened: Vec<Reference>,
}

impl Convert {
    pub(in super::super) fn add(&self) -> String {
        format!("ALTER TABLE {} ADD COLUMN {}", quoted(&self.table), self.definition)
    }

    pub(in super::super) fn drop(&self) -> String {
        format!("ALTER TABLE {} DROP COLUMN {}", quoted(&self.table), quoted(CONVERTED))
    }

    pub(in super::super) fn lock(&self) -> String {
        format!("LOCK TABLES {} WRITE", quoted(&self.table))
    }

    pub(super) fn shown(&self) -> Vec<String> {
        let (table, column, to) = (&self.table, &self.column, &self.to);
        vec![format!(
            "{}\n-- each value of {table}.{column} becomes a {to} there",
            self.add()
        )]
    }
}

impl Replace {
    pub(super) fn shown(&self) -> Vec<String> {
        let lock = format!(
            "{}\n-- what was written meanwhile is converted as well",
            self.convert.lock()
        );
        vec![lock, self.exchange.clone(), UNLOCK.to_owned()]
    }
}

/// Whether values of the one are looked at one by one to become values of the other.
pub(super) fn is_converted(from: &StoredField, to: &StoredField) -> bool {
    let is_retyped = ddl::column_type(&from.kind, false) != ddl::column_type(&to.kind, false);
    let conversion = Conversion::between(&from.kind, &to.kind);
    is_retyped || conversion.is_some_and(|conversion| !conversion.is_free())
}

impl Renderer<'_> {
    pub(super) fn change_field(
        &self,
        index: usize,
        owner: &StoredCollection,
        to: &StoredField,
        fill: Option<&Fill>,
    ) -> Actions {
        let from = owner.field(&to.name).expect("a replayed step names what is there");
        let nulls = self.no_nulls(owner, from, to, fill);
        let mut actions: Vec<Action> = nulls.iter().cloned().map(Action::Check).collect();
        let fill = fill.map(|fill| fill.value(&to.kind, self.now)).transpose()?;
        if is_converted(from, to) {
            actions.extend(self.retype(index, owner, (from, to), fill, nulls)?);
            return Ok(actions);
        }
        if let Some(fill) = fill {
            actions.push(Action::Fill(Nulls {
                table: owner.table.clone(),
                key: key_of(owner),
                column: to.column.clone(),
                value: ddl::literal(self.dialect, &fill),
            }));
        }
        actions.extend(self.no_target(index, owner, (from, to), &to.column).map(Action::Check));
        if from.refers != to.refers {
            actions.extend(self.loosened(index, |reference| is_of(reference, owner, to)));
        }
        if to.required != from.required || (to.refers.is_some() && from.refers.is_none()) {
            let bounded = ddl::is_bounded(owner, to);
            let definition = ddl::column(self.dialect, to, bounded);
            let modify = format!("MODIFY COLUMN {definition}");
            actions.push(self.without_hashes(index, &owner.name, &to.name, modify)?);
        }
        Ok(actions)
    }

    /// Foreign keys are gone before anybody is kept out, for they may be other tables'.
    fn retype(
        &self,
        index: usize,
        owner: &StoredCollection,
        (from, to): (&StoredField, &StoredField),
        fill: Option<Value>,
        nulls: Option<Check>,
    ) -> Actions {
        let mut convert = self.convert(owner, from, to, fill);
        convert.checks.extend(self.converted_duplicates(index, owner, to));
        let before_it_is_put = convert.checks.clone();
        convert
            .checks
            .extend(self.no_target(index, owner, (from, to), CONVERTED));
        let is_key = owner.key.contains(&to.name);
        let is_in_way =
            |reference: &Reference| is_of(reference, owner, to) || (is_key && reference.target == owner.table);
        let references = Reference::all(&self.structures[index]).into_iter();
        let loosened: Vec<Reference> = references.filter(is_in_way).collect();
        let covers = |_: &IndexParts<'_>, found: &StoredIndex| found.only.is_some() || found.fields.contains(&to.name);
        let (removals, additions) = self.indexes_in_way(index, &owner.name, covers)?;
        // In one statement: a unique index that is gone for a while would have to be made again whatever happens.
        let changes = [removals, self.swap(owner, to), additions].concat();
        let replace = Replace {
            convert: convert.clone(),
            checks: before_it_is_put.into_iter().chain(nulls).collect(),
            exchange: ddl::alter(&owner.table, &changes),
            loosened: loosened.clone(),
        };
        let mut actions = vec![Action::Convert(convert)];
        actions.extend(loosened.into_iter().map(Action::Loosen));
        actions.push(Action::Replace(replace));
        Ok(actions)
    }

    /// A field that becomes required without a value for those that have none.
    fn no_nulls(
        &self,
        owner: &StoredCollection,
        from: &StoredField,
        to: &StoredField,
        fill: Option<&Fill>,
    ) -> Option<Check> {
        let place = format!("{}.{}", owner.name, to.name);
        let condition = format!("{} IS NULL", quoted(&to.column));
        let is_new = to.required && !from.required && fill.is_none();
        is_new.then(|| offenders(owner, &condition, Complaint::Null { place }))
    }

    /// A field that refers to another collection than before; `column` has its values.
    fn no_target(
        &self,
        index: usize,
        owner: &StoredCollection,
        (from, to): (&StoredField, &StoredField),
        column: &str,
    ) -> Option<Check> {
        let target = to
            .refers
            .as_ref()
            .filter(|target| from.refers.as_ref() != Some(target))?;
        let target = self.structures[index].collection(target)?;
        let (table, key, column) = (
            quoted(&target.table),
            quoted_list(target.columns(&target.key)),
            quoted(column),
        );
        let condition = format!("{column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {table})");
        let complaint = Complaint::NoTarget {
            place: format!("{}.{}", owner.name, to.name),
            target: target.name.clone(),
        };
        Some(offenders(owner, &condition, complaint))
    }

    /// Texts that differ may be the same number. An index of some records only finds that itself, for what it is about may
    /// depend on the field.
    fn converted_duplicates(&self, index: usize, owner: &StoredCollection, to: &StoredField) -> Vec<Check> {
        let after = self.structures[index + 1].collection(&owner.name).unwrap_or(owner);
        let column = |field: &StoredField| match field.name == to.name {
            true => quoted(CONVERTED),
            false => quoted(&field.column),
        };
        let key = owner.key.contains(&to.name).then(|| StoredIndex {
            name: String::new(),
            fields: owner.key.clone(),
            unique: true,
            only: None,
        });
        let is_unique = |found: &&StoredIndex| found.unique && found.only.is_none() && found.fields.contains(&to.name);
        let check = |found: &StoredIndex| {
            let fields = found.fields.iter().filter_map(|name| after.field(name));
            duplicates(after, found, &fields.map(column).collect::<Vec<_>>(), None)
        };
        owner.indexes.iter().filter(is_unique).chain(&key).map(check).collect()
    }

    fn convert(&self, owner: &StoredCollection, from: &StoredField, to: &StoredField, fill: Option<Value>) -> Convert {
        let complaint = Complaint::NotOfType {
            place: format!("{}.{}", owner.name, to.name),
            kind: to.kind.clone(),
        };
        let converted = StoredField {
            column: CONVERTED.to_owned(),
            required: false,
            ..to.clone()
        };
        let failed = format!("{} IS NOT NULL AND {} IS NULL", quoted(&to.column), quoted(CONVERTED));
        Convert {
            table: owner.table.clone(),
            column: to.column.clone(),
            key: key_of(owner),
            from: from.kind.clone(),
            to: to.kind.clone(),
            fill,
            definition: ddl::column(self.dialect, &converted, ddl::is_bounded(owner, to)),
            checks: vec![offenders(owner, &failed, complaint)],
        }
    }

    /// Changes of the table that put the converted column in the place of the other.
    fn swap(&self, owner: &StoredCollection, to: &StoredField) -> Vec<String> {
        let definition = ddl::column(self.dialect, to, ddl::is_bounded(owner, to));
        let mut changes = vec![
            format!("DROP COLUMN {}", quoted(&to.column)),
            format!("CHANGE COLUMN {} {definition}", quoted(CONVERTED)),
        ];
        if owner.key.contains(&to.name) {
            let key = quoted_list(owner.columns(&owner.key));
            changes.insert(0, "DROP PRIMARY KEY".to_owned());
            changes.push(format!("ADD PRIMARY KEY ({key})"));
        }
        changes
    }
}

/// Whether it is the field's.
fn is_of(reference: &Reference, owner: &StoredCollection, field: &StoredField) -> bool {
    reference.table == owner.table && reference.column == field.column
}
