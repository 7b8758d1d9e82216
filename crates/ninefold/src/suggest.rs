//! "Did you mean": the known name nearest to one that isn't.

/// `did you mean …?`, if some known name is near enough that a slip is likely.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let nearest = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min()?;
    // A third of the letters may be wrong: `lisen` is a slip for `listen`, `port` is not.
    (nearest.0 * 3 <= name.chars().count()).then(|| format!("did you mean `{}`?", nearest.1))
}
