//! The SQL store: one compiler, a dialect per database, migrations.

pub mod migrate;
