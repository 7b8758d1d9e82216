//! The accounts' port, on MySQL and MariaDB.
//!
//! What changes identity's tables does so alone: these are few and short, and each belongs together with what it read.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::{
    Account, AccountStore, AccountStoreError, Administrator, NewSession, OneTimeToken, PasswordReset, Purpose, Rotated,
    Rotation, Session, SigningKey, Subject,
};
use engine::ports::store::StoreError;
use futures::future::BoxFuture;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::MySqlStore;
use super::session::MySqlSession;
use super::store::{ALONE, BEGIN};
use crate::accounts::{self, account_error};
use crate::pool::finish;

/// How long one of these calls may take. All are by key, and short.
const TIME_LIMIT: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, AccountStoreError>;
type Work<'s, T> = BoxFuture<'s, std::result::Result<T, StoreError>>;

impl MySqlStore {
    /// Reads by key.
    async fn look<T, F>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: for<'s> FnOnce(&'s mut MySqlSession<'_>, &'s Model) -> Work<'s, T> + Send,
    {
        let (deadline, model) = (Instant::now() + TIME_LIMIT, self.current());
        let mut lease = self.pool.lease(deadline).await.map_err(account_error)?;
        let mut session = MySqlSession::new(lease.connection_mut(), &model);
        let found = timeout_at(deadline.into(), work(&mut session, &model)).await;
        finish(found, lease).map_err(account_error)
    }

    /// Reads and writes in one transaction, while nobody else does.
    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: for<'s> FnOnce(&'s mut MySqlSession<'_>) -> Work<'s, T> + Send,
    {
        let (deadline, model) = (Instant::now() + TIME_LIMIT, self.current());
        let mut lease = self.pool.lease(deadline).await.map_err(account_error)?;
        let mut session = MySqlSession::new(lease.connection_mut(), &model);
        let changing = async {
            session.command(BEGIN).await?;
            session.command(ALONE).await?;
            let changed = work(&mut session).await;
            session.end(if changed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
            changed
        };
        let changed = timeout_at(deadline.into(), changing).await;
        finish(changed, lease).map_err(account_error)
    }
}

#[async_trait]
impl AccountStore for MySqlStore {
    async fn account(&self, id: Uuid) -> Result<Option<Account>> {
        self.look(move |session, model| Box::pin(async move { accounts::account(session, model, id).await }))
            .await
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.look(move |session, model| {
            Box::pin(async move { accounts::account_by_email(session, model, &email).await })
        })
        .await
    }

    async fn administrator(&self, id: Uuid) -> Result<Option<Administrator>> {
        self.look(move |session, _| Box::pin(async move { accounts::administrator(session, id).await }))
            .await
    }

    async fn administrator_by_email(&self, email: &str) -> Result<Option<Administrator>> {
        let email = email.to_owned();
        self.look(move |session, _| Box::pin(async move { accounts::administrator_by_email(session, &email).await }))
            .await
    }

    async fn create_administrator(&self, administrator: Administrator) -> Result<()> {
        let created = self.change(move |session| {
            Box::pin(async move { accounts::create_administrator(session, &administrator).await })
        });
        if created.await? {
            Ok(())
        } else {
            Err(AccountStoreError::EmailTaken)
        }
    }

    async fn first_administrator(&self) -> Result<Option<Administrator>> {
        self.look(move |session, _| Box::pin(async move { accounts::first_administrator(session).await }))
            .await
    }

    async fn set_password(&self, subject: Subject, hash: Secret<String>, keep: Option<Uuid>) -> Result<Vec<Uuid>> {
        self.change(move |session| Box::pin(async move { accounts::set_password(session, subject, &hash, keep).await }))
            .await
    }

    async fn rehash_password(&self, subject: Subject, from: Secret<String>, to: Secret<String>) -> Result<()> {
        self.change(move |session| {
            Box::pin(async move { accounts::rehash_password(session, subject, &from, &to).await })
        })
        .await
    }

    async fn start_session(&self, session: NewSession, proof: Option<Secret<String>>) -> Result<bool> {
        let new = session;
        self.change(move |session| {
            Box::pin(async move { accounts::start_session(session, &new, proof.as_ref()).await })
        })
        .await
    }

    async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<Session>> {
        self.look(move |session, _| Box::pin(async move { accounts::one_session(session, id, now).await }))
            .await
    }

    async fn sessions(&self, subject: Subject, now: Timestamp) -> Result<Vec<Session>> {
        self.look(move |session, _| Box::pin(async move { accounts::sessions(session, subject, now).await }))
            .await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.change(move |session| Box::pin(async move { accounts::rotate(session, &rotation).await }))
            .await
    }

    async fn end_session(&self, subject: Subject, id: Uuid) -> Result<bool> {
        self.change(move |session| Box::pin(async move { accounts::end_session(session, subject, id).await }))
            .await
    }

    async fn end_sessions(&self, subject: Subject, keep: Option<Uuid>) -> Result<Vec<Uuid>> {
        self.change(move |session| Box::pin(async move { accounts::end_sessions(session, subject, keep).await }))
            .await
    }

    async fn issue(&self, token: OneTimeToken) -> Result<()> {
        self.change(move |session| Box::pin(async move { accounts::issue(session, &token).await }))
            .await
    }

    async fn one_time_token(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>> {
        self.look(move |session, _| {
            Box::pin(async move { accounts::one_time_token(session, hash, purpose, now).await })
        })
        .await
    }

    async fn redeem(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>> {
        self.change(move |session| Box::pin(async move { accounts::redeem(session, hash, purpose, now).await }))
            .await
    }

    async fn reset_password(
        &self,
        token: [u8; 32],
        hash: Secret<String>,
        now: Timestamp,
    ) -> Result<Option<PasswordReset>> {
        self.change(move |session| Box::pin(async move { accounts::reset_password(session, token, &hash, now).await }))
            .await
    }

    async fn signing_keys(&self, now: Timestamp) -> Result<Vec<SigningKey>> {
        self.look(move |session, _| Box::pin(async move { accounts::signing_keys(session, now).await }))
            .await
    }

    async fn add_signing_key(&self, key: SigningKey) -> Result<()> {
        self.change(move |session| Box::pin(async move { accounts::add_signing_key(session, &key).await }))
            .await
    }

    async fn secret(&self, name: &str, candidate: Secret<[u8; 32]>) -> Result<Secret<[u8; 32]>> {
        let name = name.to_owned();
        self.change(move |session| Box::pin(async move { accounts::secret(session, &name, candidate).await }))
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        while self
            .change(move |session| Box::pin(async move { accounts::sweep(session, now).await }))
            .await?
        {}
        Ok(())
    }
}

#[cfg(test)]
mod tests;
