//! Where a page begins: behind the last record of the one before.

use std::borrow::Cow;

use engine::model::{Collection, Value};
use engine::query::{Alias, SortKey, Term};

use super::predicate::Compiler;

impl<'a> Compiler<'a> {
    /// True of the records that sort behind `values`. Nulls are first ascending and last descending.
    pub(super) fn after(&mut self, collection: &Collection, sort: &'a [SortKey], values: &'a [Value]) {
        if sort.len() > 1 && self.sql.dialect.seeks_rows() && compares_as_row(collection, sort, values) {
            self.after_row(sort, values);
        } else {
            self.after_each(collection, sort, values);
        }
    }

    /// `(a, b) > (?, ?)`, which every index in this order serves.
    fn after_row(&mut self, sort: &'a [SortKey], values: &'a [Value]) {
        self.sql.push("(");
        for (index, key) in sort.iter().enumerate() {
            if index > 0 {
                self.sql.push(", ");
            }
            self.term(&key.term);
        }
        self.sql.push(if sort[0].descending { ") < (" } else { ") > (" });
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.sql.push(", ");
            }
            self.sql.bind(Cow::Borrowed(value));
        }
        self.sql.push(")");
    }

    /// Key by key: behind in this one, or level in it and behind in the rest.
    fn after_each(&mut self, collection: &Collection, sort: &'a [SortKey], values: &'a [Value]) {
        let (Some((key, sort)), Some((value, values))) = (sort.split_first(), values.split_first()) else {
            self.sql.push("FALSE");
            return;
        };
        let is_last = sort.is_empty();
        match (key.descending, value.is_null(), may_be_null(collection, &key.term)) {
            (false, true, _) => {
                self.sql.push("(");
                self.term(&key.term);
                self.sql.push(" IS NOT NULL");
                self.or_rest(collection, sort, values);
                self.sql.push(")");
            }
            (true, true, _) => {
                self.sql.push("(");
                self.term(&key.term);
                self.sql.push(" IS NULL AND ");
                self.after_each(collection, sort, values);
                self.sql.push(")");
            }
            // The bound on this key alone is what an index can start at.
            (false, false, _) if !is_last => self.bounded(" >= ", " > ", key, value, collection, (sort, values)),
            (true, false, false) if !is_last => self.bounded(" <= ", " < ", key, value, collection, (sort, values)),
            (false, false, _) => self.compare(key, " > ", value),
            (true, false, false) => self.compare(key, " < ", value),
            (true, false, true) => {
                self.sql.push("(");
                self.compare(key, " < ", value);
                self.sql.push(" OR ");
                self.term(&key.term);
                self.sql.push(" IS NULL");
                if !is_last {
                    self.sql.push(" OR (");
                    self.compare(key, " = ", value);
                    self.sql.push(" AND ");
                    self.after_each(collection, sort, values);
                    self.sql.push(")");
                }
                self.sql.push(")");
            }
        }
    }

    /// `(a >= ? AND (a > ? OR rest))`
    fn bounded(
        &mut self,
        at_least: &str,
        beyond: &str,
        key: &'a SortKey,
        value: &'a Value,
        collection: &Collection,
        (sort, values): (&'a [SortKey], &'a [Value]),
    ) {
        self.sql.push("(");
        self.compare(key, at_least, value);
        self.sql.push(" AND (");
        self.compare(key, beyond, value);
        self.or_rest(collection, sort, values);
        self.sql.push("))");
    }

    fn or_rest(&mut self, collection: &Collection, sort: &'a [SortKey], values: &'a [Value]) {
        if !sort.is_empty() {
            self.sql.push(" OR ");
            self.after_each(collection, sort, values);
        }
    }

    fn compare(&mut self, key: &'a SortKey, operator: &str, value: &'a Value) {
        self.term(&key.term);
        self.sql.push(operator).bind(Cow::Borrowed(value));
    }
}

/// Whether one comparison of rows says it: all keys run the same way, and no null is among the values, nor where it
/// would sort last.
fn compares_as_row(collection: &Collection, sort: &[SortKey], values: &[Value]) -> bool {
    let descending = sort[0].descending;
    sort.iter().all(|key| key.descending == descending)
        && values.iter().all(|value| !value.is_null())
        && (!descending || sort.iter().all(|key| !may_be_null(collection, &key.term)))
}

pub(super) fn may_be_null(collection: &Collection, term: &Term) -> bool {
    match term {
        Term::Field(Alias::ROOT, field) => !collection.field(*field).required && !collection.key.contains(field),
        _ => true,
    }
}
