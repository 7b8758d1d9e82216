//! Which fields stand where: in an answer, in a create, in a patch, in a replacement.

use engine::model::{Collection, Field, FieldKind, FieldRule, Generated, Scalar, ValueType};

fn is_relation_list(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Links { .. } | FieldKind::Inverse { .. })
}

/// In an answer that nothing was said about: to-many relations have to be asked for.
pub(super) fn is_in_plain_answer(field: &Field) -> bool {
    !field.private && !is_relation_list(field)
}

/// Nothing can hide it from whoever may read the record.
pub(super) fn is_always_in_plain_answer(field: &Field) -> bool {
    is_in_plain_answer(field) && matches!(field.read, FieldRule::Inherit)
}

/// A caller can ask for it.
pub(super) fn is_readable(field: &Field) -> bool {
    !field.private
}

/// The database alone says what it holds.
fn is_made(field: &Field) -> bool {
    field.generated == Some(Generated::Always)
}

fn is_key(collection: &Collection, field: &Field) -> bool {
    collection.key.contains(&field.id)
}

/// A new record's own id may be given; nothing else that the server sets.
pub(super) fn is_in_create(collection: &Collection, field: &Field) -> bool {
    is_key(collection, field) && !is_made(field) || is_in_replace(collection, field)
}

pub(super) fn is_in_replace(collection: &Collection, field: &Field) -> bool {
    !field.system && !is_made(field) && !is_key(collection, field) && !matches!(field.kind, FieldKind::Inverse { .. })
}

/// What is immutable can be named only as it already is: no use in a patch.
pub(super) fn is_in_update(collection: &Collection, field: &Field) -> bool {
    is_in_replace(collection, field) && !field.immutable
}

/// A create without it is refused. A key that is an id is made where none is given.
pub(super) fn is_needed_to_create(collection: &Collection, field: &Field) -> bool {
    let is_id = is_key(collection, field) && field.kind == FieldKind::Value(ValueType::Scalar(Scalar::Id));
    let is_preset = field.system || field.default.is_some() || field.generated.is_some();
    field.required && !is_preset && !is_relation_list(field) && !is_id
}
