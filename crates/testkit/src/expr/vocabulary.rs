//! What of a model an expression can name, by type: paths from a record, through at most one relation.

use std::sync::Arc;

use engine::Model;
use engine::model::{Collection, CollectionId, EnumId, FieldKind, Scalar, ValueType};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Float,
    Decimal,
    Text,
    Moment,
    Day,
    Bool,
    Json,
    Enum(EnumId),
    Ints,
    Texts,
    Enums(EnumId),
    One(CollectionId),
    Many(CollectionId),
}

struct Path {
    text: String,
    kind: Kind,
    /// The collections whose records it passes through.
    through: Vec<CollectionId>,
}

/// The paths of each collection.
#[derive(Clone)]
pub(super) struct Vocabulary {
    pub(super) model: Arc<Model>,
    paths: Arc<Vec<Vec<Path>>>,
    /// Whose records can't be reached over others.
    avoided: Option<CollectionId>,
}

impl Vocabulary {
    pub(super) fn of(model: &Arc<Model>) -> Self {
        let paths = model
            .collections
            .iter()
            .map(|collection| of_collection(model, collection));
        Self {
            model: model.clone(),
            paths: Arc::new(paths.collect()),
            avoided: None,
        }
    }

    pub(super) fn avoiding(self, collection: CollectionId) -> Self {
        Self {
            avoided: Some(collection),
            ..self
        }
    }

    /// The paths of this kind, from each of the records.
    pub(super) fn find(&self, records: &[(String, CollectionId)], kind: Kind) -> Vec<String> {
        let mut found = Vec::new();
        for (name, collection) in records {
            let of_kind = self.paths[usize::from(collection.0)]
                .iter()
                .filter(|path| path.kind == kind);
            let allowed = of_kind.filter(|path| !path.through.iter().any(|passed| Some(*passed) == self.avoided));
            found.extend(allowed.map(|path| format!("{name}.{}", path.text)));
        }
        found
    }

    pub(super) fn collections(&self) -> impl Iterator<Item = CollectionId> + use<> {
        let ids: Vec<_> = self.model.collections.iter().map(|collection| collection.id).collect();
        ids.into_iter()
    }

    pub(super) fn enums(&self) -> impl Iterator<Item = EnumId> + use<> {
        let count = u16::try_from(self.model.enums.len()).expect("few enums");
        (0..count).map(EnumId)
    }
}

fn of_collection(model: &Model, collection: &Collection) -> Vec<Path> {
    let own = own(model, collection);
    let mut paths = Vec::new();
    for path in &own {
        // The key is of its collection, too, but leads nowhere.
        if let Kind::One(target) = path.kind
            && !path.through.is_empty()
        {
            let beyond = self::own(model, model.collection(target));
            paths.extend(beyond.into_iter().map(|next| Path {
                text: format!("{}.{}", path.text, next.text),
                kind: next.kind,
                through: [path.through.clone(), next.through].concat(),
            }));
        }
    }
    paths.extend(own);
    paths
}

fn own(model: &Model, collection: &Collection) -> Vec<Path> {
    let mut paths = Vec::new();
    for field in collection.fields.iter().filter(|field| !field.private) {
        let mut add = |kind, through: &[CollectionId]| {
            paths.push(Path {
                text: field.name.clone(),
                kind,
                through: through.to_vec(),
            });
        };
        match &field.kind {
            _ if collection.key == [field.id] => add(Kind::One(collection.id), &[]),
            FieldKind::Reference { target, .. } => add(Kind::One(*target), &[*target]),
            FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. } => add(Kind::Many(*target), &[*target]),
            FieldKind::Value(ty) => value(model, &field.name, ty, &mut paths),
        }
    }
    paths
}

fn value(model: &Model, text: &str, ty: &ValueType, paths: &mut Vec<Path>) {
    let kind = match ty {
        ValueType::Document(id) => {
            for field in &model.document(*id).fields {
                value(model, &format!("{text}.{}", field.name), &field.ty, paths);
            }
            return;
        }
        ValueType::Scalar(scalar) => match scalar_kind(*scalar) {
            Some(kind) => kind,
            None => return,
        },
        ValueType::Enum(id) => Kind::Enum(*id),
        ValueType::List { item, .. } => match &**item {
            ValueType::Scalar(Scalar::Int | Scalar::Long) => Kind::Ints,
            ValueType::Scalar(Scalar::String) => Kind::Texts,
            ValueType::Enum(id) => Kind::Enums(*id),
            _ => return,
        },
    };
    paths.push(Path {
        text: text.to_owned(),
        kind,
        through: Vec::new(),
    });
}

fn scalar_kind(scalar: Scalar) -> Option<Kind> {
    Some(match scalar {
        Scalar::String | Scalar::Email | Scalar::Url => Kind::Text,
        Scalar::Int | Scalar::Long => Kind::Int,
        Scalar::Float => Kind::Float,
        Scalar::Decimal => Kind::Decimal,
        Scalar::Boolean => Kind::Bool,
        Scalar::DateTime => Kind::Moment,
        Scalar::Date => Kind::Day,
        Scalar::Json => Kind::Json,
        Scalar::Id | Scalar::Bytes | Scalar::File => return None,
    })
}
