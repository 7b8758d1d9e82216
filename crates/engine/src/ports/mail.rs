//! Sending mail.

use async_trait::async_trait;

#[derive(Debug, Clone)]
pub struct Message {
    pub to: String,
    pub subject: String,
    /// Plain text.
    pub body: String,
}

#[derive(Debug, thiserror::Error)]
#[error("mail can't be handed over: {0}")]
pub struct MailError(pub String);

#[async_trait]
pub trait Mail: Send + Sync {
    async fn send(&self, message: Message) -> Result<(), MailError>;
}
