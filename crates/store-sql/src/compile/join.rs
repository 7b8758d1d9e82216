//! To-one relations that are read in the same statement as the records that have them.
//!
//! Each joined record has a level: its table is `t0_` and the level, and so are the aliases of its rules, which count from
//! there anew.

use engine::Model;
use engine::model::Collection;
use engine::query::{Alias, Item, Nested, Projection, Shape};

use super::key_field;
use super::predicate::{Compiler, Source};
use super::read::{Joined, Layout};

/// Tables of one statement besides the first; databases know at most 61 in all, and plan the slower the more there are.
const JOINS_MAX: usize = 8;
/// Related records in one answer, over all its rows and levels: nested limits multiply.
pub(crate) const RECORDS_MAX: u32 = 50_000;
/// What a page is called before anything is joined to it.
const PAGE: &str = "_ninefold_page";
/// Where it ends, and the select begins that joins something to it.
pub(crate) const PAGE_END: &str = ") SELECT p.*";

/// Whether a projection of so many rows takes no statement besides the one that finds them.
pub(crate) fn is_one_statement(model: &Model, projection: &Projection, rows: u32) -> bool {
    let joins = count(model, projection, rows) > 0;
    projection.items.iter().all(|item| match &item.shape {
        Shape::Value => true,
        Shape::One(_) => joins && of_item(model, item).is_some(),
        Shape::Many(_) => false,
    })
}

/// How many records are joined to each of so many with this projection: all that can be, or none.
pub(super) fn count(model: &Model, projection: &Projection, rows: u32) -> usize {
    let joins = of_record(model, projection);
    let records = joins.saturating_mul(rows as usize);
    if joins > JOINS_MAX || records > RECORDS_MAX as usize {
        return 0;
    }
    joins
}

fn of_record(model: &Model, projection: &Projection) -> usize {
    let joined = projection.items.iter().filter_map(|item| of_item(model, item));
    joined.map(|(_, projection)| 1 + of_record(model, projection)).sum()
}

fn of_item<'p>(model: &Model, item: &'p Item) -> Option<(&'p Nested, &'p Projection)> {
    match &item.shape {
        Shape::One(nested) => Some((nested, joined(model, nested)?)),
        Shape::Value | Shape::Many(_) => None,
    }
}

/// What is read of a record that is joined: of one, to which only others that are joined belong. Only of a table of ours it
/// is known that a key is there once, and how it compares.
fn joined<'p>(model: &Model, nested: &'p Nested) -> Option<&'p Projection> {
    let projection = nested.projection.as_ref()?;
    let is_joined = |item: &Item| match &item.shape {
        Shape::Value => true,
        Shape::One(nested) => joined(model, nested).is_some(),
        Shape::Many(_) => false,
    };
    let is_whole = model.collection(projection.collection).managed && projection.items.iter().all(is_joined);
    is_whole.then_some(projection)
}

/// What a joined record's key is read from.
#[derive(Clone, Copy)]
pub(super) enum Holder {
    /// A row of the page.
    Page,
    /// The record at this level, 0 being the one that was asked for.
    Level(u32),
}

impl<'a> Compiler<'a> {
    /// What follows is written as a table whose columns are `c` and their place.
    pub(super) fn begin_page(&mut self) {
        self.sql.push("WITH ").push(PAGE).push(" AS (");
        self.names_columns = true;
    }

    pub(super) fn end_page(&mut self) {
        self.names_columns = false;
        self.sql.push(PAGE_END);
    }

    pub(super) fn read_page(&mut self) {
        self.sql.push(" FROM ").push(PAGE).push(" AS p");
    }

    /// The columns of what is joined to a record: its projection, and its key, which says that it is there.
    pub(super) fn select_joined(&mut self, projection: &'a Projection, layout: &mut Layout) {
        for (place, item) in projection.items.iter().enumerate() {
            let Some((_, projection)) = of_item(self.frame.model, item) else {
                continue;
            };
            self.levels += 1;
            let (level, target) = (self.levels, self.collection(projection.collection));
            let mut record = self.at(level, target, |compiler| compiler.project(projection, true));
            self.select_joined(projection, &mut record);
            layout.joined.push(Joined {
                place,
                level,
                layout: record,
            });
        }
    }

    /// The tables of what was selected.
    pub(super) fn join(&mut self, projection: &'a Projection, layout: &Layout, holder: Holder) {
        for joined in &layout.joined {
            let item = &projection.items[joined.place];
            let (nested, joined_projection) = of_item(self.frame.model, item).expect("what is joined was selected");
            let target = self.collection(joined_projection.collection);
            self.sql.push(" LEFT JOIN ");
            self.at(joined.level, target, |compiler| {
                compiler.table(target, Alias::ROOT);
                compiler.sql.push(" ON ");
                compiler.alias('t', Alias::ROOT);
                compiler.sql.push(".").name(&key_field(target).column).push(" = ");
            });
            self.reference(projection, item, layout.first + joined.place, holder);
            self.at(joined.level, target, |compiler| compiler.and(&nested.guard));
            self.join(joined_projection, &joined.layout, Holder::Level(joined.level));
        }
    }

    /// The key that an item holds.
    fn reference(&mut self, projection: &'a Projection, item: &Item, column: usize, holder: Holder) {
        let collection = self.collection(projection.collection);
        match holder {
            Holder::Level(level) => self.at(level, collection, |compiler| compiler.field(Alias::ROOT, item.field)),
            Holder::Page => {
                let (before, after) = self.around(collection, item.field);
                self.sql.push(before).push("p.c").number(column as u64).push(after);
            }
        }
    }

    /// Writes about the record at a level.
    fn at<T>(&mut self, level: u32, record: &'a Collection, write: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.level, level);
        let written = self.within(Alias::ROOT, Source::Row(record), write);
        self.level = outer;
        written
    }
}
