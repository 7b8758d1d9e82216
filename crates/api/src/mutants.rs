//! The defences that running Schemathesis against the description shows to be there. See [`engine::mutants!`].

pub mod limits;

engine::mutants! {
    /// That an operation answers with a status that it describes.
    DescribedStatus,
    /// That an answer holds nothing but what is described.
    ClosedAnswer,
    /// That a parameter which can't be read is refused.
    StrictParameter,
    /// That it is the caller's mistake, and not ours.
    CallersMistake,
}
