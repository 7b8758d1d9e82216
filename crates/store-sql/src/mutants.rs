//! The defences of the durability tests: what makes an acknowledged write last, and a transaction whole.

engine::mutants! {
    /// That the log is synced before a commit counts.
    Sync,
    /// That the answer waits for the commit.
    AnswerAfterCommit,
    /// That a transaction that fails takes back what it has done.
    Savepoint,
    /// That an idempotency key is kept with its write.
    KeyWithWrite,
    /// That what is done together is one transaction.
    OneTransaction,
    /// That an answer made of several statements is of one moment.
    OneMoment,
    /// That the files are looked for before each commit.
    Presence,
}
