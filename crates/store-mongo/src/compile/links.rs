//! A to-many field's table.

use engine::model::{Collection, CollectionId, FieldId, FieldKind};

#[derive(Clone, Copy)]
pub(crate) struct Links<'a> {
    pub(crate) target: CollectionId,
    pub(crate) table: &'a str,
    pub(crate) source_column: &'a str,
    pub(crate) target_column: &'a str,
}

impl<'a> Links<'a> {
    pub(crate) fn of(collection: &'a Collection, field: FieldId) -> Self {
        match &collection.field(field).kind {
            FieldKind::Links {
                target,
                table,
                source_column,
                target_column,
            } => Self {
                target: *target,
                table,
                source_column,
                target_column,
            },
            FieldKind::Value(_) | FieldKind::Reference { .. } | FieldKind::Inverse { .. } => {
                unreachable!("only a to-many field has links")
            }
        }
    }
}
