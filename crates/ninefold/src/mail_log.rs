//! Mail for development: the log is the mailbox.

use async_trait::async_trait;
use engine::ports::mail::{Mail, MailError, Message};

/// Writes each mail to the log, links and all; so it is for a developer's machine only.
#[derive(Debug, Default)]
pub(crate) struct LogMail;

#[async_trait]
impl Mail for LogMail {
    async fn send(&self, message: Message) -> Result<(), MailError> {
        let Message { to, subject, body } = message;
        tracing::info!("mail to {to}: {subject}\n{body}");
        Ok(())
    }
}
