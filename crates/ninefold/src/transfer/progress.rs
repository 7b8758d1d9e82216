//! How far it is, on a terminal: one line that is drawn again and again. Elsewhere nothing.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);
const WIDTH: usize = 24;

pub(crate) struct Progress {
    is_shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
            drawn: None,
        }
    }

    /// `share`: how much of the whole is done, from 0 to 1; `None` where the whole isn't known.
    pub(crate) fn show(&mut self, what: &str, share: Option<f64>, records: u64) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL);
        if self.is_shown && is_due {
            self.drawn = Some(Instant::now());
            // A terminal that has gone is no reason to stop.
            let _ = write!(io::stderr(), "\r\x1b[K{}", line(what, share, records));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, share: Option<f64>, records: u64) -> String {
    match share {
        None => format!("{what}  {records} records"),
        Some(share) => {
            let share = share.clamp(0.0, 1.0);
            let full = (share * WIDTH as f64) as usize;
            let (full, empty) = ("█".repeat(full), "░".repeat(WIDTH - full));
            format!("{what}  {full}{empty} {:3.0} %  {records} records", share * 100.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_or_a_count() {
        assert_eq!(line("reading", None, 3), "reading  3 records");
        let half = line("reading", Some(0.5), 3);
        assert_eq!(half, "reading  ████████████░░░░░░░░░░░░  50 %  3 records");
        assert!(line("reading", Some(7.0), 3).contains("100 %"));
    }
}
