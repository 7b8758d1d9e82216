//! What `cargo xtask bench` was asked for.

use anyhow::{Context, Result, bail, ensure};

use super::cases::Case;

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: usize,
    /// Of one measured run.
    pub(crate) seconds: u32,
    /// In each of the three large collections.
    pub(crate) records: usize,
    /// On PostgreSQL, beside other peers.
    pub(crate) postgres: bool,
    pub(crate) big: bool,
    pub(crate) cold_build: bool,
    /// All cases were asked for, so the results are kept.
    pub(crate) is_whole: bool,
}

/// Enough for every category to fill a page that a rule has thinned out.
const RECORDS_MIN: usize = 20_000;

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            cases: Vec::new(),
            rounds: 3,
            seconds: 8,
            records: 100_000,
            postgres: false,
            big: false,
            cold_build: false,
            is_whole: false,
        };
        let mut rest = arguments.iter().copied();
        while let Some(argument) = rest.next() {
            let mut number = || {
                let value = rest.next().with_context(|| format!("{argument} needs a number"))?;
                let number = value
                    .parse()
                    .with_context(|| format!("{argument} needs a number, not `{value}`"))?;
                ensure!(number > 0_u32, "{argument} must be at least 1");
                Ok(number)
            };
            match argument {
                "--rounds" => options.rounds = number()? as usize,
                "--seconds" => options.seconds = number()?,
                "--records" => options.records = number()? as usize,
                "--postgres" => options.postgres = true,
                "--big" => options.big = true,
                "--cold-build" => options.cold_build = true,
                name => options.cases.push(case(name)?),
            }
        }
        ensure!(
            options.records >= RECORDS_MIN,
            "--records must be at least {RECORDS_MIN}: below it a list under a rule can't fill its page"
        );
        ensure!(
            !(options.postgres && (options.big || options.cold_build)),
            "--big and --cold-build don't go with --postgres"
        );
        if options.cases.is_empty() {
            options.is_whole = true;
            let wanted = |case: &Case| options.big || !case.is_apart();
            options.cases = Case::ALL.into_iter().filter(wanted).collect();
        }
        Ok(options)
    }
}

fn case(name: &str) -> Result<Case> {
    match Case::ALL.into_iter().find(|case| case.name() == name) {
        Some(case) => Ok(case),
        None => {
            let known: Vec<_> = Case::ALL.iter().map(|case| case.name()).collect();
            bail!("`{name}` is no case; known are {}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cases_unless_some_are_named() {
        let options = Options::parse(&["--rounds", "5"]).unwrap();
        assert_eq!((options.rounds, options.is_whole), (5, true));
        assert!(!options.cases.contains(&Case::ListRare));
        assert!(Options::parse(&["--big"]).unwrap().cases.contains(&Case::ListRare));
        let options = Options::parse(&["get", "sign-in", "--seconds", "2"]).unwrap();
        assert_eq!(options.cases, [Case::Get, Case::SignIn]);
        assert_eq!((options.seconds, options.is_whole), (2, false));
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |arguments: &[&str]| Options::parse(arguments).unwrap_err().to_string();
        assert!(error(&["got"]).contains("known are get, get-auth"));
        assert!(error(&["--rounds"]).contains("needs a number"));
        assert!(error(&["--rounds", "0"]).contains("at least 1"));
        assert!(error(&["--records", "10"]).contains("at least 20000"));
        assert!(error(&["--postgres", "--big"]).contains("don't go with"));
    }
}
