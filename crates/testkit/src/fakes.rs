//! Time that stands still, a mailbox to look into, and an archive to cut off.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::model::Timestamp;
use engine::ports::archive::{Archive, ArchiveError};
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

/// An archive in memory, which can be cut off.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    kept: std::sync::Mutex<BTreeMap<String, Vec<u8>>>,
    is_cut_off: AtomicBool,
}

impl MemoryArchive {
    pub fn cut_off(&self, is_cut_off: bool) {
        self.is_cut_off.store(is_cut_off, Ordering::SeqCst);
    }

    /// All that is kept, to be looked at and changed.
    ///
    /// # Panics
    /// When another thread did.
    pub fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.kept.lock().expect("nobody panics while holding it")
    }

    fn reached(&self) -> Result<(), ArchiveError> {
        match self.is_cut_off.load(Ordering::SeqCst) {
            true => Err(ArchiveError("the archive is cut off".to_owned())),
            false => Ok(()),
        }
    }
}

impl Archive for MemoryArchive {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn put(&self, name: &str, mut file: &File) -> Result<(), ArchiveError> {
        self.reached()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| ArchiveError(error.to_string()))?;
        self.kept().insert(name.to_owned(), bytes);
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Box<dyn Read>>, ArchiveError> {
        self.reached()?;
        let found = self.kept().get(name).cloned();
        Ok(found.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ArchiveError> {
        self.reached()?;
        let kept = self.kept();
        Ok(kept.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        self.reached()?;
        self.kept().remove(name);
        Ok(())
    }
}
