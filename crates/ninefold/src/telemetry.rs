//! What the server says about itself: one subscriber, on stderr, pretty for eyes or JSON for machines.

mod lines;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::lines::Lines;
use crate::config::{Log, LogFormat};

/// The buffer of the process's log, if it has one.
static BUFFER: OnceLock<Lines> = OnceLock::new();

/// Starts logging for the whole process; the first call counts.
///
/// `automatic` is what [`LogFormat::Auto`] means for this command.
pub(crate) fn start(log: &Log, automatic: LogFormat) {
    let filter: Targets = log.level.parse().expect("the configuration was validated");
    let format = match log.format {
        LogFormat::Auto => automatic,
        chosen => chosen,
    };
    let layer = match format {
        LogFormat::Json => {
            let json = fmt::layer().json().flatten_event(true).with_current_span(false);
            match Lines::start(io::stderr()) {
                Ok(lines) => json.with_writer(BUFFER.get_or_init(|| lines).clone()).boxed(),
                Err(_) => json.with_writer(io::stderr).boxed(),
            }
        }
        LogFormat::Auto | LogFormat::Pretty => fmt::layer()
            .compact()
            .with_target(false)
            .with_ansi(coloured())
            .with_writer(io::stderr)
            .boxed(),
    };
    // A second call happens only where an embedding program has a subscriber of its own, which then stays.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
}

/// Writes out what the log still holds back. To be called before the process ends.
pub(crate) fn flush() {
    if let Some(lines) = BUFFER.get() {
        lines.flush();
    }
}

/// Whether stderr is a terminal whose user likes colours (<https://no-color.org>).
pub(crate) fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
