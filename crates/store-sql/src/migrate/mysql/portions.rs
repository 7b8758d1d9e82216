//! A table in portions, in the order of its primary key: each begins where the one before ended.

use engine::model::{StoredType, Value};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Params, Row, Value as Wire};

use super::ddl::{quoted, quoted_list};
use super::render::Nulls;
use super::run::{Runner, Stop};
use crate::compile::Kind;
use crate::dialect::{Dialect as _, MySql};
use crate::mysql::value::{bound, read};

/// Records that are filled by one statement, whose locks last as long as it does. Tests have no such tables.
pub(super) const PORTION: u32 = if cfg!(test) { 100 } else { 20_000 };

/// Conditions on the primary key.
pub(super) struct Keys<'a> {
    columns: &'a [(String, StoredType)],
    places: Vec<String>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(dialect: &MySql, columns: &'a [(String, StoredType)]) -> Self {
        let place = |(_, kind): &(String, StoredType)| {
            let mut place = String::new();
            dialect.placeholder(&mut place, 0, Some(Kind::of_stored(kind)));
            place
        };
        Self {
            columns,
            places: columns.iter().map(place).collect(),
        }
    }

    /// Of how many columns it is.
    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn list(&self) -> String {
        quoted_list(self.columns.iter().map(|(column, _)| column.as_str()))
    }

    /// The record with a key.
    pub(super) fn same(&self) -> String {
        format!("({}) = ({})", self.list(), self.places.join(", "))
    }

    /// Records behind a key; see [`Self::ends`].
    pub(super) fn behind(&self) -> String {
        self.beyond(">", ">")
    }

    /// Records before a key, and its own.
    fn up_to(&self) -> String {
        self.beyond("<", "<=")
    }

    /// Column by column, since an index doesn't find where `(a, b) > (?, ?)` begins.
    fn beyond(&self, sign: &str, last_sign: &str) -> String {
        let mut condition = String::new();
        for ((column, _), place) in self.columns.iter().zip(&self.places).rev() {
            let column = quoted(column);
            condition = if condition.is_empty() {
                format!("{column} {last_sign} {place}")
            } else {
                format!("({column} {sign} {place} OR ({column} = {place} AND {condition}))")
            };
        }
        condition
    }

    /// A key as those conditions bind it.
    pub(super) fn ends(key: &[Wire]) -> Vec<Wire> {
        let Some((last, first)) = key.split_last() else {
            return Vec::new();
        };
        let twice = first.iter().flat_map(|value| [value.clone(), value.clone()]);
        twice.chain([last.clone()]).collect()
    }

    /// The key with which a row begins.
    pub(super) fn read(&self, row: &Row) -> Vec<Wire> {
        let value = |(place, (_, kind)): (usize, &(String, StoredType))| {
            let key = row.as_ref(place).and_then(|wire| read(wire, Kind::of_stored(kind)));
            bound(&key.map_or(Value::Null, Value::from))
        };
        self.columns.iter().enumerate().map(value).collect()
    }
}

impl Runner<'_> {
    pub(super) async fn fill(&mut self, nulls: &Nulls) -> Result<(), Stop> {
        let keys = Keys::of(self.connection.dialect, &nulls.key);
        let mut begin = None;
        loop {
            let end = self.end_of_portion(nulls, &keys, begin.as_deref()).await?;
            let bounds = [
                begin.as_ref().map(|_| keys.behind()),
                end.as_ref().map(|_| keys.up_to()),
            ];
            let update = bounds
                .into_iter()
                .flatten()
                .fold(nulls.update(), |update, bound| format!("{update} AND {bound}"));
            let values = [&begin, &end].into_iter().flatten().flatten().cloned().collect();
            self.patiently_with(&update, positional(values)).await?;
            if end.is_none() {
                break;
            }
            begin = end;
        }
        // Records that others wrote meanwhile.
        self.patiently(&nulls.update()).await
    }

    /// The last key of the portion that begins behind a key, as conditions bind it; `None` for the table's last.
    async fn end_of_portion(
        &mut self,
        nulls: &Nulls,
        keys: &Keys<'_>,
        begin: Option<&[Wire]>,
    ) -> Result<Option<Vec<Wire>>, Stop> {
        let (list, table) = (keys.list(), quoted(&nulls.table));
        let only = begin.map(|_| format!(" WHERE {}", keys.behind())).unwrap_or_default();
        let last = PORTION - 1;
        let text = format!("SELECT {list} FROM {table}{only} ORDER BY {list} LIMIT 1 OFFSET {last}");
        let values = positional(begin.unwrap_or_default().to_vec());
        let row: Option<Row> = self.connection.conn.exec_first(text, values).await?;
        Ok(row.map(|row| Keys::ends(&keys.read(&row))))
    }
}

fn positional(values: Vec<Wire>) -> Params {
    match values.is_empty() {
        true => Params::Empty,
        false => Params::Positional(values),
    }
}

#[cfg(test)]
mod tests {
    use engine::model::Scalar;

    use super::*;
    use crate::dialect::Server;

    #[test]
    fn conditions_on_keys_of_several_columns() {
        let columns = [("a", Scalar::Int), ("b", Scalar::Date), ("c", Scalar::String)];
        let columns = columns.map(|(name, scalar)| (name.to_owned(), StoredType::Scalar(scalar)));
        let keys = Keys::of(MySql::of(Server::MySql), &columns);
        assert_eq!(
            keys.behind(),
            "(`a` > ? OR (`a` = ? AND (`b` > CAST(? AS DATE) OR (`b` = CAST(? AS DATE) AND `c` > ?))))"
        );
        assert!(keys.up_to().ends_with("AND `c` <= ?))))"), "{}", keys.up_to());
        let bound = Keys::ends(&[1, 2, 3].map(Wire::Int));
        assert_eq!(bound, [1, 1, 2, 2, 3].map(Wire::Int));
        let keys = Keys::of(MySql::of(Server::MySql), &columns[..1]);
        assert_eq!(keys.behind(), "`a` > ?");
    }
}
