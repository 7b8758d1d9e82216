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
        self.draw(|| match share {
            None => format!("{what}  {records} records"),
            Some(share) => format!("{}  {records} records", bar(what, share)),
        });
    }

    /// The same, of what isn't made of records.
    pub(crate) fn show_share(&mut self, what: &str, share: Option<f64>) {
        self.draw(|| match share {
            None => what.to_owned(),
            Some(share) => bar(what, share),
        });
    }

    fn draw(&mut self, line: impl FnOnce() -> String) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL);
        if self.is_shown && is_due {
            self.drawn = Some(Instant::now());
            // A terminal that has gone is no reason to stop.
            let _ = write!(io::stderr(), "\r\x1b[K{}", line());
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Also where the work ends by a failure.
impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(what: &str, share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let full = (share * WIDTH as f64) as usize;
    let (full, empty) = ("█".repeat(full), "░".repeat(WIDTH - full));
    format!("{what}  {full}{empty} {:3.0} %", share * 100.0)
}

/// `12.3 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut size = count as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < units.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar() {
        assert_eq!(bar("reading", 0.5), "reading  ████████████░░░░░░░░░░░░  50 %");
        assert!(bar("reading", 7.0).contains("100 %"));
    }

    #[test]
    fn sizes() {
        let sizes = [0, 999_949, 999_950, 4_000_000_000_000_000].map(bytes);
        assert_eq!(sizes, ["0.0 kB", "999.9 kB", "1.0 MB", "4000.0 TB"]);
    }
}
