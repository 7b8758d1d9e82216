//! Migrations on SQLite.
//!
//! A migration is one transaction: it happens whole or not at all, whatever interrupts it.

use engine::Model;
use engine::model::Structure;
use rusqlite::{Connection, TransactionBehavior};

mod accounts;
mod ddl;
mod system;
#[cfg(test)]
mod tests;

/// Builds everything that `model` needs in an empty database.
///
/// # Errors
/// What SQLite says; the database is then as it was.
pub fn create(connection: &mut Connection, model: &Model) -> rusqlite::Result<()> {
    let structure = Structure::of(model);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    system::prepare(&transaction)?;
    for collection in &structure.collections {
        transaction.execute_batch(&ddl::create_table(&structure, collection, &collection.table))?;
        for links in &collection.links {
            transaction.execute_batch(&ddl::create_links(&structure, collection, links))?;
            transaction.execute_batch(&ddl::create_links_index(links))?;
        }
        for index in &collection.indexes {
            transaction.execute_batch(&ddl::create_index(collection, index))?;
        }
    }
    system::write_structure(&transaction, &structure)?;
    transaction.commit()
}
