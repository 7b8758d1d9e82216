//! The accounts' port, on SQLite.

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
use uuid::Uuid;

use super::SqliteStore;
use super::readers::Effort;
use super::session::SqliteSession;
use crate::accounts::{self, account_error};
use crate::session::at_once;

/// How long one of these calls may take. All are by key, and short.
const TIME_LIMIT: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, AccountStoreError>;

impl SqliteStore {
    /// Reads by key, here and now if there is a connection free. So `work` may run twice.
    async fn look<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut SqliteSession<'_>, &Model) -> std::result::Result<T, StoreError> + Send + 'static,
    {
        let (deadline, model) = (Instant::now() + TIME_LIMIT, self.shared.current());
        let inline = self.readers.try_inline(Effort::Point, deadline, |connection| {
            at_once(work(&mut SqliteSession::reading(connection, &model), &model))
        });
        let found = match inline {
            Some(found) => found,
            None => {
                let job = move |connection: &rusqlite::Connection| {
                    at_once(work(&mut SqliteSession::reading(connection, &model), &model))
                };
                self.readers.run(deadline, job).await
            }
        };
        found.map_err(account_error)
    }

    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut SqliteSession<'_>) -> std::result::Result<T, StoreError> + Send + 'static,
    {
        let (deadline, model) = (Instant::now() + TIME_LIMIT, self.shared.current());
        let written = self.writer.run_then(
            deadline,
            move |timed| at_once(work(&mut SqliteSession::writing(timed, deadline, &model))),
            |written| written,
        );
        written.await.map_err(account_error)
    }
}

#[async_trait]
impl AccountStore for SqliteStore {
    async fn account(&self, id: Uuid) -> Result<Option<Account>> {
        self.look(async move |session, model| accounts::account(session, model, id).await)
            .await
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.look(async move |session, model| accounts::account_by_email(session, model, &email).await)
            .await
    }

    async fn administrator(&self, id: Uuid) -> Result<Option<Administrator>> {
        self.look(async move |session, _| accounts::administrator(session, id).await)
            .await
    }

    async fn administrator_by_email(&self, email: &str) -> Result<Option<Administrator>> {
        let email = email.to_owned();
        self.look(async move |session, _| accounts::administrator_by_email(session, &email).await)
            .await
    }

    async fn create_administrator(&self, administrator: Administrator) -> Result<()> {
        let created = self.change(async move |session| accounts::create_administrator(session, &administrator).await);
        if created.await? {
            Ok(())
        } else {
            Err(AccountStoreError::EmailTaken)
        }
    }

    async fn first_administrator(&self) -> Result<Option<Administrator>> {
        self.look(async move |session, _| accounts::first_administrator(session).await)
            .await
    }

    async fn set_password(&self, subject: Subject, hash: Secret<String>, keep: Option<Uuid>) -> Result<Vec<Uuid>> {
        self.change(async move |session| accounts::set_password(session, subject, &hash, keep).await)
            .await
    }

    async fn rehash_password(&self, subject: Subject, from: Secret<String>, to: Secret<String>) -> Result<()> {
        self.change(async move |session| accounts::rehash_password(session, subject, &from, &to).await)
            .await
    }

    async fn start_session(&self, session: NewSession, proof: Option<Secret<String>>) -> Result<bool> {
        let new = session;
        self.change(async move |session| accounts::start_session(session, &new, proof.as_ref()).await)
            .await
    }

    async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<Session>> {
        self.look(async move |session, _| accounts::one_session(session, id, now).await)
            .await
    }

    async fn sessions(&self, subject: Subject, now: Timestamp) -> Result<Vec<Session>> {
        self.look(async move |session, _| accounts::sessions(session, subject, now).await)
            .await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.change(async move |session| accounts::rotate(session, &rotation).await)
            .await
    }

    async fn end_session(&self, subject: Subject, id: Uuid) -> Result<bool> {
        self.change(async move |session| accounts::end_session(session, subject, id).await)
            .await
    }

    async fn end_sessions(&self, subject: Subject, keep: Option<Uuid>) -> Result<Vec<Uuid>> {
        self.change(async move |session| accounts::end_sessions(session, subject, keep).await)
            .await
    }

    async fn issue(&self, token: OneTimeToken) -> Result<()> {
        self.change(async move |session| accounts::issue(session, &token).await)
            .await
    }

    async fn one_time_token(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>> {
        self.look(async move |session, _| accounts::one_time_token(session, hash, purpose, now).await)
            .await
    }

    async fn redeem(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>> {
        self.change(async move |session| accounts::redeem(session, hash, purpose, now).await)
            .await
    }

    async fn reset_password(
        &self,
        token: [u8; 32],
        hash: Secret<String>,
        now: Timestamp,
    ) -> Result<Option<PasswordReset>> {
        self.change(async move |session| accounts::reset_password(session, token, &hash, now).await)
            .await
    }

    async fn signing_keys(&self, now: Timestamp) -> Result<Vec<SigningKey>> {
        self.look(async move |session, _| accounts::signing_keys(session, now).await)
            .await
    }

    async fn add_signing_key(&self, key: SigningKey) -> Result<()> {
        self.change(async move |session| accounts::add_signing_key(session, &key).await)
            .await
    }

    async fn secret(&self, name: &str, candidate: Secret<[u8; 32]>) -> Result<Secret<[u8; 32]>> {
        let name = name.to_owned();
        self.change(async move |session| accounts::secret(session, &name, candidate).await)
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        while self
            .change(async move |session| accounts::sweep(session, now).await)
            .await?
        {}
        Ok(())
    }
}

#[cfg(test)]
mod tests;
