//! A bounded cache that never keeps what was invalidated while it was being read.
//!
//! Two halves: what is used lands in the young one, and when that is full it becomes the old one, whose rest is
//! forgotten. So memory is bounded, and what is used often stays.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks apart, so that processors seldom wait for each other.
const SHARDS: usize = 16;

pub(crate) struct Cache<K, V> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K, V>>]>,
    half_max: usize,
    tickets: AtomicU64,
}

struct Shard<K, V> {
    young: HashMap<K, Slot<V>>,
    old: HashMap<K, Slot<V>>,
}

enum Slot<V> {
    /// Being read by the holder of this ticket.
    Loading(u64),
    Ready(V),
}

/// The right to put a value that is about to be read.
#[must_use]
pub(crate) struct Ticket<K> {
    key: K,
    number: u64,
}

impl<K: Hash + Eq + Copy, V: Clone> Cache<K, V> {
    /// Holds at most about `max`.
    pub(crate) fn new(max: u32) -> Self {
        let shard = || {
            Mutex::new(Shard {
                young: HashMap::new(),
                old: HashMap::new(),
            })
        };
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            half_max: (max as usize / SHARDS / 2).max(1),
            tickets: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key);
        if let Some(slot) = shard.young.get(key) {
            return slot.value();
        }
        let slot = shard.old.remove(key)?;
        let value = slot.value();
        self.insert(&mut shard, *key, slot);
        value
    }

    /// Before reading the value; see [`Cache::finish`].
    pub(crate) fn begin(&self, key: K) -> Ticket<K> {
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let mut shard = self.shard(&key);
        shard.old.remove(&key);
        self.insert(&mut shard, key, Slot::Loading(number));
        Ticket { key, number }
    }

    /// Keeps what was read, unless it was invalidated meanwhile.
    pub(crate) fn finish(&self, ticket: Ticket<K>, value: V) {
        let mut shard = self.shard(&ticket.key);
        let Shard { young, old } = &mut *shard;
        if let Some(slot) = young.get_mut(&ticket.key).or_else(|| old.get_mut(&ticket.key))
            && matches!(slot, Slot::Loading(number) if *number == ticket.number)
        {
            *slot = Slot::Ready(value);
        }
    }

    /// For a value that can't change.
    pub(crate) fn put(&self, key: K, value: V) {
        let mut shard = self.shard(&key);
        self.insert(&mut shard, key, Slot::Ready(value));
    }

    pub(crate) fn invalidate(&self, key: &K) {
        let mut shard = self.shard(key);
        shard.young.remove(key);
        shard.old.remove(key);
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.clear();
            shard.old.clear();
        }
    }

    fn insert(&self, shard: &mut Shard<K, V>, key: K, slot: Slot<V>) {
        if shard.young.len() >= self.half_max && !shard.young.contains_key(&key) {
            shard.old = mem::take(&mut shard.young);
        }
        shard.young.insert(key, slot);
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        let index = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> Slot<V> {
    fn value(&self) -> Option<V> {
        match self {
            Self::Loading(_) => None,
            Self::Ready(value) => Some(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
