//! What databases say differently. Everything else is one SQL, written by `compile`.
//!
//! Templates hold their operands as `{0}` and `{1}`, in the order in which they are written.

mod sqlite;

use engine::model::{Scalar, Value};
use engine::query::{Arithmetic, Function, TextTest};

pub(crate) use sqlite::Sqlite;

/// One database's way of saying things. All of them compare text by code point.
pub(crate) trait Dialect: Sync {
    fn identifier(&self, out: &mut String, name: &str);

    /// The parameter with this number, from 1.
    fn placeholder(&self, out: &mut String, number: usize);

    /// A value written out, for definitions that know no parameters.
    fn literal(&self, out: &mut String, value: &Value);

    /// Equality under which two nulls are the same.
    fn same(&self) -> &'static str;

    fn text_test(&self, test: TextTest) -> &'static str;

    fn function(&self, function: Function) -> &'static str;

    /// See [`Term::Arithmetic`](engine::query::Term) for what goes with what.
    fn arithmetic(&self, operation: Arithmetic, scalar: Scalar) -> &'static str;

    /// `{0}` is a stored document, `{1}` a path as [`Dialect::json_path`] writes it: the part there as a value of
    /// `scalar`, null if it is none.
    fn json_part(&self, scalar: Scalar) -> &'static str;

    fn json_path(&self, path: &[Box<str>]) -> String;

    /// `{0}` is a stored list: a table of its items, empty for what is no list.
    fn json_items(&self) -> &'static str;

    /// `{0}` is the alias of such a table: the item as a value of `scalar`.
    fn json_item(&self, scalar: Scalar) -> &'static str;

    /// The column of a table written as `VALUES`.
    fn values_column(&self) -> &'static str;

    /// After a sort term: nulls first when ascending, last when descending.
    fn order(&self, descending: bool) -> &'static str;

    /// At the end of an insert that leaves alone what is there already.
    fn unless_there(&self) -> &'static str;

    /// At the end of a select whose rows are about to be written.
    fn for_update(&self) -> &'static str;

    /// The most parameters of one statement that lists keys.
    fn keys_max(&self) -> usize;
}
