//! The defences of the binary's own: what fuzzing and the hostile tests show to be there. See [`engine::mutants!`].

engine::mutants! {
    /// The depth of JSON in a file.
    FileDepth,
    /// That of a file that is imported no more than a part is in memory.
    ImportInParts,
    /// The same of an export.
    ExportInParts,
    /// How many headers a request may have.
    HeaderCount,
    /// That a header which is none is refused, not passed over.
    HeaderForm,
    /// That who closes the half that it sends on is taken to be gone.
    HalfClose,
    /// That the limit of open files is raised to what connections need.
    OpenFiles,
}

/// The readers of files, for fuzzing: each takes any bytes, and panics where a promise is broken.
pub mod fuzz {
    use crate::transfer::Format;
    use crate::transfer::read::fuzz::run;

    /// The names of the targets, which are those of their folders in the corpus.
    pub const TARGETS: [&str; 3] = ["csv", "json", "ndjson"];

    /// # Panics
    /// Where a promise is broken.
    pub fn csv(input: &[u8]) {
        run(Format::Csv, input);
    }

    /// # Panics
    /// Where a promise is broken.
    pub fn json(input: &[u8]) {
        run(Format::Json, input);
    }

    /// # Panics
    /// Where a promise is broken.
    pub fn ndjson(input: &[u8]) {
        run(Format::Ndjson, input);
    }
}
