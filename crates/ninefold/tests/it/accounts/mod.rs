//! Accounts: what a stranger can't find out, what a thief can't keep, and what ends at once.

mod administrators;
mod house;
mod http;
mod passwords;
mod sessions;
mod sign_up;
