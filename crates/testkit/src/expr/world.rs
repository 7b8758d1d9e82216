//! A handful of records that refer to each other.

use std::sync::Arc;

use engine::Model;
use engine::access::Principal;
use engine::model::{Collection, CollectionId, FieldId, FieldKind, Value};
use engine::query::Image;
use engine::query::interpret::Records;
use proptest::prelude::*;
use uuid::Uuid;

use super::{Schema, values};

/// Records of each collection, by the model's order, and what their to-many fields hold.
#[derive(Debug, Clone)]
pub struct World {
    pub schema: Arc<Schema>,
    pub records: Vec<Vec<Image>>,
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub collection: CollectionId,
    pub field: FieldId,
    pub source: Value,
    pub target: Value,
}

/// Records of each collection in a world.
const RECORDS: usize = 3;

/// The key of the n-th record of a collection.
pub(super) fn key(collection: CollectionId, index: usize) -> Uuid {
    Uuid::from_u128((u128::from(collection.0) + 1) << 64 | index as u128)
}

/// Three records of each collection. References lead to records that exist.
pub fn worlds(schema: &Arc<Schema>) -> BoxedStrategy<World> {
    let (schema, model) = (schema.clone(), schema.model.clone());
    let records: Vec<BoxedStrategy<Vec<Image>>> = model
        .collections
        .iter()
        .map(|collection| {
            let images: Vec<BoxedStrategy<Image>> =
                (0..RECORDS).map(|index| image(&model, collection, index)).collect();
            images.boxed()
        })
        .collect();
    let fields: Vec<(CollectionId, FieldId, CollectionId)> = model
        .collections
        .iter()
        .flat_map(|collection| collection.fields.iter().map(move |field| (collection.id, field)))
        .filter_map(|(collection, field)| match field.kind {
            FieldKind::Links { target, .. } => Some((collection, field.id, target)),
            _ => None,
        })
        .collect();
    let pairs = prop::collection::vec(any::<bool>(), fields.len() * RECORDS * RECORDS);
    let worlds = (records, pairs).prop_map(move |(records, pairs)| {
        let mut pairs = pairs.into_iter();
        let mut links = Vec::new();
        for (collection, field, target_collection) in &fields {
            for (source, target) in (0..RECORDS * RECORDS).map(|pair| (pair / RECORDS, pair % RECORDS)) {
                if pairs.next() == Some(true) {
                    links.push(Link {
                        collection: *collection,
                        field: *field,
                        source: Value::Id(key(*collection, source)),
                        target: Value::Id(key(*target_collection, target)),
                    });
                }
            }
        }
        World {
            schema: schema.clone(),
            records,
            links,
        }
    });
    worlds.boxed()
}

/// One record with random values.
pub(super) fn image(model: &Model, collection: &Collection, index: usize) -> BoxedStrategy<Image> {
    let id = Value::Id(key(collection.id, index));
    let fields: Vec<BoxedStrategy<Value>> = collection
        .stored()
        .map(|field| match field.kind {
            _ if collection.key == [field.id] => Just(id.clone()).boxed(),
            FieldKind::Reference { target, .. } => {
                let some = (0..RECORDS).prop_map(move |index| Value::Id(key(target, index)));
                if field.required {
                    some.boxed()
                } else {
                    prop_oneof![1 => Just(Value::Null), 3 => some].boxed()
                }
            }
            // Unique, so that any store takes it.
            _ if field.unique => Just(Value::text(format!("{}{index}@example.org", collection.path))).boxed(),
            _ => values::of_field(model, field),
        })
        .collect();
    fields.prop_map(Image).boxed()
}

/// Nobody, an administrator, and users of the world and of none.
pub fn callers(model: &Model) -> impl Strategy<Value = Principal> + use<> {
    let accounts = model.accounts.unwrap_or(CollectionId(0));
    let user = |id: Uuid, roles: &[&str], claims: serde_json::Value| Principal::User {
        id,
        roles: roles.iter().map(|role| Box::from(*role)).collect(),
        claims: Arc::new(claims.as_object().cloned().unwrap_or_default()),
    };
    let claims = serde_json::json!({"tenant": "a", "level": 1, "vip": true, "groups": ["a", "LIVE", 1], "none": null});
    let stranger = user(
        Uuid::from_u128(7),
        &[],
        serde_json::json!({"tenant": "b", "vip": false}),
    );
    prop_oneof![
        1 => Just(Principal::Anonymous),
        1 => Just(Principal::Administrator { id: Uuid::from_u128(9) }),
        1 => Just(stranger),
        4 => (0..RECORDS).prop_map(move |index| user(key(accounts, index), &["a", "LIVE"], claims.clone())),
    ]
}

impl Records for World {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image> {
        let model = &self.schema.model;
        let slot = model.collection(collection).slot(model.collection(collection).key[0])?;
        let records = &self.records[usize::from(collection.0)];
        records.iter().find(|image| image.0[slot] == *key).cloned()
    }

    fn links(&self, collection: CollectionId, field: FieldId, key: &Value) -> Vec<Value> {
        let held = self
            .links
            .iter()
            .filter(|link| link.collection == collection && link.field == field && link.source == *key);
        held.map(|link| link.target.clone()).collect()
    }

    fn linked_from(&self, collection: CollectionId, field: FieldId, target: &Value) -> Vec<Value> {
        let held = self
            .links
            .iter()
            .filter(|link| link.collection == collection && link.field == field && link.target == *target);
        held.map(|link| link.source.clone()).collect()
    }

    fn referencing(&self, collection: CollectionId, field: FieldId, target: &Value) -> Vec<Value> {
        let collection = self.schema.model.collection(collection);
        let (Some(key), Some(slot)) = (collection.slot(collection.key[0]), collection.slot(field)) else {
            return Vec::new();
        };
        let records = self.records[usize::from(collection.id.0)].iter();
        records
            .filter(|image| image.0[slot] == *target)
            .map(|image| image.0[key].clone())
            .collect()
    }
}
