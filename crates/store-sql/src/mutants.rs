//! The defences of the durability tests: what makes an acknowledged write last, and a transaction whole.

engine::mutants! {
    /// That a transaction that fails takes back what it has done.
    Savepoint,
    /// That an idempotency key is kept with its write.
    KeyWithWrite,
}
