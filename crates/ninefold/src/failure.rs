//! Why a command ended without doing what it was asked: one clear sentence, and what to do about it.

use std::fmt;
use std::process::ExitCode;

use engine::ErrorCode;

/// Whose turn it is now; the exit code says it to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The application or the request has a mistake in it: exit code 1.
    Mistake,
    /// The command was called in a way that it doesn't know: exit code 2.
    Usage,
    /// The machine or a server is not as it has to be: exit code 3.
    Environment,
}

impl Blame {
    fn code(self) -> u8 {
        match self {
            Self::Mistake => 1,
            Self::Usage => 2,
            Self::Environment => 3,
        }
    }
}

/// What went wrong, for people.
#[derive(Debug)]
pub struct Failure {
    pub blame: Blame,
    /// One sentence, lower case.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What is shown before it: rendered diagnostics.
    pub details: Option<String>,
}

impl Failure {
    pub fn mistake(message: impl Into<String>) -> Self {
        Self::new(Blame::Mistake, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Blame::Usage, message)
    }

    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Blame::Environment, message)
    }

    /// What the engine reports when it is the machine or the database that failed, with all that lies behind it.
    pub(crate) fn database(error: &engine::Error) -> Self {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        let mut chain = Vec::new();
        while let Some(error) = cause {
            chain.push(error.to_string());
            cause = error.source();
        }
        Self::environment(format!("the database failed: {}", chain.join(": ")))
    }

    /// What the engine answers to an operator.
    pub(crate) fn engine(error: &engine::Error) -> Self {
        match error.code {
            ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::Timeout => Self::database(error),
            _ => Self::mistake(error.message.clone()),
        }
    }

    fn new(blame: Blame, message: impl Into<String>) -> Self {
        Self {
            blame,
            message: message.into(),
            help: None,
            details: None,
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.blame.code())
    }
}

/// Details, sentence and help, as the command line prints them.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(details) = &self.details {
            writeln!(f, "{}\n", details.trim_end())?;
        }
        write!(f, "error: {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
