//! What an expression's parts are.

use crate::model::{CollectionId, DocumentId, EnumId, FieldKind, Model, Scalar, ValueType};

/// The type of a part of an expression. Any of them may be null at run time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Bool,
    /// `Int` and `Long`; arithmetic is in 64 bits.
    Int,
    Float,
    Decimal,
    Text,
    Bytes,
    DateTime,
    Date,
    Duration,
    Id,
    Enum(EnumId),
    /// JSON whose shape nobody knows.
    Json,
    Document(DocumentId),
    /// A record, or a reference to one.
    Record(CollectionId),
    /// The records of a to-many or inverse field.
    Set(CollectionId),
    List(Box<Type>),
    /// `auth` itself.
    Auth,
    Request,
    /// Of what has an error already: fits everywhere, so that one mistake is told once.
    Unknown,
}

impl Type {
    pub(super) fn of_value(ty: &ValueType) -> Self {
        match ty {
            ValueType::Scalar(scalar) => Self::of_scalar(*scalar),
            ValueType::Enum(id) => Self::Enum(*id),
            ValueType::Document(id) => Self::Document(*id),
            ValueType::List { item, .. } => Self::List(Box::new(Self::of_value(item))),
        }
    }

    pub(super) fn of_scalar(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Id => Self::Id,
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => Self::Text,
            Scalar::Int | Scalar::Long => Self::Int,
            Scalar::Float => Self::Float,
            Scalar::Decimal => Self::Decimal,
            Scalar::Boolean => Self::Bool,
            Scalar::DateTime => Self::DateTime,
            Scalar::Date => Self::Date,
            Scalar::Bytes => Self::Bytes,
            Scalar::Json => Self::Json,
        }
    }

    pub(super) fn of_field(kind: &FieldKind) -> Self {
        match kind {
            FieldKind::Value(ty) => Self::of_value(ty),
            FieldKind::Reference { target, .. } => Self::Record(*target),
            FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. } => Self::Set(*target),
        }
    }

    /// The type that a store keeps it as; `None` for what no store keeps.
    pub(super) fn scalar(&self, model: &Model) -> Option<Scalar> {
        Some(match self {
            Self::Bool => Scalar::Boolean,
            Self::Int | Self::Duration => Scalar::Long,
            Self::Float => Scalar::Float,
            Self::Decimal => Scalar::Decimal,
            Self::Text | Self::Enum(_) => Scalar::String,
            Self::Bytes => Scalar::Bytes,
            Self::DateTime => Scalar::DateTime,
            Self::Date => Scalar::Date,
            Self::Id => Scalar::Id,
            Self::Json | Self::Document(_) | Self::List(_) => Scalar::Json,
            Self::Record(collection) => return key_type(model, *collection).scalar(model),
            Self::Null | Self::Set(_) | Self::Auth | Self::Request | Self::Unknown => return None,
        })
    }

    /// Whether it compares as one value with `==`.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(
            self,
            Self::Null | Self::Document(_) | Self::Set(_) | Self::List(_) | Self::Auth | Self::Request
        )
    }

    /// As a reader of the schema calls it, with its article.
    pub(super) fn describe(&self, model: &Model) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool => "a Boolean".into(),
            Self::Int => "an integer".into(),
            Self::Float => "a Float".into(),
            Self::Decimal => "a Decimal".into(),
            Self::Text => "a text".into(),
            Self::Bytes => "Bytes".into(),
            Self::DateTime => "a DateTime".into(),
            Self::Date => "a Date".into(),
            Self::Duration => "a duration".into(),
            Self::Id => "an ID".into(),
            Self::Enum(id) => with_article(&model.enumeration(*id).name),
            Self::Json => "JSON".into(),
            Self::Document(id) => with_article(&model.document(*id).name),
            Self::Record(id) => with_article(&model.collection(*id).name),
            Self::Set(id) => format!("a set of {} records", model.collection(*id).name),
            Self::List(item) if **item == Self::Unknown => "a list".into(),
            Self::List(item) => format!("a list whose items are each {}", item.describe(model)),
            Self::Auth => "the caller".into(),
            Self::Request => "the request".into(),
            Self::Unknown => "unknown".into(),
        }
    }
}

fn with_article(name: &str) -> String {
    let article = if name.starts_with(['A', 'E', 'I', 'O']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

/// What a reference to a record of the collection holds.
pub(super) fn key_type(model: &Model, collection: CollectionId) -> Type {
    let collection = model.collection(collection);
    match collection.key.as_slice() {
        [key] => match &collection.field(*key).kind {
            FieldKind::Reference { target, .. } => key_type(model, *target),
            kind => Type::of_field(kind),
        },
        _ => Type::Unknown,
    }
}
