//! SIGTERM and SIGINT: the first asks for a clean end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Cancelled by the first signal.
pub(super) fn stop_token() -> Result<CancellationToken, Failure> {
    let unavailable = |error| Failure::environment(format!("signals can't be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        for round in 0.. {
            let code = tokio::select! {
                Some(()) = terminate.recv() => 143,
                Some(()) = interrupt.recv() => 130,
                else => return,
            };
            if round > 0 {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(code);
            }
            tracing::info!("stopping: what has begun is finished first; a second signal ends at once");
            token.cancel();
        }
    });
    Ok(stop)
}
