//! Records of which each is a part of a result's row: the one that was asked for, and those that are joined to it.

use std::sync::Arc;

use engine::model::{Row, Value, ValueRef};
use engine::query::json::{Content, Record};

use crate::compile::Layout;
use crate::session::Columns;

/// A record where it was read.
#[derive(Clone, Copy)]
pub(super) struct InRow<'r> {
    pub(super) columns: &'r [ValueRef<'r>],
    pub(super) layout: &'r Layout,
}

impl<'r> Record<'r> for InRow<'r> {
    fn field(self, place: usize) -> Content<'r, Self> {
        let Self { columns, layout } = self;
        let mask = layout.masks.iter().find(|(item, _)| *item == place);
        if mask.is_some_and(|(_, mask)| columns[*mask] != ValueRef::Bool(true)) {
            return Content::Hidden;
        }
        let joined = layout.joined.iter().find(|joined| joined.place == place);
        match joined {
            Some(joined) if columns[joined.key()] != ValueRef::Null => Content::Record(Self {
                columns,
                layout: &joined.layout,
            }),
            _ => Content::Value(columns[layout.first + place]),
        }
    }
}

/// The items of a record of which nothing else is wanted. What is hidden of it is so already; what is joined is put in its
/// place.
pub(super) fn into_row(mut columns: Columns, layout: &Layout) -> Row {
    if !layout.joined.is_empty() {
        join(&mut columns, layout);
    }
    columns.truncate(layout.items);
    Row(columns)
}

/// Hides what the caller may not read of a record.
pub(super) fn hide(columns: &mut Columns, layout: &Layout) {
    for (item, mask) in &layout.masks {
        if columns[*mask] != Value::Bool(true) {
            columns[layout.first + item] = Value::Hidden;
        }
    }
}

fn join(columns: &mut Columns, layout: &Layout) {
    for joined in &layout.joined {
        let place = layout.first + joined.place;
        if columns[joined.key()].is_null() || columns[place] == Value::Hidden {
            continue;
        }
        let record = &joined.layout;
        hide(columns, record);
        join(columns, record);
        let items = columns[record.first..record.first + record.items].iter_mut();
        let items = items.map(|value| std::mem::replace(value, Value::Null)).collect();
        columns[place] = Value::Record(Arc::new(Row(items)));
    }
}
