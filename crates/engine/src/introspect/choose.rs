//! Which tables become collections, and what their columns become; relations come after.

use std::collections::HashMap;

use super::names::{self, Names};
use super::{Column, ColumnDefault, Database, Kind, Note, Table};
use crate::model::{Generated, OnDelete, Scalar, path_of};

/// What is written.
#[derive(Debug, Default)]
pub(super) struct Chosen<'a> {
    pub(super) enums: Vec<EnumChosen>,
    pub(super) collections: Vec<CollectionChosen<'a>>,
}

#[derive(Debug)]
pub(super) struct EnumChosen {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) values: Vec<String>,
}

#[derive(Debug)]
pub(super) struct CollectionChosen<'a> {
    pub(super) table: &'a Table,
    pub(super) name: String,
    /// Where the one that the type's name gives is taken.
    pub(super) path: Option<String>,
    pub(super) fields: Vec<FieldChosen<'a>>,
    /// To-many relations and inverses.
    pub(super) sets: Vec<SetChosen>,
    pub(super) indexes: Vec<IndexChosen>,
    pub(super) taken: Names,
}

#[derive(Debug)]
pub(super) struct FieldChosen<'a> {
    pub(super) column: &'a Column,
    pub(super) name: String,
    pub(super) kind: FieldKind,
    pub(super) required: bool,
    pub(super) unique: bool,
    /// As it stands in `@default(value:)`.
    pub(super) default: Option<String>,
    pub(super) generated: Option<Generated>,
    /// As it stands in `@pattern(regex:)`.
    pub(super) pattern: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FieldKind {
    Scalar(Scalar),
    Enum(String),
    /// To the collection with this place.
    Relation(usize, OnDelete),
}

#[derive(Debug)]
pub(super) struct SetChosen {
    pub(super) name: String,
    pub(super) target: String,
    pub(super) kind: SetKind,
}

#[derive(Debug)]
pub(super) enum SetKind {
    Links {
        table: String,
        source: String,
        target: String,
    },
    Inverse(String),
}

#[derive(Debug, PartialEq)]
pub(super) struct IndexChosen {
    pub(super) name: Option<String>,
    pub(super) fields: Vec<String>,
    pub(super) unique: bool,
}

impl CollectionChosen<'_> {
    pub(super) fn field(&self, column: &str) -> Option<&FieldChosen<'_>> {
        self.fields.iter().find(|field| field.column.name == column)
    }

    /// The one column of its key.
    pub(super) fn single_key(&self) -> Option<&str> {
        match self.table.key.as_slice() {
            [column] => Some(column),
            _ => None,
        }
    }
}

pub(super) fn choose<'a>(database: &'a Database, notes: &mut Vec<Note>) -> Chosen<'a> {
    let mut chooser = Chooser {
        types: Names::default(),
        by_enum: HashMap::new(),
        chosen: Chosen::default(),
        notes,
    };
    let mut paths = Names::default();
    paths.take("batch");
    let usable: Vec<&Table> = database
        .tables
        .iter()
        .filter(|table| chooser.is_usable(table))
        .collect();
    let names: Vec<String> = usable
        .iter()
        .map(|table| chooser.types.take(&names::type_name(&table.name)))
        .collect();
    chooser.enums(database);
    for (table, name) in usable.into_iter().zip(names) {
        let collection = chooser.collection(table, name, &mut paths);
        chooser.chosen.collections.push(collection);
    }
    chooser.chosen
}

struct Chooser<'a, 'n> {
    types: Names,
    /// What becomes of the database's own types of values.
    by_enum: HashMap<&'a str, Values>,
    chosen: Chosen<'a>,
    notes: &'n mut Vec<Note>,
}

/// A few texts, as the schema has them.
#[derive(Debug, Clone)]
enum Values {
    Enum(String),
    Pattern(String),
    Any,
}

impl<'a> Chooser<'a, '_> {
    /// A record is found by its key, so there is no collection without one.
    fn is_usable(&mut self, table: &Table) -> bool {
        let what = shown(table);
        if table.key.is_empty() {
            let reason = if table.is_view {
                "left out: no column of it tells its rows apart"
            } else {
                "left out: it has no primary key"
            };
            self.notes.push(Note::new(what, reason));
            return false;
        }
        for name in &table.key {
            let column = table.columns.iter().find(|column| column.name == *name);
            if !column.is_some_and(|column| can_be_key(&column.kind)) {
                let reason = format!("left out: its key has {name}, which has no type that a key can have");
                self.notes.push(Note::new(what, reason));
                return false;
            }
        }
        if table.is_view {
            let reason = format!(
                "read only; {} is taken for its key, because no two rows have the same now",
                table.key.join(", ")
            );
            self.notes.push(Note::new(what, reason));
        }
        true
    }

    fn enums(&mut self, database: &'a Database) {
        for values in &database.enums {
            let wanted = names::enum_name(&values.name);
            let kept = self.values(&wanted, values.comment.clone(), &values.values);
            self.by_enum.insert(&values.name, kept);
        }
    }

    /// An enum where its values are names; else the same said by a pattern.
    fn values(&mut self, wanted: &str, comment: Option<String>, values: &[String]) -> Values {
        let is_value = |value: &String| names::is_name(value) && !matches!(value.as_str(), "true" | "false" | "null");
        if !values.is_empty() && values.iter().all(is_value) {
            let name = self.types.take(wanted);
            self.chosen.enums.push(EnumChosen {
                name: name.clone(),
                comment,
                values: values.to_vec(),
            });
            return Values::Enum(name);
        }
        let pattern = values.iter().map(|value| escaped(value)).collect::<Vec<_>>().join("|");
        if values.is_empty() || pattern.len() > PATTERN_BYTES_MAX || !pattern.is_ascii() {
            return Values::Any;
        }
        Values::Pattern(pattern)
    }

    fn collection(&mut self, table: &'a Table, name: String, paths: &mut Names) -> CollectionChosen<'a> {
        let wanted = path_of(&name);
        let path = paths.take(&wanted);
        let mut collection = CollectionChosen {
            table,
            path: (path != wanted).then_some(path),
            fields: Vec::new(),
            sets: Vec::new(),
            indexes: Vec::new(),
            taken: Names::default(),
            name,
        };
        for column in &table.columns {
            if let Some(field) = self.field(&collection.name, table, column) {
                collection.fields.push(field);
            }
        }
        collection
    }

    fn field(&mut self, owner: &str, table: &Table, column: &'a Column) -> Option<FieldChosen<'a>> {
        let what = format!("{}.{}", table.name, column.name);
        let is_key = table.key.contains(&column.name);
        let mut pattern = None;
        let values = match &column.kind {
            Kind::Unfit(reason) => {
                self.notes.push(Note::new(what, format!("left out: {reason}")));
                return None;
            }
            Kind::Scalar(scalar) => Err(*scalar),
            // A key is a text that may be anything.
            Kind::Values(_) if is_key => Err(Scalar::String),
            Kind::Enum(name) => Ok(self.by_enum.get(name.as_str()).cloned().unwrap_or(Values::Any)),
            Kind::Values(values) => {
                let wanted = format!("{owner}{}", names::enum_name(&column.name));
                Ok(self.values(&wanted, None, values))
            }
        };
        let kind = match values {
            Err(scalar) => FieldKind::Scalar(scalar),
            Ok(Values::Enum(name)) => FieldKind::Enum(name),
            Ok(Values::Pattern(found)) => {
                pattern = Some(found);
                FieldKind::Scalar(Scalar::String)
            }
            Ok(Values::Any) => {
                self.notes
                    .push(Note::new(&what, "a String: its values can't be said in the schema"));
                FieldKind::Scalar(Scalar::String)
            }
        };
        let preset = column
            .default
            .as_ref()
            .filter(|_| !table.is_view && !column.is_computed);
        let default = preset.and_then(|default| self.default(default, &kind));
        let generated = if table.is_view {
            None
        } else if column.is_computed {
            Some(Generated::Always)
        } else {
            preset.filter(|_| default.is_none()).map(|_| Generated::ByDefault)
        };
        Some(FieldChosen {
            column,
            name: names::field_name(&column.name),
            kind,
            required: is_key || column.required,
            unique: false,
            default,
            generated,
            pattern,
        })
    }

    fn default(&self, default: &ColumnDefault, kind: &FieldKind) -> Option<String> {
        match (default, kind) {
            (ColumnDefault::Text(text), FieldKind::Enum(name)) => {
                let known = self.chosen.enums.iter().find(|known| known.name == *name)?;
                known.values.contains(text).then(|| text.clone())
            }
            (ColumnDefault::Text(text), FieldKind::Scalar(Scalar::String)) => {
                let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
                let plain = !text.chars().any(char::is_control);
                plain.then(|| super::write::string(&format!("'{escaped}'")))
            }
            (ColumnDefault::Number(number), FieldKind::Scalar(Scalar::Long | Scalar::Int)) => {
                number.parse::<i32>().ok().map(|number| number.to_string())
            }
            (ColumnDefault::Number(number), FieldKind::Scalar(Scalar::Float)) => {
                number.parse::<f64>().ok().filter(|number| number.is_finite())?;
                Some(number.clone())
            }
            (ColumnDefault::Number(number), FieldKind::Scalar(Scalar::Decimal)) => {
                crate::model::Decimal::parse(number).ok().map(|_| number.clone())
            }
            (ColumnDefault::Number(number), FieldKind::Scalar(Scalar::Boolean)) => match number.as_str() {
                "0" => Some("false".to_owned()),
                "1" => Some("true".to_owned()),
                _ => None,
            },
            (ColumnDefault::Boolean(flag), FieldKind::Scalar(Scalar::Boolean)) => Some(flag.to_string()),
            (ColumnDefault::Now, FieldKind::Scalar(Scalar::DateTime)) => Some("\"now\"".to_owned()),
            _ => None,
        }
    }
}

/// As the schema bounds it.
const PATTERN_BYTES_MAX: usize = 1000;

/// A text as a pattern that matches it alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if "\\.+*?()|[]{}^$".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// A moment can't: a database may hold it finer than a path says it.
fn can_be_key(kind: &Kind) -> bool {
    match kind {
        Kind::Scalar(scalar) => matches!(
            scalar,
            Scalar::Id | Scalar::String | Scalar::Int | Scalar::Long | Scalar::Date
        ),
        Kind::Values(_) => true,
        Kind::Enum(_) | Kind::Unfit(_) => false,
    }
}

pub(super) fn shown(table: &Table) -> String {
    let kind = if table.is_view { "view" } else { "table" };
    format!("{kind} {}", table.name)
}
