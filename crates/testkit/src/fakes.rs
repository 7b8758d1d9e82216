//! Time that stands still, and a mailbox to look into.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::model::Timestamp;
use engine::ports::clock::Clock;
use engine::ports::mail::{Mail, MailError, Message};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use uuid::Uuid;

/// How long a mail may take that is waited for, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// Moves when it is told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn starting_at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).expect("a test's duration is short");
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Keeps every mail until it is taken.
#[derive(Debug)]
pub struct Outbox {
    sent: mpsc::UnboundedSender<Message>,
    waiting: Mutex<mpsc::UnboundedReceiver<Message>>,
}

impl Default for Outbox {
    fn default() -> Self {
        let (sent, waiting) = mpsc::unbounded_channel();
        let waiting = Mutex::new(waiting);
        Self { sent, waiting }
    }
}

impl Outbox {
    /// The next mail, once it has been sent.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&self) -> Message {
        let mut waiting = self.waiting.lock().await;
        let message = timeout(PATIENCE, waiting.recv()).await;
        message.expect("a mail in time").expect("the outbox is its own sender")
    }

    /// Whether all mails have been taken.
    pub async fn is_empty(&self) -> bool {
        self.waiting.lock().await.is_empty()
    }
}

#[async_trait]
impl Mail for Outbox {
    async fn send(&self, message: Message) -> Result<(), MailError> {
        self.sent
            .send(message)
            .map_err(|_| MailError("the outbox is gone".to_owned()))
    }
}
