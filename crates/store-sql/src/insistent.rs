//! Work that goes on when who waits for it doesn't.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A commit that nobody waits for any more would otherwise end in the middle, and nobody would know what came of it. It
/// becomes a task of its own only then: as one from the start it would cost each write a way to another thread and back.
pub(crate) struct Insistent<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> Insistent<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Insistent<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let work = self.0.as_mut().expect("it is not polled after its end");
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Insistent<T> {
    fn drop(&mut self) {
        // What has panicked can't go on.
        if std::thread::panicking() {
            return;
        }
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_comes_to_its_end() {
        let (going, told) = (Arc::new(Notify::new()), oneshot::channel());
        let (goes, (tell, told)) = (Arc::clone(&going), told);
        let mut work = Insistent::new(async move {
            goes.notified().await;
            let _ = tell.send(7);
        });
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        going.notify_one();
        assert_eq!(told.await, Ok(7));
    }

    #[tokio::test]
    async fn who_waits_gets_what_came_of_it() {
        assert_eq!(Insistent::new(async { 7 }).await, 7);
    }
}
