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
    /// That what others got in the way of is tried again.
    TryAgain,
    /// That a server which only reads is taken for a lost one.
    LostPrimary,
    /// That a connection which may be dead is looked at before it is used.
    SignOfLife,
    /// That a replica is read from only as far as its caller's own writes are on it.
    OwnWrites,
    /// That a replica which is too far behind is not read from.
    LagLimit,
    /// That the files are looked for before each commit.
    Presence,
    /// That after a failed checkpoint the whole log is copied anew.
    CopyAgain,
}
