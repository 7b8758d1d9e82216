//! What both floors have in common, SQLite's (`main.rs`) and PostgreSQL's (`postgres/`): all that isn't the database.

pub mod columns;
pub mod draft;
pub mod tokens;
pub mod web;
