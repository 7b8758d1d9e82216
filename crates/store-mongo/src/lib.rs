//! The store on MongoDB: a replica set, version 5 or later.
//!
//! `compile` turns plans into aggregation pipelines, `read` and `write` carry them out over a `session`, and
//! `store` has the transactions. **Every transaction counts up one document before it does anything else**
//! (`system::POSITION`): so commits have an order, and no two of them, on whatever node, ever decide by what the other is just
//! changing. Who meets another there waits and begins anew; within a node they queue.

mod accounts;
mod change_log;
mod compile;
mod error;
mod explain;
mod lock;
mod migrate;
mod open;
mod options;
mod read;
mod relocation;
mod session;
mod staging;
mod store;
mod system;
mod transaction;
mod value;
mod write;

pub use open::MongoStore;
pub use options::{MongoOptions, OpenError};
