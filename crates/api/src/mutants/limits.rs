//! The limits of what is sent, which the hostile tests show to be there; what the configuration says can be lifted there.

engine::mutants! {
    /// The depth of a body's JSON.
    BodyDepth,
    /// That a body is UTF-8.
    BodyUtf8,
    /// That nothing follows the JSON.
    BodyEnd,
    /// The size of a body of the accounts' endpoints.
    AuthBodyBytes,
    /// That a body which is announced as too large isn't waited for.
    AnnouncedBytes,
    /// The length of an idempotency key.
    KeyBytes,
    /// That there is one.
    KeyOnce,
}
