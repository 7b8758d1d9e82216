//! What the store does on a server that speaks MongoDB's protocol.

mod accounts;
mod conformance;
mod migrations;
mod nodes;
mod opening;
mod server;
