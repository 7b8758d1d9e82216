//! A model made from a structure alone: enough to read an expression over stored fields, and to judge a value.
//!
//! Migrations use it, for the model that a structure came from may be long gone.

use std::collections::HashMap;

use super::{
    Access, Collection, CollectionId, EnumId, EnumType, EnumValue, Field, FieldId, FieldKind, FieldRule, Model,
    OnDelete, Scalar, StoredCollection, StoredField, StoredType, Structure, Value, ValueType,
};

impl Structure {
    /// Collections with their stored fields; no rules, no to-many relations, no constraints. What an embedded
    /// document holds is not known.
    pub fn skeleton(&self) -> Model {
        let ids = (0..).map(CollectionId).zip(&self.collections);
        let by_name: HashMap<String, CollectionId> = ids.map(|(id, stored)| (stored.name.clone(), id)).collect();
        let mut model = Model {
            referrers: vec![Vec::new(); self.collections.len()],
            ..Model::default()
        };
        for stored in &self.collections {
            let collection = collection(by_name[&stored.name], stored, &by_name, &mut model.enums);
            model.collections.push(collection);
        }
        model.by_name = by_name;
        model
    }
}

/// A caller's JSON as a value of the type, in the form in which it is kept; `None` if it is none.
pub(super) fn accept(kind: &StoredType, json: &serde_json::Value) -> Option<Value> {
    let mut model = Model::default();
    let kind = FieldKind::Value(value_type(kind, &mut model.enums));
    field(FieldId(0), "value", "value", kind).accept(&model, json).ok()
}

fn collection(
    id: CollectionId,
    stored: &StoredCollection,
    ids: &HashMap<String, CollectionId>,
    enums: &mut Vec<EnumType>,
) -> Collection {
    let mut fields = Vec::new();
    for (index, stored) in (0..).map(FieldId).zip(&stored.fields) {
        let mut field = field(index, &stored.name, &stored.column, kind(stored, ids, enums));
        field.required = stored.required;
        fields.push(field);
    }
    let by_name: HashMap<String, FieldId> = fields.iter().map(|field| (field.name.clone(), field.id)).collect();
    Collection {
        id,
        name: stored.name.clone(),
        path: stored.table.clone(),
        table: stored.table.clone(),
        doc: None,
        key: stored
            .key
            .iter()
            .filter_map(|name| by_name.get(name).copied())
            .collect(),
        fields,
        created: None,
        updated: None,
        version: None,
        account: None,
        managed: true,
        read_only: false,
        indexes: Vec::new(),
        checks: Vec::new(),
        access: Access::default(),
        renamed_from: None,
        by_name,
    }
}

fn kind(stored: &StoredField, ids: &HashMap<String, CollectionId>, enums: &mut Vec<EnumType>) -> FieldKind {
    match stored.refers.as_ref().and_then(|target| ids.get(target)) {
        Some(target) => FieldKind::Reference {
            target: *target,
            on_delete: OnDelete::Restrict,
        },
        None => FieldKind::Value(value_type(&stored.kind, enums)),
    }
}

fn value_type(stored: &StoredType, enums: &mut Vec<EnumType>) -> ValueType {
    match stored {
        StoredType::Scalar(scalar) => ValueType::Scalar(*scalar),
        StoredType::Document => ValueType::Scalar(Scalar::Json),
        StoredType::List(item) => ValueType::List {
            item: Box::new(value_type(item, enums)),
            required: false,
        },
        StoredType::Enum(names) => {
            let id = EnumId(u16::try_from(enums.len()).expect("a structure has fewer fields than that"));
            let values = names.iter().map(|name| EnumValue {
                name: name.clone(),
                doc: None,
            });
            enums.push(EnumType {
                id,
                name: format!("Enum{}", id.0),
                doc: None,
                values: values.collect(),
            });
            ValueType::Enum(id)
        }
    }
}

fn field(id: FieldId, name: &str, column: &str, kind: FieldKind) -> Field {
    Field {
        id,
        name: name.to_owned(),
        column: column.to_owned(),
        doc: None,
        kind,
        required: false,
        unique: false,
        immutable: false,
        private: false,
        system: false,
        length: None,
        range: None,
        pattern: None,
        default: None,
        generated: None,
        read: FieldRule::Inherit,
        write: FieldRule::Inherit,
        renamed_from: None,
    }
}
