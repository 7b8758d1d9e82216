//! What a store tells those who listen, in a form to compare.

use std::sync::Arc;
use std::time::Duration;

use engine::Model;
use engine::model::{Collection, Value};
use engine::ports::store::{ChangeEvent, ChangeSet, Changes};
use engine::query::Change;

use super::app::App;

/// Longer than any commit takes on a machine that isn't stuck.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Listener {
    changes: Box<dyn Changes>,
    model: Arc<Model>,
}

/// A commit as it was told.
pub(super) struct Told {
    pub(super) set: Arc<ChangeSet>,
    model: Arc<Model>,
}

impl Listener {
    pub(super) fn new(app: &App) -> Self {
        Self {
            changes: app.store.changes(),
            model: app.engine.model(),
        }
    }

    pub(super) async fn event(&mut self) -> Option<ChangeEvent> {
        let event = tokio::time::timeout(PATIENCE, self.changes.next()).await;
        event.expect("a listener is told in time")
    }

    /// The next commit, when that is what comes.
    pub(super) async fn next(&mut self) -> Told {
        match self.event().await {
            Some(ChangeEvent::Committed(set)) => Told::new(&self.model, set),
            other => panic!("not a commit: {other:?}"),
        }
    }
}

impl Told {
    pub(super) fn new(model: &Arc<Model>, set: Arc<ChangeSet>) -> Self {
        Self {
            set,
            model: model.clone(),
        }
    }

    /// One line for each change: `+ Room 1`, `- Room 1`, `~ Room 1 name,version members+2+3-4`. Records go by the number
    /// of their id.
    pub(super) fn summary(&self) -> Vec<String> {
        self.set
            .changes
            .iter()
            .map(|change| line(&self.model, change))
            .collect()
    }
}

fn line(model: &Model, change: &Change) -> String {
    let collection = model.collection(change.collection);
    let (sign, fields) = match (&change.before, &change.after) {
        (None, Some(_)) => ("+", String::new()),
        (Some(_), None) => ("-", String::new()),
        (Some(before), Some(after)) => ("~", format!(" {}", differences(collection, &before.0, &after.0))),
        (None, None) => panic!("a change of nothing to nothing: {change:?}"),
    };
    let key = number(change.key.single().expect("one key"));
    let mut line = format!("{sign} {} {key}{fields}", collection.name);
    for links in &change.links {
        line.push_str(&format!(" {}", collection.field(links.field).name));
        line.extend(numbers(&links.added).map(|number| format!("+{number}")));
        line.extend(numbers(&links.removed).map(|number| format!("-{number}")));
    }
    line
}

fn differences(collection: &Collection, before: &[Value], after: &[Value]) -> String {
    let stored: Vec<_> = collection.stored().collect();
    assert_eq!(
        (stored.len(), stored.len()),
        (before.len(), after.len()),
        "images hold every stored field"
    );
    let values = before.iter().zip(after);
    let differ = stored.iter().zip(values).filter(|(_, (before, after))| before != after);
    differ
        .map(|(field, _)| field.name.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

/// In order: a set has none.
fn numbers(keys: &[Value]) -> impl Iterator<Item = u32> {
    let mut numbers: Vec<_> = keys.iter().map(number).collect();
    numbers.sort_unstable();
    numbers.into_iter()
}

fn number(key: &Value) -> u32 {
    let id = key.as_id().expect("an id");
    u32::try_from(id.as_u128() & 0xffff_ffff).expect("32 bits")
}
