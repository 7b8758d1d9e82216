//! What databases say differently. Everything else is one SQL, written by `compile`.
//!
//! Templates hold their operands as `{0}` and `{1}`, in the order in which they are written.

mod mysql;
mod postgres;
mod sqlite;

use std::fmt::Write as _;

use engine::model::{Scalar, Value};
use engine::query::{Arithmetic, Function, TextTest};

pub(crate) use mysql::{MySql, Server};
pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

use crate::compile::Kind;

/// One database's way of saying things. All of them compare text by code point.
pub(crate) trait Dialect: Sync {
    fn identifier(&self, out: &mut String, name: &str);

    /// The parameter with this number, from 1. `kind` is what it holds, where the place doesn't say so by itself, as a
    /// column does to which it is assigned.
    fn placeholder(&self, out: &mut String, number: usize, kind: Option<Kind>);

    /// Writes ` = ANY(…)` of a list of such items that is the parameter with this number, if the database has that.
    fn any(&self, _out: &mut String, _number: usize, _item: Kind) -> bool {
        false
    }

    /// A value written out, for definitions that know no parameters.
    fn literal(&self, out: &mut String, value: &Value);

    /// Equality under which two nulls are the same.
    fn same(&self) -> &'static str;

    fn text_test(&self, test: TextTest) -> &'static str;

    /// A pattern of the portable kind, as [`TextTest::Matches`] takes it here.
    fn pattern(&self, source: &str) -> String;

    fn function(&self, function: Function) -> &'static str;

    /// See [`Term::Arithmetic`](engine::query::Term) for what goes with what.
    fn arithmetic(&self, operation: Arithmetic, scalar: Scalar) -> &'static str;

    /// `{0}` is a stored document, `{1}` a path as [`Dialect::json_path`] writes it: the part there as a value of
    /// `scalar`, null if it is none.
    fn json_part(&self, scalar: Scalar, of: Operand) -> &'static str;

    fn json_path(&self, path: &[Box<str>]) -> String;

    /// `{0}` is a stored list: a table of its items, empty for what is no list.
    fn json_items(&self, of: Operand) -> &'static str;

    /// `{0}` is the alias of such a table: the item as a value of `scalar`.
    fn json_item(&self, scalar: Scalar) -> &'static str;

    /// How a table is written out, value by value.
    fn listing(&self) -> Listing {
        Listing {
            begin: "(VALUES ",
            row: ("(", ")"),
            between: ", ",
            column: "column1",
        }
    }

    /// After a sort term: nulls, if there can be any, first when ascending and last when descending.
    fn order(&self, descending: bool, nullable: bool) -> &'static str;

    /// Whether the text of a page says how long it is. Where a plan is kept for all values, the database takes a limit that it
    /// doesn't know for a tenth of what there is, finds that plan bad, and makes another each time.
    fn states_limit(&self) -> bool {
        false
    }

    /// Whether an index finds where the rows begin for which `(a, b) > (?, ?)`.
    fn seeks_rows(&self) -> bool {
        true
    }

    /// At the end of an insert that leaves alone what is there already. `column` is one of the table's key.
    fn unless_there(&self, out: &mut String, _column: &str) {
        out.push_str(" ON CONFLICT DO NOTHING");
    }

    /// Whether an insert answers what it put in.
    fn returns(&self) -> bool {
        true
    }

    /// In the place of columns and values: a row of defaults alone.
    fn of_defaults(&self) -> &'static str {
        " DEFAULT VALUES"
    }

    /// What stands around a column of this kind in a table that others made, so that it compares as one of Ninefold's own
    /// does.
    fn of_others(&self, _kind: Kind) -> Option<(&'static str, &'static str)> {
        None
    }

    /// At the end of a select whose rows are about to be written.
    fn for_update(&self) -> &'static str;

    /// Whether `DELETE` itself takes an order and a limit, and a subquery doesn't.
    fn deletes_in_order(&self) -> bool {
        false
    }

    /// Whether a delete locks rows that it looks at and leaves: where a list of keys makes it go through a small table, it
    /// waits for whoever just puts another row in.
    fn locks_in_passing(&self) -> bool {
        false
    }

    /// The most parameters of one statement that lists keys.
    fn keys_max(&self) -> usize;
}

/// What stands in the place of a template's `{0}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A column, or a part of its document that is a document or a list itself.
    Column,
    /// Whatever, with subqueries in it.
    Any,
}

/// A table of one column written out: `begin`, its rows with `between` them, `)`.
pub(crate) struct Listing {
    pub(crate) begin: &'static str,
    /// What stands around a value.
    pub(crate) row: (&'static str, &'static str),
    pub(crate) between: &'static str,
    pub(crate) column: &'static str,
}

pub(crate) fn write_to(out: &mut String, value: &dyn std::fmt::Display) {
    write!(out, "{value}").expect("writing to a string does not fail");
}

/// A name in quotes; a quote in it is doubled.
fn quote(out: &mut String, name: &str, quote: char) {
    out.push(quote);
    for (index, part) in name.split(quote).enumerate() {
        if index > 0 {
            out.extend([quote, quote]);
        }
        out.push_str(part);
    }
    out.push(quote);
}
