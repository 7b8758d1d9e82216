//! A statement in the making: text that only this crate writes, and values that are only ever bound.

use std::borrow::Cow;

use engine::model::Value;
use engine::model::kind::Kind;

use crate::dialect::{Dialect, write_to};

/// Text, what to bind to it in order, and how to read its columns.
pub(crate) struct Statement<'a> {
    pub(crate) text: String,
    pub(crate) binds: Vec<Cow<'a, Value>>,
    pub(crate) columns: Vec<Kind>,
}

impl Statement<'_> {
    /// Whether it reads, and does nothing else.
    pub(crate) fn is_select(&self) -> bool {
        self.text.starts_with("SELECT ") || self.is_of_page()
    }

    /// Whether it joins something to a page that it has found before.
    pub(crate) fn is_of_page(&self) -> bool {
        self.text.starts_with("WITH ")
    }
}

pub(super) struct Sql<'a> {
    pub(super) dialect: &'static dyn Dialect,
    text: String,
    binds: Vec<Cow<'a, Value>>,
    columns: Vec<Kind>,
    /// Values are written out instead of bound.
    literal: bool,
}

impl<'a> Sql<'a> {
    pub(super) fn new(dialect: &'static dyn Dialect) -> Self {
        Self {
            dialect,
            text: String::with_capacity(512),
            binds: Vec::with_capacity(8),
            columns: Vec::with_capacity(16),
            literal: false,
        }
    }

    /// For definitions, which know no parameters.
    pub(super) fn literal(dialect: &'static dyn Dialect) -> Self {
        Self {
            literal: true,
            ..Self::new(dialect)
        }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.dialect.identifier(&mut self.text, name);
        self
    }

    /// At the end of an insert that leaves alone what is there already.
    pub(super) fn unless_there(&mut self, column: &str) -> &mut Self {
        self.dialect.unless_there(&mut self.text, column);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        match u8::try_from(number) {
            // Nearly all of them, so without a text of its own.
            Ok(digit @ 0..=9) => self.text.push(char::from(b'0' + digit)),
            _ => write_to(&mut self.text, &number),
        }
        self
    }

    /// A value that stands by itself.
    pub(super) fn bind(&mut self, value: impl Into<Cow<'a, Value>>) -> &mut Self {
        let value = value.into();
        let kind = Kind::of_value(&value);
        self.bind_as(value, kind)
    }

    /// A value, or a null in the place of one, of this kind.
    pub(super) fn bind_as(&mut self, value: impl Into<Cow<'a, Value>>, kind: Kind) -> &mut Self {
        self.parameter(value.into(), Some(kind))
    }

    /// A value that a column takes.
    pub(super) fn assign(&mut self, value: impl Into<Cow<'a, Value>>) -> &mut Self {
        self.parameter(value.into(), None)
    }

    fn parameter(&mut self, value: Cow<'a, Value>, kind: Option<Kind>) -> &mut Self {
        if self.literal {
            self.dialect.literal(&mut self.text, &value);
        } else {
            self.binds.push(value);
            self.dialect.placeholder(&mut self.text, self.binds.len(), kind);
        }
        self
    }

    /// A value of the schema's own, of which there are few.
    pub(super) fn constant(&mut self, value: &Value) {
        self.dialect.literal(&mut self.text, value);
    }

    /// A comparison with a list: as one parameter where the database has that, else ` IN (?, …)`, with the last value
    /// repeated up to a power of two, so that few texts serve all lengths.
    pub(super) fn in_list(&mut self, values: &'a [Value]) -> &mut Self {
        let number = self.binds.len() + 1;
        if !self.literal
            && let Some(kind) = kind_of_all(values)
            && self.dialect.any(&mut self.text, number, kind)
        {
            self.binds.push(Cow::Owned(Value::List(values.to_vec())));
            return self;
        }
        self.push(" IN (");
        let padded = values.len().next_power_of_two();
        let last = values.last().into_iter().cycle();
        for (index, value) in values.iter().chain(last).take(padded).enumerate() {
            self.push(if index > 0 { ", " } else { "" }).bind(Cow::Borrowed(value));
        }
        self.push(")")
    }

    /// Says how the next column of the result is read; answers its place.
    pub(super) fn column(&mut self, kind: Kind) -> usize {
        self.columns.push(kind);
        self.columns.len() - 1
    }

    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn finish(self) -> Statement<'a> {
        Statement {
            text: self.text,
            binds: self.binds,
            columns: self.columns,
        }
    }
}

/// What each of the values is.
fn kind_of_all(values: &[Value]) -> Option<Kind> {
    let (first, rest) = values.split_first()?;
    let kind = Kind::of_value(first);
    rest.iter().all(|value| Kind::of_value(value) == kind).then_some(kind)
}
