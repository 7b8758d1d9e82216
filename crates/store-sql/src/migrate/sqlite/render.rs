//! Steps as what SQLite has to do.
//!
//! SQLite changes little of a table in place. What it can't is done as its documentation has it (`ALTER TABLE`,
//! "Making Other Kinds Of Table Schema Changes"): a new table, a copy, a count, and the new one takes the old one's
//! name. Steps in a row that change fields of one collection share one such rebuild.

use engine::model::migration::{Leg, Step};
use engine::model::{StoredCollection, StoredLinks, Structure, Timestamp};
use engine::ports::migrator::{Held, Hold, Lasts, Refusal, RenderedStep};

use super::action::Action;
use super::ddl::{self, quoted};
use crate::migrate::check::{Check, Complaint};
use crate::migrate::holds;

mod fields;
mod indexes;

/// One step and what it comes down to.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) step: String,
    pub(super) destroys: Option<String>,
    pub(super) needs: Option<String>,
    /// What others wait for; `None` for a file's own statements.
    holds: Option<Vec<Hold>>,
    pub(super) actions: Vec<Action>,
}

impl Rendered {
    pub(super) fn shown(self) -> RenderedStep {
        RenderedStep {
            text: self.step,
            destroys: self.destroys,
            needs: self.needs,
            holds: self.holds,
            statements: self.actions.iter().filter_map(Action::shown).collect(),
        }
    }
}

/// All steps of a leg.
///
/// # Errors
/// The first step that SQLite can't take on any data.
pub(super) fn render(leg: &Leg, now: Timestamp) -> Result<Vec<Rendered>, Refusal> {
    let renderer = Renderer::of(leg, now)?;
    let mut rendered = Vec::new();
    let mut next = 0;
    while next < leg.steps.len() {
        let end = renderer.end_of_group(next);
        renderer.group(next..end, &mut rendered)?;
        next = end;
    }
    Ok(rendered)
}

struct Renderer<'a> {
    steps: &'a [Step],
    /// As it is before each step, and after the last.
    structures: Vec<Structure>,
    now: Timestamp,
}

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

    fn end_of_group(&self, start: usize) -> usize {
        let Some(collection) = fields::changed_collection(&self.steps[start]) else {
            return start + 1;
        };
        let same = |step: &&Step| fields::changed_collection(step) == Some(collection);
        start + self.steps[start..].iter().take_while(same).count()
    }

    fn group(&self, steps: std::ops::Range<usize>, rendered: &mut Vec<Rendered>) -> Result<(), Refusal> {
        let rebuild = steps.clone().any(|index| self.needs_rebuild(index));
        let end = steps.end;
        for index in steps.clone() {
            let step = &self.steps[index];
            let mut actions = self.checks(index)?;
            if !rebuild {
                actions.extend(self.actions(index)?);
            } else if index + 1 == end {
                actions.extend(self.rebuild(steps.clone())?);
            }
            rendered.push(Rendered {
                step: step.to_string(),
                destroys: step.destroys(),
                needs: step.needs(&self.structures[index]),
                holds: self.holds(index, rebuild && index + 1 == end),
                actions,
            });
        }
        Ok(())
    }

    /// There is one writer, and the leg is it.
    fn holds(&self, index: usize, rebuilds: bool) -> Option<Vec<Hold>> {
        let step = &self.steps[index];
        let subject = holds::subject(step)?;
        let table = self.structures[index]
            .collection(subject)
            .or_else(|| self.structures[index + 1].collection(subject))
            .map_or(subject, |collection| &collection.table);
        let lasts = match step {
            _ if rebuilds => Lasts::Writing,
            Step::AddIndex { .. } => Lasts::Reading,
            _ => Lasts::Moment,
        };
        Some(vec![Hold::new(table, Held::AllWrites, lasts)])
    }

    /// The collection as it is before the step.
    fn before(&self, index: usize, name: &str) -> &StoredCollection {
        self.structures[index]
            .collection(name)
            .expect("a replayed step names what is there")
    }

    /// A structure that knows `collection`'s relations: a step may refer to what a later one adds.
    fn knowing(&self, index: usize, collection: &StoredCollection) -> &Structure {
        let references = collection.fields.iter().filter_map(|field| field.refers.as_ref());
        let targets: Vec<&String> = references
            .chain(collection.links.iter().map(|links| &links.target))
            .collect();
        let knows = |structure: &&Structure| targets.iter().all(|target| structure.collection(target).is_some());
        self.structures[index + 1..]
            .iter()
            .find(knows)
            .unwrap_or(&self.structures[index + 1])
    }

    /// What must be asked of the data before the step's group runs.
    fn checks(&self, index: usize) -> Result<Vec<Action>, Refusal> {
        Ok(match &self.steps[index] {
            Step::RemoveCollection { collection } => {
                let table = &self.before(index, collection).table;
                vec![destroys(format!("the records of {collection}"), table, "TRUE")]
            }
            Step::RemoveField { collection, field } => {
                let owner = self.before(index, collection);
                let column = owner
                    .field(field)
                    .map(|field| quoted(&field.column))
                    .unwrap_or_default();
                let what = format!("the values of {collection}.{field}");
                vec![destroys(what, &owner.table, &format!("{column} IS NOT NULL"))]
            }
            Step::RemoveLinks { collection, field } => {
                let links = self.before(index, collection).links_named(field);
                let table = links.map(|links| links.table.as_str()).unwrap_or_default();
                vec![destroys(
                    format!("the relations of {collection}.{field}"),
                    table,
                    "TRUE",
                )]
            }
            Step::AddField { .. } | Step::ChangeField { .. } | Step::ChangeKey { .. } => self.field_checks(index),
            Step::AddIndex {
                collection,
                index: added,
            } => {
                let check = indexes::duplicates(&self.structures[index], self.before(index, collection), added);
                let check = check.map_err(|reason| refusal(&self.steps[index], reason))?;
                check.into_iter().collect()
            }
            Step::AddCollection(_)
            | Step::RenameCollection { .. }
            | Step::RenameField { .. }
            | Step::AddLinks { .. }
            | Step::RenameLinks { .. }
            | Step::RemoveIndex { .. }
            | Step::Run(_) => Vec::new(),
        })
    }

    /// What the step does by itself, without a rebuild.
    fn actions(&self, index: usize) -> Result<Vec<Action>, Refusal> {
        let run = |sql: String| Ok(vec![Action::Run(sql)]);
        match &self.steps[index] {
            Step::AddCollection(collection) => self.add_collection(index, collection),
            Step::RemoveCollection { collection } => {
                let collection = self.before(index, collection);
                let links = collection.links.iter().map(|links| &links.table);
                Ok(links
                    .chain([&collection.table])
                    .map(|table| Action::Run(drop_table(table)))
                    .collect())
            }
            Step::RenameCollection { from, table, .. } => Ok(rename_table(&self.before(index, from).table, table)),
            Step::AddField { .. } | Step::RemoveField { .. } | Step::ChangeField { .. } | Step::ChangeKey { .. } => {
                self.field_actions(index)
            }
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
            Step::AddLinks { collection, links } => {
                let source = self.structures[index + 1]
                    .collection(collection)
                    .expect("it was there before");
                Ok(self.add_links(index, source, links))
            }
            Step::RemoveLinks { collection, field } => {
                let links = self.before(index, collection).links_named(field);
                run(drop_table(&links.expect("a replayed step names what is there").table))
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
            } => {
                let create = indexes::create(&self.structures[index + 1], collection, added);
                run(create.map_err(|reason| refusal(&self.steps[index], reason))?)
            }
            Step::RemoveIndex { index: gone, .. } => run(format!("DROP INDEX {}", quoted(gone))),
            Step::Run(engines) => match engines.get("sqlite") {
                Some(block) => Ok(vec![Action::RunBlock(block.clone())]),
                None => Err(refusal(
                    &self.steps[index],
                    "the step has no statements for `sqlite`".to_owned(),
                )),
            },
        }
    }

    fn add_collection(&self, index: usize, collection: &StoredCollection) -> Result<Vec<Action>, Refusal> {
        let structure = self.knowing(index, collection);
        let mut actions = vec![Action::Run(ddl::create_table(structure, collection, &collection.table))];
        for links in &collection.links {
            actions.extend(self.add_links(index, collection, links));
        }
        for added in &collection.indexes {
            let create = indexes::create(&self.structures[index + 1], &collection.name, added);
            actions.push(Action::Run(
                create.map_err(|reason| refusal(&self.steps[index], reason))?,
            ));
        }
        Ok(actions)
    }

    fn add_links(&self, index: usize, source: &StoredCollection, links: &StoredLinks) -> Vec<Action> {
        let structure = self.knowing(index, source);
        let create = ddl::create_links(structure, source, links);
        vec![Action::Run(create), Action::Run(ddl::create_links_index(links))]
    }
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

fn drop_table(table: &str) -> String {
    format!("DROP TABLE {}", quoted(table))
}

/// By way of a third name where the two differ in case alone, which SQLite takes for the same.
fn rename_table(from: &str, to: &str) -> Vec<Action> {
    let rename = |from: &str, to: &str| Action::Run(format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(to)));
    if from == to {
        Vec::new()
    } else if from.eq_ignore_ascii_case(to) {
        let between = format!("{to}_renamed");
        vec![rename(from, &between), rename(&between, to)]
    } else {
        vec![rename(from, to)]
    }
}

fn rename_column(table: &str, from: &str, to: &str) -> Option<Action> {
    let sql = || {
        let (table, from, to) = (quoted(table), quoted(from), quoted(to));
        Action::Run(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"))
    };
    (from != to).then(sql)
}

fn rename_links(from: &StoredLinks, to: &StoredLinks) -> Vec<Action> {
    let mut actions = rename_table(&from.table, &to.table);
    actions.extend(rename_column(&to.table, &from.source_column, &to.source_column));
    actions.extend(rename_column(&to.table, &from.target_column, &to.target_column));
    let (old, new) = (ddl::links_index_name(from), ddl::links_index_name(to));
    if old != new {
        actions.push(Action::Run(format!("DROP INDEX {}", quoted(&old))));
        actions.push(Action::Run(ddl::create_links_index(to)));
    }
    actions
}
