//! Steps as what MySQL has to do. Each action is one statement that happens whole or not at all, or one that may as well
//! happen twice. Within a step, what the data may forbid comes first.
//!
//! Foreign keys are taken away where a step is in their way, and made again at the end: what one leads to may be made by
//! a later step, or change its type in one.

use std::collections::BTreeSet;

use engine::model::migration::{Fill, Leg, Step};
use engine::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure, Timestamp};
use engine::ports::migrator::{Hold, Refusal, RenderedStep};

use super::ddl::{self, IndexParts, Reference, quoted, quoted_list};
use super::portions::PORTION;
use crate::dialect::MySql;
use crate::migrate::check::{Check, Complaint};
use crate::migrate::condition;

mod change;
mod keep;
mod online;

pub(super) use change::{CONVERTED, Convert, Replace, UNLOCK};

/// In the order in which they run.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Run(String),
    /// Some records at a time, until there are none left.
    Fill(Nulls),
    /// Somebody's own statements, from a file.
    RunBlock(String),
    Check(Check),
    Convert(Convert),
    Replace(Replace),
    /// Makes a column of texts one that an index takes, where it isn't.
    Bound {
        table: String,
        column: String,
        definition: String,
    },
    /// Takes the foreign key away, if it is there.
    Loosen(Reference),
    /// Makes those foreign keys that aren't there.
    Tighten(Vec<Reference>),
}

/// Nulls of a column, and what takes their place.
#[derive(Debug, Clone)]
pub(super) struct Nulls {
    pub(super) table: String,
    /// Columns of the primary key, and what they hold.
    pub(super) key: Vec<(String, StoredType)>,
    column: String,
    /// As SQL.
    value: String,
}

impl Nulls {
    pub(super) fn update(&self) -> String {
        let (table, column) = (quoted(&self.table), quoted(&self.column));
        format!("UPDATE {table} SET {column} = {} WHERE {column} IS NULL", self.value)
    }
}

/// One step and what it comes down to.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) step: String,
    destroys: Option<String>,
    needs: Option<String>,
    /// What others wait for; `None` for a file's own statements.
    holds: Option<Vec<Hold>>,
    pub(super) actions: Vec<Action>,
    /// The structure that it leads to.
    pub(super) makes: Structure,
}

impl Rendered {
    pub(super) fn shown(self) -> RenderedStep {
        RenderedStep {
            text: self.step,
            destroys: self.destroys,
            needs: self.needs,
            holds: self.holds,
            statements: self.actions.iter().flat_map(Action::shown).collect(),
        }
    }
}

impl Action {
    /// As it is shown to people who are about to run it.
    fn shown(&self) -> Vec<String> {
        match self {
            Self::Run(sql) | Self::RunBlock(sql) => vec![sql.clone()],
            Self::Fill(nulls) => vec![format!("{}\n-- {PORTION} records at a time", nulls.update())],
            Self::Check(_) => Vec::new(),
            Self::Convert(convert) => convert.shown(),
            Self::Replace(replace) => replace.shown(),
            Self::Bound { table, definition, .. } => {
                vec![format!("ALTER TABLE {} MODIFY COLUMN {definition}", quoted(table))]
            }
            Self::Loosen(reference) => vec![format!(
                "-- the foreign key of {}.{} to {} is dropped",
                reference.table, reference.column, reference.target
            )],
            Self::Tighten(references) => references.iter().map(Reference::create).collect(),
        }
    }
}

/// All steps of a leg.
///
/// # Errors
/// The first step that MySQL can't take on any data.
pub(super) fn render(dialect: &'static MySql, leg: &Leg, now: Timestamp) -> Result<Vec<Rendered>, Refusal> {
    let renderer = Renderer::of(dialect, leg, now)?;
    let mut rendered = Vec::new();
    for (index, step) in leg.steps.iter().enumerate() {
        let actions = renderer.actions(index);
        rendered.push(Rendered {
            step: step.to_string(),
            destroys: step.destroys(),
            needs: step.needs(&renderer.structures[index]),
            holds: renderer.holds(index),
            actions: actions.map_err(|reason| refusal(step, reason))?,
            makes: renderer.structures[index + 1].clone(),
        });
    }
    if let Some(last) = rendered.last_mut() {
        let missing = renderer.missing_references();
        if !missing.is_empty() {
            last.actions.push(Action::Tighten(missing));
        }
    }
    Ok(rendered)
}

struct Renderer<'a> {
    dialect: &'static MySql,
    steps: &'a [Step],
    /// Of those steps the ones that come to nothing here; see `keep`.
    idle: BTreeSet<usize>,
    /// As it is before each step, and after the last.
    structures: Vec<Structure>,
    now: Timestamp,
}

type Actions = Result<Vec<Action>, String>;

impl<'a> Renderer<'a> {
    fn of(dialect: &'static MySql, leg: &'a Leg, now: Timestamp) -> Result<Self, Refusal> {
        let structures = replayed(leg, &BTreeSet::new())?;
        let (idle, structures) = keep::idle(dialect, leg, structures);
        Ok(Self {
            dialect,
            steps: &leg.steps,
            idle,
            structures,
            now,
        })
    }

    /// The collection as it is before the step.
    fn before(&self, index: usize, name: &str) -> &StoredCollection {
        self.structures[index]
            .collection(name)
            .expect("a replayed step names what is there")
    }

    /// Those of the end that steps may have made, or taken away; the rest is there.
    fn missing_references(&self) -> Vec<Reference> {
        let after = self.structures.last().map(Reference::all).unwrap_or_default();
        let is_harmless = |step: &Step| matches!(step, Step::AddIndex { .. } | Step::RemoveLinks { .. });
        if self.steps.iter().all(is_harmless) {
            return Vec::new();
        }
        let before = Reference::all(&self.structures[0]);
        let is_changed = self.steps.iter().any(|step| {
            !is_harmless(step)
                && !matches!(
                    step,
                    Step::AddCollection(_) | Step::AddField { .. } | Step::AddLinks { .. }
                )
        });
        let is_missing = |reference: &Reference| is_changed || !before.contains(reference);
        after.into_iter().filter(is_missing).collect()
    }

    fn actions(&self, index: usize) -> Actions {
        if self.idle.contains(&index) {
            return Ok(Vec::new());
        }
        match &self.steps[index] {
            Step::AddCollection(collection) => self.add_collection(index, collection),
            Step::RemoveCollection { collection } => Ok(self.remove_collection(index, collection)),
            Step::RenameCollection { from, table, .. } => Ok(rename_table(&self.before(index, from).table, table)
                .into_iter()
                .collect()),
            Step::ChangeKey { collection, key } => Ok(self.change_key(index, collection, key)),
            Step::AddField {
                collection,
                field,
                fill,
            } => self.add_field(self.before(index, collection), field, fill.as_ref()),
            Step::RemoveField { collection, field } => Ok(self.remove_field(index, collection, field)),
            Step::RenameField {
                collection,
                from,
                column,
                ..
            } => {
                let owner = self.before(index, collection);
                let current = owner.field(from).map(|field| field.column.as_str()).unwrap_or_default();
                let rename =
                    (current != column).then(|| format!("RENAME COLUMN {} TO {}", quoted(current), quoted(column)));
                let renamed = rename.map(|rename| self.without_hashes(index, collection, from, rename));
                Ok(renamed.transpose()?.into_iter().collect())
            }
            Step::ChangeField {
                collection,
                field,
                fill,
            } => self.change_field(index, self.before(index, collection), field, fill.as_ref()),
            Step::AddLinks { collection, links } => Ok(self.add_links(index, collection, links)),
            Step::RemoveLinks { collection, field } => {
                let links = self.before(index, collection).links_named(field);
                let table = &links.expect("a replayed step names what is there").table;
                let what = format!("the relations of {collection}.{field}");
                Ok(vec![destroys(what, table, "TRUE"), Action::Run(drop_table(table))])
            }
            Step::RenameLinks {
                collection,
                from,
                links,
            } => {
                let current = self.before(index, collection).links_named(from);
                Ok(rename_links(
                    current.expect("a replayed step names what is there"),
                    links,
                ))
            }
            Step::AddIndex {
                collection,
                index: added,
            } => self.add_index(index, collection, added),
            Step::RemoveIndex {
                collection,
                index: gone,
            } => Ok(self.remove_index(index, collection, gone)),
            Step::Run(engines) => match engines.get("mysql") {
                Some(block) => Ok(vec![Action::RunBlock(block.clone())]),
                None => Err("the step has no statements for `mysql`".to_owned()),
            },
        }
    }

    fn add_collection(&self, index: usize, collection: &StoredCollection) -> Actions {
        let mut actions = vec![Action::Run(ddl::create_table(self.dialect, collection))];
        for links in &collection.links {
            actions.extend(self.add_links(index, &collection.name, links));
        }
        for added in &collection.indexes {
            actions.push(Action::Run(self.create_index(index + 1, &collection.name, added)?));
        }
        Ok(actions)
    }

    fn add_links(&self, index: usize, source: &str, links: &StoredLinks) -> Vec<Action> {
        // A step may refer to what a later one adds.
        let later = &self.structures[index + 1..];
        let knows = |structure: &&Structure| structure.collection(&links.target).is_some();
        let structure = later.iter().find(knows).unwrap_or(&self.structures[index + 1]);
        let source = structure
            .collection(source)
            .expect("it has just been added, or was there before");
        vec![Action::Run(ddl::create_links(self.dialect, structure, source, links))]
    }

    fn remove_collection(&self, index: usize, name: &str) -> Vec<Action> {
        let collection = self.before(index, name);
        let links = collection.links.iter().map(|links| &links.table);
        let mut actions = vec![destroys(format!("the records of {name}"), &collection.table, "TRUE")];
        actions.extend(self.loosened(index, |reference| reference.target == collection.table));
        actions.extend(
            links
                .chain([&collection.table])
                .map(|table| Action::Run(drop_table(table))),
        );
        actions
    }

    fn change_key(&self, index: usize, name: &str, key: &[String]) -> Vec<Action> {
        let collection = self.before(index, name);
        let table = &collection.table;
        let mut actions: Vec<Action> = self.loosened(index, |reference| reference.target == *table).collect();
        for field in key.iter().filter_map(|name| collection.field(name)) {
            actions.extend(self.bound(collection, field));
        }
        actions.push(Action::Run(format!(
            "ALTER TABLE {} DROP PRIMARY KEY, ADD PRIMARY KEY ({})",
            quoted(table),
            quoted_list(collection.columns(key))
        )));
        // What isn't required any more stays so only as long as it is in the key.
        for field in &collection.fields {
            if !field.required && !key.contains(&field.name) && collection.key.contains(&field.name) {
                actions.push(self.modify(collection, field));
            }
        }
        actions
    }

    /// The column as the field has it. It stays as long as it was where an index covered it.
    fn modify(&self, owner: &StoredCollection, field: &StoredField) -> Action {
        let definition = ddl::column(self.dialect, field, ddl::is_bounded(owner, field));
        Action::Run(format!(
            "ALTER TABLE {} MODIFY COLUMN {definition}",
            quoted(&owner.table)
        ))
    }

    /// Before an index covers the field.
    fn bound(&self, owner: &StoredCollection, field: &StoredField) -> Option<Action> {
        let is_long = ddl::column_type(&field.kind, true) != ddl::column_type(&field.kind, false);
        (is_long && !ddl::is_bounded(owner, field)).then(|| Action::Bound {
            table: owner.table.clone(),
            column: field.column.clone(),
            definition: ddl::column(self.dialect, field, true),
        })
    }

    /// Changes a column while no hash depends on it: in one statement, so that nothing is unique no longer in between.
    fn without_hashes(&self, index: usize, owner: &str, field: &str, change: String) -> Result<Action, String> {
        let is_in_way = |parts: &IndexParts<'_>, found: &StoredIndex| {
            parts.is_hashed() && (found.only.is_some() || found.fields.iter().any(|name| name == field))
        };
        let (drops, creates) = self.indexes_in_way(index, owner, is_in_way)?;
        let changes = [drops, vec![change], creates].concat();
        Ok(Action::Run(ddl::alter(&self.before(index, owner).table, &changes)))
    }

    /// Changes of the table that take those indexes away, and that make them again after the step.
    fn indexes_in_way(
        &self,
        index: usize,
        owner: &str,
        is_in_way: impl Fn(&IndexParts<'_>, &StoredIndex) -> bool,
    ) -> Result<(Vec<String>, Vec<String>), String> {
        let owner = self.before(index, owner);
        let (mut drops, mut creates) = (Vec::new(), Vec::new());
        for found in &owner.indexes {
            let parts = IndexParts::of(owner, found);
            if is_in_way(&parts, found) {
                drops.push(parts.removal());
                creates.push(self.same_index(index + 1, &owner.name, &found.name)?);
            }
        }
        Ok((drops, creates))
    }

    /// The addition of the index of that name.
    fn same_index(&self, structure: usize, collection: &str, name: &str) -> Result<String, String> {
        let structure = &self.structures[structure];
        let owner = structure
            .collection(collection)
            .expect("a replayed step names what is there");
        let mut indexes = owner.indexes.iter();
        let found = indexes
            .find(|index| index.name == name)
            .expect("a change of a field leaves its indexes");
        let condition = condition::condition(self.dialect, structure, owner, found)?;
        Ok(IndexParts::of(owner, found).addition(condition.as_deref()))
    }

    fn loosened(&self, index: usize, which: impl Fn(&Reference) -> bool) -> impl Iterator<Item = Action> {
        let references = Reference::all(&self.structures[index]);
        references
            .into_iter()
            .filter(which)
            .map(Action::Loosen)
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn add_field(&self, owner: &StoredCollection, field: &StoredField, fill: Option<&Fill>) -> Actions {
        let table = quoted(&owner.table);
        let add = format!(
            "ALTER TABLE {table} ADD COLUMN {}",
            ddl::column(self.dialect, field, field.refers.is_some())
        );
        let Some(fill) = fill else {
            let check = Action::Check(Check {
                count: format!("SELECT count(*) FROM {table}"),
                examples: None,
                shows: Vec::new(),
                complaint: Complaint::NoValue {
                    collection: owner.name.clone(),
                    field: field.name.clone(),
                },
            });
            let checks = field.required.then_some(check);
            return Ok(checks.into_iter().chain([Action::Run(add)]).collect());
        };
        let value = ddl::literal(self.dialect, &fill.value(&field.kind, self.now)?);
        let optional = StoredField {
            required: false,
            ..field.clone()
        };
        let definition = ddl::column(self.dialect, &optional, field.refers.is_some());
        let mut actions = vec![
            Action::Run(format!("ALTER TABLE {table} ADD COLUMN {definition}")),
            Action::Fill(Nulls {
                table: owner.table.clone(),
                key: key_of(owner),
                column: field.column.clone(),
                value,
            }),
        ];
        if field.required {
            let definition = ddl::column(self.dialect, field, field.refers.is_some());
            actions.push(Action::Run(format!("ALTER TABLE {table} MODIFY COLUMN {definition}")));
        }
        Ok(actions)
    }

    fn create_index(&self, structure: usize, collection: &str, index: &StoredIndex) -> Result<String, String> {
        let structure = &self.structures[structure];
        let collection = structure
            .collection(collection)
            .expect("a replayed step names what is there");
        let condition = condition::condition(self.dialect, structure, collection, index)?;
        Ok(IndexParts::of(collection, index).create(condition.as_deref()))
    }

    /// A unique one stops when records share what will be unique. Nulls are all different.
    fn add_index(&self, index: usize, name: &str, added: &StoredIndex) -> Actions {
        let collection = self.before(index, name);
        let covered = added.fields.iter().filter_map(|name| collection.field(name));
        let mut creation: Vec<Action> = covered.filter_map(|field| self.bound(collection, field)).collect();
        creation.push(Action::Run(self.create_index(index + 1, name, added)?));
        if !added.unique {
            return Ok(creation);
        }
        let columns: Vec<String> = collection.columns(&added.fields).map(quoted).collect();
        let only = condition::condition(self.dialect, &self.structures[index], collection, added)?;
        let check = duplicates(collection, added, &columns, only.as_deref());
        creation.insert(0, Action::Check(check));
        Ok(creation)
    }

    /// A foreign key may need it; what is still to be there is made again at the end.
    fn remove_index(&self, index: usize, collection: &str, name: &str) -> Vec<Action> {
        let owner = self.before(index, collection);
        let Some(gone) = owner.indexes.iter().find(|found| found.name == name) else {
            return Vec::new();
        };
        let columns: Vec<&str> = owner.columns(&gone.fields).collect();
        let mut actions: Vec<Action> = self
            .loosened(index, |reference| {
                reference.table == owner.table && columns.contains(&reference.column.as_str())
            })
            .collect();
        actions.push(Action::Run(IndexParts::of(owner, gone).drop()));
        actions
    }

    fn remove_field(&self, index: usize, collection: &str, name: &str) -> Vec<Action> {
        let owner = self.before(index, collection);
        let field = owner.field(name).expect("a replayed step names what is there");
        let column = quoted(&field.column);
        let what = format!("the values of {}.{name}", owner.name);
        let mut actions = vec![destroys(what, &owner.table, &format!("{column} IS NOT NULL"))];
        actions.extend(self.loosened(index, |reference| {
            reference.table == owner.table && reference.column == field.column
        }));
        actions.push(Action::Run(format!(
            "ALTER TABLE {} DROP COLUMN {column}",
            quoted(&owner.table)
        )));
        actions
    }
}

/// What each step but the idle ones makes of what is there before it; the first is that of the leg.
fn replayed(leg: &Leg, idle: &BTreeSet<usize>) -> Result<Vec<Structure>, Refusal> {
    let mut structures = vec![leg.before.clone()];
    let mut current = leg.before.clone();
    for (index, step) in leg.steps.iter().enumerate() {
        if !idle.contains(&index) {
            if let Some(reason) = step.impossible(&current) {
                return Err(refusal(step, reason));
            }
            step.replay(&mut current).map_err(|misfit| refusal(step, misfit.0))?;
        }
        structures.push(current.clone());
    }
    Ok(structures)
}

fn refusal(step: &Step, reason: String) -> Refusal {
    Refusal {
        step: step.to_string(),
        reason,
    }
}

fn destroys(what: String, table: &str, condition: &str) -> Action {
    Action::Check(Check {
        count: format!("SELECT count(*) FROM {} WHERE {condition}", quoted(table)),
        examples: None,
        shows: Vec::new(),
        complaint: Complaint::Destroys { what },
    })
}

/// Columns of the primary key, and what they hold.
fn key_of(owner: &StoredCollection) -> Vec<(String, StoredType)> {
    let key = owner.key.iter().filter_map(|name| owner.field(name));
    key.map(|field| (field.column.clone(), field.kind.clone())).collect()
}

/// Records for which the condition holds, by their keys.
fn offenders(owner: &StoredCollection, condition: &str, complaint: Complaint) -> Check {
    let table = quoted(&owner.table);
    let key = owner.key.iter().filter_map(|name| owner.field(name));
    Check {
        count: format!("SELECT count(*) FROM {table} WHERE {condition}"),
        examples: Some(format!(
            "SELECT {} FROM {table} WHERE {condition}",
            quoted_list(owner.columns(&owner.key))
        )),
        shows: key.map(|field| field.kind.clone()).collect(),
        complaint,
    }
}

/// Values of an index that several records have. Nulls are all different. `only`: of which records it is.
fn duplicates(owner: &StoredCollection, index: &StoredIndex, columns: &[String], only: Option<&str>) -> Check {
    let mut conditions: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    conditions.extend(only.map(|only| format!("({only})")));
    let groups = format!(
        "SELECT {} FROM {} WHERE {} GROUP BY {0} HAVING count(*) > 1",
        columns.join(", "),
        quoted(&owner.table),
        conditions.join(" AND "),
    );
    let fields = index.fields.iter().filter_map(|name| owner.field(name));
    Check {
        count: format!("SELECT count(*) FROM ({groups}) AS found"),
        examples: Some(groups),
        shows: fields.map(|field| field.kind.clone()).collect(),
        complaint: Complaint::Duplicates {
            place: format!("{}.{}", owner.name, index.fields.join(" + ")),
        },
    }
}

fn drop_table(table: &str) -> String {
    format!("DROP TABLE {}", quoted(table))
}

fn rename_table(from: &str, to: &str) -> Option<Action> {
    let sql = || Action::Run(format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(to)));
    (from != to).then(sql)
}

fn rename_column(table: &str, from: &str, to: &str) -> Option<Action> {
    let sql = || {
        let (table, from, to) = (quoted(table), quoted(from), quoted(to));
        Action::Run(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"))
    };
    (from != to).then(sql)
}

fn rename_links(from: &StoredLinks, to: &StoredLinks) -> Vec<Action> {
    let mut actions: Vec<Action> = rename_table(&from.table, &to.table).into_iter().collect();
    actions.extend(rename_column(&to.table, &from.source_column, &to.source_column));
    actions.extend(rename_column(&to.table, &from.target_column, &to.target_column));
    let (old, new) = (ddl::links_index_name(from), ddl::links_index_name(to));
    if old != new {
        actions.push(Action::Run(format!(
            "ALTER TABLE {} RENAME INDEX {} TO {}",
            quoted(&to.table),
            quoted(&old),
            quoted(&new)
        )));
    }
    actions
}
