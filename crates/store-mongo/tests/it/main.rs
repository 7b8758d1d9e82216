//! What the store does on a server that speaks MongoDB's protocol.

mod accounts;
mod change_log;
mod conformance;
mod migrations;
mod nodes;
mod opening;
mod server;
