pub mod accounts;
pub mod fakes;
pub mod store;
