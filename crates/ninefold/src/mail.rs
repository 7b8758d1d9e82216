//! Mail where there is no mail server.

use async_trait::async_trait;
use engine::ports::mail::{Mail, MailError, Message};

/// The log is the mailbox: links and all, so for a developer's machine only.
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

/// Says that nothing can be sent. A log of a server is read by more people than a link to set a password is for.
#[derive(Debug, Default)]
pub(crate) struct NoMail;

#[async_trait]
impl Mail for NoMail {
    async fn send(&self, _: Message) -> Result<(), MailError> {
        Err(MailError("there is no mail server in this version".to_owned()))
    }
}
