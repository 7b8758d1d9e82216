//! The order in which a batch takes the locks of its records: the same for all batches, so that no two wait for each other.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use engine::Model;
use engine::model::{CollectionId, Key, Value};
use engine::ports::store::StoreError;
use engine::query::Mutation;
use engine::query::functions::compare;

use crate::compile;
use crate::session::Session;

/// Locks what the mutations name and is there, where there are several.
pub(crate) async fn lock<S: Session>(session: &mut S, model: &Model, mutations: &[Mutation]) -> Result<(), StoreError> {
    if mutations.len() < 2 {
        return Ok(());
    }
    let mut keys: BTreeMap<CollectionId, Vec<Value>> = BTreeMap::new();
    for (collection, key) in mutations.iter().filter_map(target) {
        // Records with a key of several parts are few, and take their locks as they come.
        keys.entry(collection).or_default().extend(key.single().cloned());
    }
    for (collection, mut keys) in keys {
        keys.sort_by(|left, right| compare(left, right).unwrap_or(Ordering::Equal));
        keys.dedup();
        for keys in keys.chunks(session.dialect().keys_max()) {
            let statement = compile::locked(session.dialect(), model, model.collection(collection), keys);
            session.query(statement).await?;
        }
    }
    Ok(())
}

/// What is there before and is changed.
fn target(mutation: &Mutation) -> Option<(CollectionId, &Key)> {
    match mutation {
        Mutation::Create(_) => None,
        Mutation::Update(plan) => Some((plan.collection, &plan.key)),
        Mutation::Upsert(plan) => Some((plan.update.collection, &plan.update.key)),
        Mutation::Delete(plan) => Some((plan.collection, &plan.key)),
    }
}
