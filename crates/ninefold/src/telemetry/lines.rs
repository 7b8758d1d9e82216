//! Log lines on their way to stderr, many in one write.
//!
//! A write per line would cost a busy server more than most of its requests do. So lines gather for some milliseconds
//! and leave together; what warns, or worse, leaves at once with all that came before it. When more gathers than the
//! buffer holds, whoever logs writes it out himself: lines wait for a slow reader, and none is lost.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const PATIENCE: Duration = Duration::from_millis(20);
const BUFFER_BYTES_MAX: usize = 256 * 1024;

/// Cheap to clone; all clones share one buffer.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    gathered: Mutex<Vec<u8>>,
    arrived: Condvar,
    /// Held while writing, so that lines stay in their order.
    out: Mutex<Box<dyn Write + Send>>,
}

impl Lines {
    /// Starts the thread that writes, which lives as long as the process.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared {
            gathered: Mutex::default(),
            arrived: Condvar::new(),
            out: Mutex::new(Box::new(out)),
        }));
        let writing = lines.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.serve())?;
        Ok(lines)
    }

    fn serve(&self) {
        loop {
            let mut gathered = self.gathered();
            while gathered.is_empty() {
                gathered = self.0.arrived.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            }
            drop(gathered);
            std::thread::sleep(PATIENCE);
            self.flush();
        }
    }

    /// Writes out all that has gathered.
    pub(super) fn flush(&self) {
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut *self.gathered());
        // Nobody could be told that nobody can be told.
        let _ = out.write_all(&lines).and_then(|()| out.flush());
    }

    fn gathered(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the formatter puts one event.
pub(super) struct Line<'l> {
    lines: &'l Lines,
    at_once: bool,
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line {
            lines: self,
            at_once: true,
        }
    }

    fn make_writer_for(&'l self, about: &Metadata<'_>) -> Line<'l> {
        Line {
            lines: self,
            at_once: *about.level() <= Level::WARN,
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut gathered = self.lines.gathered();
        let was_empty = gathered.is_empty();
        gathered.extend_from_slice(bytes);
        let is_full = gathered.len() > BUFFER_BYTES_MAX;
        drop(gathered);
        if self.at_once || is_full {
            self.lines.flush();
        } else if was_empty {
            self.lines.0.arrived.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn subscriber(lines: Lines) -> impl tracing::Subscriber {
        tracing_subscriber::fmt().json().with_writer(lines).finish()
    }

    #[test]
    fn what_warns_leaves_at_once_behind_what_came_before() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        tracing::subscriber::with_default(subscriber(lines), || {
            tracing::info!("first");
            tracing::warn!("second");
        });
        let text = sink.text();
        let (first, second) = (text.find("first").unwrap(), text.find("second").unwrap());
        assert!(first < second, "{text}");
    }

    #[test]
    fn nothing_is_lost_under_a_flood() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = lines.clone();
                scope.spawn(move || {
                    tracing::subscriber::with_default(subscriber(lines), || {
                        for number in 0..2_000 {
                            tracing::info!(thread, number, "a line");
                        }
                    });
                });
            }
        });
        lines.flush();
        let text = sink.text();
        assert_eq!(text.lines().count(), 8_000);
        assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    }

    #[test]
    fn a_lone_line_leaves_by_itself() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        tracing::subscriber::with_default(subscriber(lines), || tracing::info!("alone"));
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        while !sink.text().contains("alone") {
            assert!(std::time::Instant::now() < patience, "the line never left");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
