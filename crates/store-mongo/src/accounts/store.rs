//! The accounts' port, on MongoDB.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::{
    Account, AccountStore, AccountStoreError, Administrator, NewSession, OneTimeToken, PasswordReset, Purpose, Rotated,
    Rotation, Session as SignedIn, SigningKey, Subject,
};
use engine::ports::store::StoreError;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{account, account_error, credential, key, session as sessions, token};
use crate::open::MongoStore;
use crate::session::Session;
use crate::system;
use crate::transaction::Work;

/// How long one of these calls may take. All are by key, and short.
const TIME_LIMIT: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, AccountStoreError>;
type Answer<'s, T> = BoxFuture<'s, std::result::Result<T, StoreError>>;

/// What may be done several times over.
struct Change<F>(F);

impl<T: Send, F> Work for Change<F>
where
    F: for<'s> Fn(&'s mut Session<'_>) -> Answer<'s, T> + Send + Sync,
{
    type Done = T;

    const COUNTER: &'static str = system::ACCOUNTS;

    async fn run(&self, session: &mut Session<'_>) -> std::result::Result<T, StoreError> {
        self.0(session).await
    }

    fn counts(_: &T) -> bool {
        true
    }
}

impl MongoStore {
    /// On one state of the database.
    async fn look<T: Send>(
        &self,
        work: impl for<'s> Fn(&'s mut Session<'_>) -> Answer<'s, T> + Send + Sync,
    ) -> Result<T> {
        let looked = async {
            self.shared.check_open()?;
            let (deadline, model) = (Instant::now() + TIME_LIMIT, self.shared.current());
            self.shared.snapshot(&model, deadline, &Change(work)).await
        };
        looked.await.map_err(account_error)
    }

    async fn change<T: Send>(
        &self,
        work: impl for<'s> Fn(&'s mut Session<'_>) -> Answer<'s, T> + Send + Sync,
    ) -> Result<T> {
        let deadline = Instant::now() + TIME_LIMIT;
        let model = || Ok(self.shared.current());
        let changed = self.shared.write(model, deadline, Change(work), |done, _| done);
        changed.await.map_err(account_error)
    }
}

#[async_trait]
impl AccountStore for MongoStore {
    async fn account(&self, id: Uuid) -> Result<Option<Account>> {
        self.look(move |session| Box::pin(async move { account::account(session, id).await }))
            .await
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.look(move |session| {
            let email = email.clone();
            Box::pin(async move { account::account_by_email(session, &email).await })
        })
        .await
    }

    async fn administrator(&self, id: Uuid) -> Result<Option<Administrator>> {
        self.look(move |session| Box::pin(async move { account::administrator(session, id).await }))
            .await
    }

    async fn administrator_by_email(&self, email: &str) -> Result<Option<Administrator>> {
        let email = email.to_owned();
        self.look(move |session| {
            let email = email.clone();
            Box::pin(async move { account::administrator_by_email(session, &email).await })
        })
        .await
    }

    async fn create_administrator(&self, administrator: Administrator) -> Result<()> {
        let created = self
            .change(move |session| {
                let administrator = administrator.clone();
                Box::pin(async move { account::create_administrator(session, &administrator).await })
            })
            .await;
        if created? {
            Ok(())
        } else {
            Err(AccountStoreError::EmailTaken)
        }
    }

    async fn first_administrator(&self) -> Result<Option<Administrator>> {
        self.look(move |session| Box::pin(async move { account::first_administrator(session).await }))
            .await
    }

    async fn set_password(&self, subject: Subject, hash: Secret<String>, keep: Option<Uuid>) -> Result<Vec<Uuid>> {
        self.change(move |session| {
            let hash = hash.clone();
            Box::pin(async move { credential::set_password(session, subject, &hash, keep).await })
        })
        .await
    }

    async fn rehash_password(&self, subject: Subject, from: Secret<String>, to: Secret<String>) -> Result<()> {
        self.change(move |session| {
            let from = from.clone();
            let to = to.clone();
            Box::pin(async move { credential::rehash_password(session, subject, &from, &to).await })
        })
        .await
    }

    async fn start_session(&self, new: NewSession, proof: Option<Secret<String>>) -> Result<bool> {
        self.change(move |session| {
            let new = new.clone();
            let proof = proof.clone();
            Box::pin(async move { sessions::start_session(session, &new, proof.as_ref()).await })
        })
        .await
    }

    async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<SignedIn>> {
        self.look(move |session| Box::pin(async move { sessions::one_session(session, id, now).await }))
            .await
    }

    async fn sessions(&self, subject: Subject, now: Timestamp) -> Result<Vec<SignedIn>> {
        self.look(move |session| Box::pin(async move { sessions::sessions(session, subject, now).await }))
            .await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.change(move |session| Box::pin(async move { sessions::rotate(session, &rotation).await }))
            .await
    }

    async fn end_session(&self, subject: Subject, id: Uuid) -> Result<bool> {
        self.change(move |session| Box::pin(async move { sessions::end_session(session, subject, id).await }))
            .await
    }

    async fn end_sessions(&self, subject: Subject, keep: Option<Uuid>) -> Result<Vec<Uuid>> {
        self.change(move |session| Box::pin(async move { sessions::end_sessions(session, subject, keep).await }))
            .await
    }

    async fn issue(&self, token: OneTimeToken) -> Result<()> {
        self.change(move |session| {
            let token = token.clone();
            Box::pin(async move { token::issue(session, &token).await })
        })
        .await
    }

    async fn one_time_token(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>> {
        self.look(move |session| Box::pin(async move { token::one_time_token(session, hash, purpose, now).await }))
            .await
    }

    async fn redeem(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>> {
        self.change(move |session| Box::pin(async move { token::redeem(session, hash, purpose, now).await }))
            .await
    }

    async fn reset_password(
        &self,
        token: [u8; 32],
        hash: Secret<String>,
        now: Timestamp,
    ) -> Result<Option<PasswordReset>> {
        self.change(move |session| {
            let hash = hash.clone();
            Box::pin(async move { credential::reset_password(session, token, &hash, now).await })
        })
        .await
    }

    async fn signing_keys(&self, now: Timestamp) -> Result<Vec<SigningKey>> {
        self.look(move |session| Box::pin(async move { key::signing_keys(session, now).await }))
            .await
    }

    async fn add_signing_key(&self, new: SigningKey) -> Result<()> {
        self.change(move |session| {
            let new = new.clone();
            Box::pin(async move { key::add_signing_key(session, &new).await })
        })
        .await
    }

    async fn secret(&self, name: &str, candidate: Secret<[u8; 32]>) -> Result<Secret<[u8; 32]>> {
        let name = name.to_owned();
        self.change(move |session| {
            let name = name.clone();
            let candidate = candidate.clone();
            Box::pin(async move { key::secret(session, &name, &candidate).await })
        })
        .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        while self
            .change(move |session| Box::pin(async move { super::sweep(session, now).await }))
            .await?
        {}
        Ok(())
    }
}
