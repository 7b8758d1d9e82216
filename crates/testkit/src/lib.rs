pub mod accounts;
pub mod fakes;
