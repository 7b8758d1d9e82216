//! Steps as what PostgreSQL has to do. It changes tables in place, and all of it within a transaction.
//!
//! Foreign keys are taken away where a step is in their way, and made again at the end: what one leads to may be made by
//! a later step, or change its type in one.

use engine::model::migration::{Conversion, Fill, Leg, Step};
use engine::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure, Timestamp};
use engine::ports::migrator::{Hold, Refusal, RenderedStep};

use super::ahead::Ahead;
use super::ddl::{self, Reference, quoted, quoted_list};
use crate::dialect::Postgres;
use crate::migrate::check::{Check, Complaint};
use crate::migrate::condition;

mod online;

/// In the order in which they run.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Run(String),
    /// Somebody's own statements, from a file.
    RunBlock(String),
    Check(Check),
    Convert(Convert),
    /// Takes the primary key's constraint away.
    DropKey {
        table: String,
    },
    /// Takes the foreign key away, if it is there.
    Loosen(Reference),
    /// Makes those foreign keys that aren't there.
    Tighten(Vec<Reference>),
    /// The same for columns that hold nothing yet: that all values are keys is proven after the commit.
    TightenNew(Vec<Reference>),
}

/// Another type for a column, and its values as values of that.
#[derive(Debug, Clone)]
pub(super) struct Convert {
    pub(super) table: String,
    pub(super) column: String,
    pub(super) from: StoredType,
    pub(super) to: StoredType,
    /// Of what it is asked for; `{}` stands for the condition that a value can't be converted.
    pub(super) check: Check,
}

/// One step and what it comes down to.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) step: String,
    destroys: Option<String>,
    needs: Option<String>,
    /// What others wait for; `None` for a file's own statements.
    pub(super) holds: Option<Vec<Hold>>,
    /// Before the transaction.
    pub(super) ahead: Vec<Ahead>,
    pub(super) actions: Vec<Action>,
}

impl Rendered {
    pub(super) fn shown(self) -> RenderedStep {
        RenderedStep {
            text: self.step,
            destroys: self.destroys,
            needs: self.needs,
            holds: self.holds,
            statements: [
                self.ahead.iter().flat_map(Ahead::shown).collect::<Vec<_>>(),
                self.actions.iter().flat_map(Action::shown).collect(),
            ]
            .concat(),
        }
    }
}

impl Action {
    /// As it is shown to people who are about to run it.
    fn shown(&self) -> Vec<String> {
        match self {
            Self::Run(sql) | Self::RunBlock(sql) => vec![sql.clone()],
            Self::Check(_) => Vec::new(),
            Self::Convert(convert) => vec![format!(
                "-- each value of {}.{} becomes a {}\nALTER TABLE {} ALTER COLUMN {} TYPE {}",
                convert.table,
                convert.column,
                convert.to,
                quoted(&convert.table),
                quoted(&convert.column),
                ddl::full_type(&convert.to),
            )],
            Self::DropKey { table } => vec![format!("-- the primary key of {table} is dropped")],
            Self::Loosen(reference) => vec![format!(
                "-- the foreign key of {}.{} to {} is dropped",
                reference.table, reference.column, reference.target
            )],
            Self::Tighten(references) => references.iter().map(Reference::create).collect(),
            Self::TightenNew(references) => references.iter().map(Reference::create_unproven).collect(),
        }
    }
}

/// All steps of a leg.
///
/// # Errors
/// The first step that PostgreSQL can't take on any data.
pub(super) fn render(leg: &Leg, now: Timestamp) -> Result<Vec<Rendered>, Refusal> {
    let renderer = Renderer::of(leg, now)?;
    let mut rendered = Vec::new();
    for (index, step) in leg.steps.iter().enumerate() {
        let ahead = renderer.ahead(index).map_err(|reason| refusal(step, reason))?;
        let actions = match &ahead {
            Some(Ahead::Index(_)) => Vec::new(),
            Some(Ahead::Required(required)) => vec![
                alter_column(&required.table, &required.column, "SET NOT NULL"),
                Action::Run(required.made().undo()),
            ],
            None => renderer.actions(index).map_err(|reason| refusal(step, reason))?,
        };
        rendered.push(Rendered {
            step: step.to_string(),
            destroys: step.destroys(),
            needs: step.needs(&renderer.structures[index]),
            holds: renderer.holds(index, ahead.is_some()),
            ahead: ahead.into_iter().collect(),
            actions,
        });
    }
    if let Some(last) = rendered.last_mut() {
        let (new, old) = renderer.missing_references();
        last.actions.extend([Action::Tighten(old), Action::TightenNew(new)]);
    }
    Ok(rendered)
}

struct Renderer<'a> {
    steps: &'a [Step],
    /// As it is before each step, and after the last.
    structures: Vec<Structure>,
    now: Timestamp,
}

type Actions = Result<Vec<Action>, String>;

impl<'a> Renderer<'a> {
    fn of(leg: &'a Leg, now: Timestamp) -> Result<Self, Refusal> {
        let mut structures = vec![leg.before.clone()];
        let mut current = leg.before.clone();
        for step in &leg.steps {
            if let Some(reason) = step.impossible(&current) {
                return Err(refusal(step, reason));
            }
            step.replay(&mut current).map_err(|misfit| refusal(step, misfit.0))?;
            structures.push(current.clone());
        }
        Ok(Self {
            steps: &leg.steps,
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

    /// Those of the end that steps may have made, or taken away; the rest is there. Apart those of columns that hold nothing
    /// yet, in tables that may be large.
    fn missing_references(&self) -> (Vec<Reference>, Vec<Reference>) {
        let missing = self.all_missing_references();
        missing.into_iter().partition(|reference| {
            let adds = |step: &Step| {
                let Step::AddField {
                    collection,
                    field,
                    fill: None,
                } = step
                else {
                    return false;
                };
                let owner = self.structures[0].collection(collection);
                owner.is_some_and(|owner| owner.table == reference.table) && field.column == reference.column
            };
            self.steps.iter().any(adds) && !self.steps.iter().any(|step| matches!(step, Step::Run(_)))
        })
    }

    fn all_missing_references(&self) -> Vec<Reference> {
        let after = self.structures.last().map(Reference::all).unwrap_or_default();
        let is_harmless = |step: &Step| {
            matches!(
                step,
                Step::AddIndex { .. } | Step::RemoveIndex { .. } | Step::RemoveField { .. } | Step::RemoveLinks { .. }
            )
        };
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
            Step::RemoveField { collection, field } => Ok(remove_field(self.before(index, collection), field)),
            Step::RenameField {
                collection,
                from,
                column,
                ..
            } => {
                let owner = self.before(index, collection);
                let current = owner.field(from).map(|field| field.column.as_str()).unwrap_or_default();
                Ok(rename_column(&owner.table, current, column).into_iter().collect())
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
            Step::RemoveIndex { index: gone, .. } => Ok(vec![Action::Run(format!("DROP INDEX {}", quoted(gone)))]),
            Step::Run(engines) => match engines.get("postgres") {
                Some(block) => Ok(vec![Action::RunBlock(block.clone())]),
                None => Err("the step has no statements for `postgres`".to_owned()),
            },
        }
    }

    fn add_collection(&self, index: usize, collection: &StoredCollection) -> Actions {
        let mut actions = vec![Action::Run(ddl::create_table(collection))];
        for links in &collection.links {
            actions.extend(self.add_links(index, &collection.name, links));
        }
        for added in &collection.indexes {
            actions.push(self.create_index(index + 1, &collection.name, added)?);
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
        let create = ddl::create_links(structure, source, links);
        vec![Action::Run(create), Action::Run(ddl::create_links_index(links))]
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
        actions.push(Action::DropKey { table: table.clone() });
        actions.push(Action::Run(format!(
            "ALTER TABLE {} ADD PRIMARY KEY ({})",
            quoted(table),
            quoted_list(collection.columns(key))
        )));
        // What isn't required any more stays so only as long as it is in the key.
        for field in &collection.fields {
            if !field.required && !key.contains(&field.name) && collection.key.contains(&field.name) {
                actions.push(alter_column(table, &field.column, "DROP NOT NULL"));
            }
        }
        actions
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
        let add = format!("ALTER TABLE {table} ADD COLUMN {}", ddl::column(field));
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
        let value = ddl::literal(&fill.value(&field.kind, self.now)?);
        Ok(vec![
            Action::Run(format!("{add} DEFAULT {value}")),
            alter_column(&owner.table, &field.column, "DROP DEFAULT"),
        ])
    }

    fn change_field(&self, index: usize, owner: &StoredCollection, to: &StoredField, fill: Option<&Fill>) -> Actions {
        let from = owner.field(&to.name).expect("a replayed step names what is there");
        let column = quoted(&to.column);
        let place = format!("{}.{}", owner.name, to.name);
        let mut actions = Vec::new();
        if to.required && !from.required && fill.is_none() {
            let complaint = Complaint::Null { place: place.clone() };
            actions.push(Action::Check(offenders(owner, &format!("{column} IS NULL"), complaint)));
        }
        let is_key = owner.key.contains(&to.name);
        let is_retyped = ddl::column_type(&from.kind) != ddl::column_type(&to.kind);
        if from.refers != to.refers || is_retyped {
            let (table, column) = (owner.table.clone(), to.column.clone());
            actions.extend(self.loosened(index, move |reference| {
                (reference.table == table && reference.column == column)
                    || (is_key && is_retyped && reference.target == table)
            }));
        }
        let conversion = Conversion::between(&from.kind, &to.kind);
        if is_retyped || conversion.is_some_and(|conversion| !conversion.is_free()) {
            let kind = to.kind.clone();
            let complaint = Complaint::NotOfType {
                place: place.clone(),
                kind,
            };
            actions.push(Action::Convert(Convert {
                table: owner.table.clone(),
                column: to.column.clone(),
                from: from.kind.clone(),
                to: to.kind.clone(),
                check: offenders(owner, "{}", complaint),
            }));
        }
        if let Some(fill) = fill {
            let value = ddl::literal(&fill.value(&to.kind, self.now)?);
            let table = quoted(&owner.table);
            actions.push(Action::Run(format!(
                "UPDATE {table} SET {column} = {value} WHERE {column} IS NULL"
            )));
        }
        if to.required != from.required {
            let change = if to.required { "SET NOT NULL" } else { "DROP NOT NULL" };
            actions.push(alter_column(&owner.table, &to.column, change));
        }
        let target = to.refers.as_ref().filter(|target| from.refers.as_ref() != Some(target));
        if let Some(target) = target.and_then(|target| self.structures[index].collection(target)) {
            let (table, key) = (quoted(&target.table), quoted_list(target.columns(&target.key)));
            let known = format!("SELECT {key} FROM {table}");
            let condition = format!("{column} IS NOT NULL AND {column} NOT IN ({known})");
            let target = target.name.clone();
            actions.push(Action::Check(offenders(
                owner,
                &condition,
                Complaint::NoTarget { place, target },
            )));
        }
        Ok(actions)
    }

    fn create_index(&self, structure: usize, collection: &str, index: &StoredIndex) -> Result<Action, String> {
        let structure = &self.structures[structure];
        let collection = structure
            .collection(collection)
            .expect("a replayed step names what is there");
        let condition = condition::condition(&Postgres, structure, collection, index)?;
        Ok(Action::Run(ddl::create_index(collection, index, condition.as_deref())))
    }

    /// A unique one stops when records share what will be unique. Nulls are all different.
    fn add_index(&self, index: usize, name: &str, added: &StoredIndex) -> Actions {
        let create = self.create_index(index + 1, name, added)?;
        let check = self.duplicates(index, name, added)?;
        Ok(check.map(Action::Check).into_iter().chain([create]).collect())
    }

    fn duplicates(&self, index: usize, name: &str, added: &StoredIndex) -> Result<Option<Check>, String> {
        if !added.unique {
            return Ok(None);
        }
        let collection = self.before(index, name);
        let columns: Vec<String> = collection.columns(&added.fields).map(quoted).collect();
        let mut conditions: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let only = condition::condition(&Postgres, &self.structures[index], collection, added)?;
        conditions.extend(only.map(|only| format!("({only})")));
        let groups = format!(
            "SELECT {} FROM {} WHERE {} GROUP BY {0} HAVING count(*) > 1",
            columns.join(", "),
            quoted(&collection.table),
            conditions.join(" AND "),
        );
        let fields = added.fields.iter().filter_map(|name| collection.field(name));
        Ok(Some(Check {
            count: format!("SELECT count(*) FROM ({groups}) AS groups"),
            examples: Some(groups),
            shows: fields.map(|field| field.kind.clone()).collect(),
            complaint: Complaint::Duplicates {
                place: format!("{}.{}", collection.name, added.fields.join(" + ")),
            },
        }))
    }
}

fn refusal(step: &Step, reason: String) -> Refusal {
    Refusal {
        step: step.to_string(),
        reason,
    }
}

fn remove_field(owner: &StoredCollection, name: &str) -> Vec<Action> {
    let field = owner.field(name).expect("a replayed step names what is there");
    let column = quoted(&field.column);
    let what = format!("the values of {}.{name}", owner.name);
    vec![
        destroys(what, &owner.table, &format!("{column} IS NOT NULL")),
        Action::Run(format!("ALTER TABLE {} DROP COLUMN {column}", quoted(&owner.table))),
    ]
}

fn destroys(what: String, table: &str, condition: &str) -> Action {
    Action::Check(Check {
        count: format!("SELECT count(*) FROM {} WHERE {condition}", quoted(table)),
        examples: None,
        shows: Vec::new(),
        complaint: Complaint::Destroys { what },
    })
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

fn alter_column(table: &str, column: &str, change: &str) -> Action {
    Action::Run(format!(
        "ALTER TABLE {} ALTER COLUMN {} {change}",
        quoted(table),
        quoted(column)
    ))
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
            "ALTER INDEX {} RENAME TO {}",
            quoted(&old),
            quoted(&new)
        )));
    }
    actions
}
