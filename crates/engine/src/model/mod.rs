//! What an application is: collections, fields, relations, constraints and rules.
//!
//! A [`Model`] is read once from `schema.graphql` ([`Model::read`]), never changes, and is shared by `Arc`; a
//! reload makes a new one with another [`Epoch`]. Names are resolved here and nowhere else: everything behind
//! this module speaks in ids.

use std::collections::HashMap;
use std::sync::Arc;

use crate::expr::Expression;

mod closest;
pub mod diagnostic;
pub mod keyed;
pub mod kind;
pub mod limits;
pub mod migration;
mod notation;
mod read;
mod scalar;
mod skeleton;
pub mod structure;
pub mod value;

pub use closest::closest;
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use notation::DecimalError;
pub(crate) use read::names::{path_of, plural, snake_case};
pub use scalar::parse_email;
pub use structure::{StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure};
pub use value::{Date, Decimal, Key, Row, Timestamp, Value, ValueRef};

/// Tells one model from another; a permit made under one is refused by a store that has adopted the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Epoch(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionId(pub u16);

/// A field's place in its collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnumId(pub u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DocumentId(pub u16);

/// A whole application's data model.
#[derive(Debug, Default)]
pub struct Model {
    pub epoch: Epoch,
    pub collections: Vec<Collection>,
    pub documents: Vec<DocumentType>,
    pub enums: Vec<EnumType>,
    /// The one collection whose records are people who sign in.
    pub accounts: Option<CollectionId>,
    /// By `CollectionId`: who refers to it by a to-one or to-many field.
    pub referrers: Vec<Vec<Referrer>>,
    pub by_name: HashMap<String, CollectionId>,
    pub by_path: HashMap<String, CollectionId>,
}

/// A field somewhere that refers to a collection's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referrer {
    pub collection: CollectionId,
    pub field: FieldId,
}

impl Model {
    pub fn collection(&self, id: CollectionId) -> &Collection {
        &self.collections[usize::from(id.0)]
    }

    pub fn document(&self, id: DocumentId) -> &DocumentType {
        &self.documents[usize::from(id.0)]
    }

    pub fn enumeration(&self, id: EnumId) -> &EnumType {
        &self.enums[usize::from(id.0)]
    }

    /// By the segment of a path: `order-lines`.
    pub fn by_path(&self, path: &str) -> Option<&Collection> {
        self.by_path.get(path).map(|id| self.collection(*id))
    }

    /// By the name of its type: `OrderLine`.
    pub fn by_name(&self, name: &str) -> Option<&Collection> {
        self.by_name.get(name).map(|id| self.collection(*id))
    }

    pub fn referrers(&self, id: CollectionId) -> &[Referrer] {
        &self.referrers[usize::from(id.0)]
    }
}

/// A stored type.
#[derive(Debug)]
pub struct Collection {
    pub id: CollectionId,
    /// The type's name: `OrderLine`.
    pub name: String,
    /// Its segment in paths: `order-lines`.
    pub path: String,
    /// What the database calls it: `order_line`.
    pub table: String,
    pub doc: Option<String>,
    /// System fields (`id`, `created`, `updated`, `version`; of accounts also `email`, `verified`, `roles`) come
    /// first, then the schema's, in its order.
    pub fields: Vec<Field>,
    /// `false`: the table is somebody else's. It is read and written, and never made or changed.
    pub managed: bool,
    /// Nobody writes it: a view.
    pub read_only: bool,
    /// The fields that identify a record; one `id` unless the schema says otherwise.
    pub key: Vec<FieldId>,
    pub created: Option<FieldId>,
    pub updated: Option<FieldId>,
    pub version: Option<FieldId>,
    pub account: Option<AccountFields>,
    pub indexes: Vec<Index>,
    pub checks: Vec<Check>,
    pub access: Access,
    /// The type name that this one had before, if it was renamed.
    pub renamed_from: Option<String>,
    pub by_name: HashMap<String, FieldId>,
}

impl Collection {
    pub fn field(&self, id: FieldId) -> &Field {
        &self.fields[usize::from(id.0)]
    }

    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|id| self.field(*id))
    }

    /// A stored field's place in an image.
    pub fn slot(&self, id: FieldId) -> Option<usize> {
        let field = self.fields.get(usize::from(id.0)).filter(|field| field.is_stored())?;
        Some(self.stored().take_while(|stored| stored.id != field.id).count())
    }

    /// Whether nobody but the database makes keys of new records.
    pub fn makes_keys(&self) -> bool {
        let is_made = |id: &FieldId| self.field(*id).generated == Some(Generated::Always);
        self.key.iter().any(is_made)
    }

    /// What the database may compute each time that a record is written.
    pub fn computed(&self) -> impl Iterator<Item = FieldId> {
        let is_computed =
            move |field: &&Field| field.generated == Some(Generated::Always) && !self.key.contains(&field.id);
        self.fields.iter().filter(is_computed).map(|field| field.id)
    }

    /// Fields with a column of their own, in order; an image of a record holds a value for each.
    pub fn stored(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.is_stored())
    }
}

/// The system fields of the accounts' collection.
#[derive(Debug, Clone, Copy)]
pub struct AccountFields {
    pub email: FieldId,
    pub verified: FieldId,
    pub roles: FieldId,
    pub sign_up: SignUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    Open,
    Invite,
    Closed,
}

/// Who may do what with a collection. `None` is closed: administrators only.
#[derive(Debug, Default)]
pub struct Access {
    pub read: Option<Arc<Expression>>,
    pub create: Option<Arc<Expression>>,
    pub update: Option<Arc<Expression>>,
    pub delete: Option<Arc<Expression>>,
}

/// One field of a collection.
#[derive(Debug)]
pub struct Field {
    pub id: FieldId,
    pub name: String,
    /// What the database calls it, where it is stored.
    pub column: String,
    pub doc: Option<String>,
    pub kind: FieldKind,
    /// `!`: never null.
    pub required: bool,
    pub unique: bool,
    pub immutable: bool,
    /// `@private`: never in an answer, and nothing may be asked about it; rules and administrators' writes may use it.
    pub private: bool,
    /// Set by Ninefold, never by a caller: `id` (but for a create), `created`, `updated`, `version`.
    pub system: bool,
    pub length: Option<LengthRange>,
    pub range: Option<NumberRange>,
    pub pattern: Option<Pattern>,
    pub default: Option<DefaultValue>,
    /// Of a table that others made: which values the database gives by itself.
    pub generated: Option<Generated>,
    pub read: FieldRule,
    pub write: FieldRule,
    pub renamed_from: Option<String>,
}

impl Field {
    /// Has a column of its own: everything but to-many and inverse relations.
    pub fn is_stored(&self) -> bool {
        matches!(self.kind, FieldKind::Value(_) | FieldKind::Reference { .. })
    }

    /// Whether a merge patch goes into the value rather than replacing it.
    pub fn merges(&self) -> bool {
        matches!(
            self.kind,
            FieldKind::Value(ValueType::Document(_) | ValueType::Scalar(Scalar::Json))
        )
    }

    /// The collection at the other end of a relation.
    pub fn target(&self) -> Option<CollectionId> {
        match self.kind {
            FieldKind::Value(_) => None,
            FieldKind::Reference { target, .. }
            | FieldKind::Links { target, .. }
            | FieldKind::Inverse { target, .. } => Some(target),
        }
    }
}

/// A field's own rule, on top of the record's.
#[derive(Debug, Clone, Default)]
pub enum FieldRule {
    /// As the record's rule has it.
    #[default]
    Inherit,
    /// Administrators only.
    Administrators,
    Rule(Arc<Expression>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    Value(ValueType),
    /// To-one: a column that holds the target's key.
    Reference {
        target: CollectionId,
        on_delete: OnDelete,
    },
    /// To-many: a set without duplicates, in a join table (`table`, with `source_column` and `target_column`) or link collection.
    Links {
        target: CollectionId,
        table: String,
        source_column: String,
        target_column: String,
    },
    /// The other end of `field` (a `Reference` or `Links`) of `target`; stores nothing.
    Inverse {
        target: CollectionId,
        field: FieldId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The default: 409 while something refers to the record.
    Restrict,
    Cascade,
    SetNull,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueType {
    Scalar(Scalar),
    Enum(EnumId),
    /// An embedded document: JSON with a closed shape.
    Document(DocumentId),
    /// JSON array. `required`: its items are never null.
    List {
        item: Box<ValueType>,
        required: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    Id,
    String,
    Int,
    Long,
    Float,
    Decimal,
    Boolean,
    DateTime,
    Date,
    Bytes,
    Json,
    Email,
    Url,
    File,
}

/// A type without `@collection`: an embedded document.
#[derive(Debug)]
pub struct DocumentType {
    pub id: DocumentId,
    pub name: String,
    pub doc: Option<String>,
    pub fields: Vec<DocumentField>,
}

#[derive(Debug)]
pub struct DocumentField {
    pub name: String,
    pub doc: Option<String>,
    pub ty: ValueType,
    pub required: bool,
    pub length: Option<LengthRange>,
    pub range: Option<NumberRange>,
    pub pattern: Option<Pattern>,
}

#[derive(Debug)]
pub struct EnumType {
    pub id: EnumId,
    pub name: String,
    pub doc: Option<String>,
    pub values: Vec<EnumValue>,
}

#[derive(Debug)]
pub struct EnumValue {
    pub name: String,
    pub doc: Option<String>,
}

/// Inclusive; in characters (Unicode scalar values) of text, bytes of `Bytes`, items of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthRange {
    pub min: Option<u32>,
    pub max: Option<u32>,
}

/// Inclusive; of the field's own numeric type.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberRange {
    pub min: Option<Value>,
    pub max: Option<Value>,
}

/// A regular expression that the whole text must match; linear time (the `regex` crate), a subset all engines share.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub source: String,
    pub regex: regex::Regex,
}

#[derive(Debug, Clone)]
pub enum DefaultValue {
    Constant(Value),
    /// Evaluated when a record is created; in scope: `auth`, `now`, `request`.
    Expression(Arc<Expression>),
}

/// When the database says what a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// Where a create doesn't: a serial number, a default in the database's own language.
    ByDefault,
    /// At all times, and nobody else: an identity column that is so declared, a computed column.
    Always,
}

#[derive(Debug, Clone)]
pub struct Index {
    /// What the database calls it.
    pub name: String,
    pub fields: Vec<FieldId>,
    pub unique: bool,
    /// Only records for which this holds; over the record's own columns.
    pub only: Option<Arc<Expression>>,
}

/// `@check`: must hold for the record as it becomes.
#[derive(Debug, Clone)]
pub struct Check {
    pub rule: Arc<Expression>,
    pub message: String,
    /// The field it was written on, if it was.
    pub field: Option<FieldId>,
}
