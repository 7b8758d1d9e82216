//! Rows in scope, and the pipelines that they stand in.
//!
//! A predicate may reach into other collections, and MongoDB's expressions can't: each set and each record behind a key
//! becomes a `$lookup` stage before the expression, with a pipeline of its own. A [`Level`] is such a pipeline on its way. What
//! an inner one reads of an outer one's row is handed in as a variable, level by level.

use engine::model::{Collection, FieldId, Scalar};
use engine::query::Alias;
use mongodb::bson::{Bson, Document, doc};

use super::path;

/// A pipeline on its way.
#[derive(Default)]
pub(super) struct Level {
    /// What the `$lookup` around it hands in.
    pub(super) variables: Document,
    pub(super) stages: Vec<Document>,
}

/// What an alias stands for.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The documents of the level's pipeline are rows.
    Row { level: usize, collection: &'a Collection },
    /// They are links, and the row's key is one of their fields.
    Link {
        level: usize,
        collection: &'a Collection,
        column: &'a str,
    },
    /// They hold an item of a list.
    Item { level: usize, item: Scalar },
    /// An item within an expression.
    Bound { item: Scalar },
}

/// The field of a pipeline's documents that holds an item.
pub(super) const ITEM: &str = "i";

#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) levels: Vec<Level>,
    sources: Vec<(Alias, Source<'a>)>,
    names: u32,
}

impl<'a> Scope<'a> {
    pub(super) fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    pub(super) fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("there is always a pipeline on its way")
    }

    pub(super) fn enter(&mut self, alias: Alias, source: Source<'a>) {
        self.sources.push((alias, source));
    }

    pub(super) fn leave(&mut self) {
        self.sources.pop();
    }

    pub(super) fn source(&self, alias: Alias) -> Source<'a> {
        let found = self.sources.iter().rev().find(|(name, _)| *name == alias);
        found.expect("an alias is used within its scope").1
    }

    /// A name that nothing else in the statement has.
    pub(super) fn name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("_{letter}{}", self.names)
    }

    pub(super) fn field(&mut self, alias: Alias, field: FieldId) -> Bson {
        match self.source(alias) {
            Source::Row { level, collection } => {
                let path = path::of(collection, collection.field(field));
                self.reach(level, &path, &format!("r{}_{}", alias.0, field.0))
            }
            Source::Link { level, column, .. } => self.reach(level, column, &format!("r{}_key", alias.0)),
            Source::Item { .. } | Source::Bound { .. } => unreachable!("an item of a list has no fields"),
        }
    }

    pub(super) fn item(&mut self, alias: Alias) -> (Bson, Scalar) {
        match self.source(alias) {
            Source::Item { level, item } => (self.reach(level, ITEM, &format!("r{}_item", alias.0)), item),
            Source::Bound { item } => (Bson::String(format!("$$i{}", alias.0)), item),
            Source::Row { .. } | Source::Link { .. } => unreachable!("a row is no item of a list"),
        }
    }

    /// A field of the documents of some level, as an expression of the innermost.
    fn reach(&mut self, level: usize, path: &str, variable: &str) -> Bson {
        if level == self.depth() {
            return Bson::String(format!("${path}"));
        }
        let mut outer = format!("${path}");
        for between in &mut self.levels[level + 1..] {
            between.variables.insert(variable, outer);
            outer = format!("$${variable}");
        }
        Bson::String(outer)
    }

    /// Ends the innermost pipeline, as a stage of the one around it.
    pub(super) fn close(&mut self, from: &str, join: Option<(String, String)>) -> String {
        let level = self.levels.pop().expect("there is a pipeline to end");
        let name = self.name('l');
        let mut lookup = doc! { "from": from };
        if let Some((local, foreign)) = join {
            lookup.insert("localField", local);
            lookup.insert("foreignField", foreign);
        }
        if !level.variables.is_empty() {
            lookup.insert("let", level.variables);
        }
        lookup.insert("pipeline", level.stages);
        lookup.insert("as", &name);
        self.level().stages.push(doc! { "$lookup": lookup });
        name
    }
}
