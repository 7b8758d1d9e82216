//! Identity on a real database, with a clock that the test holds and a mailbox that it can look into.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::access::Principal;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::operations::{Action, Ctx, Data, Precondition, Reads, Step, WriteOptions};
use engine::ports::Secret;
use engine::ports::accounts::AccountStore;
use engine::ports::migrator::{self, Migrator};
use engine::ports::store::Store;
use engine::{Engine, Error, Limits, Model};
use identity::{Config, Identity, SignIn, SignUp, SignedIn, SignedUp, Who};
use serde_json::{Value as Json, json};
use store_sql::{Location, SqliteOptions, SqliteStore};
use tempfile::TempDir;
use testkit::fakes::{ManualClock, Outbox};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null", update: "record.id == auth.id") {
  name: String
}"#;
pub(super) const PASSWORD: &str = "correct horse battery";
const NOW: Timestamp = Timestamp(1_750_000_000_000);

pub(super) struct House {
    pub(super) identity: Arc<Identity>,
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) outbox: Arc<Outbox>,
    store: Arc<SqliteStore>,
    stop: CancellationToken,
    background: JoinHandle<()>,
    folder: TempDir,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(SCHEMA, |_| ()).await
    }

    /// Hashes are cheap unless `change` makes them dear.
    pub(super) async fn with(schema: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        let model = Model::read(schema, "schema.graphql").expect("a schema without mistakes");
        let store = SqliteStore::open(&Location::File(path), &SqliteOptions::default()).expect("a new database");
        let no_files = Folder::of([]).expect("no files");
        store
            .apply(&model, &no_files, migrator::Options::dev(NOW))
            .await
            .expect("built");
        let clock = ManualClock::starting_at(NOW);
        Self::on(Arc::new(store), Arc::new(model), Arc::new(clock), folder, change).await
    }

    async fn on(
        store: Arc<SqliteStore>,
        model: Arc<Model>,
        clock: Arc<ManualClock>,
        folder: TempDir,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        store.adopt(model.clone());
        let engine = Arc::new(Engine::new(engine::Parts {
            model,
            store: store.clone(),
            clock: clock.clone(),
            limits: Limits::default(),
            cursor_key: [0; 32],
            slow_query: None,
        }));
        let mut config = Config::default();
        config.password.memory_kib = 8;
        config.password.passes = 1;
        change(&mut config);
        let outbox = Arc::new(Outbox::default());
        let parts = identity::Parts {
            accounts: store.clone(),
            engine: engine.clone(),
            clock: clock.clone(),
            mail: outbox.clone(),
            config,
        };
        let (identity, background) = Identity::open(parts).await.expect("opened");
        let stop = CancellationToken::new();
        let background = tokio::spawn(background.run(stop.clone().cancelled_owned()));
        Self {
            identity,
            engine,
            clock,
            outbox,
            store,
            stop,
            background,
            folder,
        }
    }

    /// The same database under another configuration.
    pub(super) async fn reconfigured(self, change: impl FnOnce(&mut Config)) -> Self {
        self.stop.cancel();
        self.background.await.expect("no panic");
        Self::on(self.store, self.engine.model(), self.clock, self.folder, change).await
    }

    pub(super) async fn stored_hash(&self, name: &str) -> String {
        let account = self.store.account_by_email(&email(name)).await.expect("found");
        let hash = account.and_then(|account| account.password);
        hash.expect("an account with a password").expose().clone()
    }

    /// All mail has been made by then.
    pub(super) async fn close(self) -> Arc<Outbox> {
        self.stop.cancel();
        self.background.await.expect("no panic");
        self.store.close().await;
        self.outbox
    }

    /// Signs somebody new up.
    pub(super) async fn sign_up(&self, name: &str) -> Person {
        let signed_up = self.try_sign_up(&email(name), json!({})).await.expect("signed up");
        let SignedUp::SignedIn(signed_in) = signed_up else {
            panic!("signed up without tokens: {signed_up:?}");
        };
        Person::of(&signed_in)
    }

    pub(super) async fn try_sign_up(&self, email: &str, data: Json) -> Result<SignedUp, Error> {
        self.sign_up_by(&visitor(), email, None, data).await
    }

    pub(super) async fn sign_up_by(
        &self,
        ctx: &Ctx,
        email: &str,
        invitation: Option<&str>,
        data: Json,
    ) -> Result<SignedUp, Error> {
        let data: Data = data.as_object().expect("an object").clone();
        let request = SignUp {
            email: email.to_owned(),
            password: secret(PASSWORD),
            invitation: invitation.map(str::to_owned),
            data,
            user_agent: None,
        };
        self.identity.sign_up(ctx, request).await
    }

    pub(super) async fn sign_in(&self, email: &str, password: &str) -> Result<Person, Error> {
        self.sign_in_from("192.0.2.1", email, password).await
    }

    pub(super) async fn sign_in_from(&self, address: &str, email: &str, password: &str) -> Result<Person, Error> {
        let ctx = Ctx {
            address: Some(address.parse().expect("an address")),
            ..visitor()
        };
        let request = SignIn {
            email: email.to_owned(),
            password: secret(password),
            user_agent: Some("a browser".to_owned()),
        };
        let signed_in = self.identity.sign_in(&ctx, request).await?;
        Ok(Person::of(&signed_in))
    }

    pub(super) async fn refresh(&self, token: &str) -> Result<Person, Error> {
        let signed_in = self.identity.refresh(&visitor(), token).await?;
        Ok(Person::of(&signed_in))
    }

    /// The principal that the access token stands for, or why it doesn't.
    pub(super) async fn authenticate(&self, person: &Person) -> Result<Principal, Error> {
        self.identity.authenticate(Some(&person.access_token)).await
    }

    pub(super) async fn sessions(&self, person: &Person) -> usize {
        let caller = self.identity.caller(&person.access_token).await.expect("signed in");
        self.identity.sessions(&caller).await.expect("listed").len()
    }

    /// A write by an administrator.
    pub(super) async fn administer(&self, action: Action) -> Result<(), Error> {
        let ctx = Ctx {
            principal: Principal::Administrator { id: Uuid::nil() },
            ..visitor()
        };
        let step = Step {
            action,
            collection: "users".to_owned(),
            precondition: Precondition::None,
            alias: None,
        };
        let written = self.engine.write(&ctx, vec![step], &WriteOptions::default()).await;
        written.map(|_| ())
    }

    pub(super) async fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) access_token: String,
    pub(super) refresh_token: String,
}

impl Person {
    pub(super) fn of(signed_in: &SignedIn) -> Self {
        let (Who::User { id, .. } | Who::Administrator { id, .. }) = &signed_in.who;
        Self {
            id: *id,
            access_token: signed_in.access_token.expose().clone(),
            refresh_token: signed_in.refresh_token.expose().clone(),
        }
    }
}

pub(super) fn email(name: &str) -> String {
    format!("{name}@example.org")
}

pub(super) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

pub(super) fn visitor() -> Ctx {
    Ctx {
        principal: Principal::Anonymous,
        request_id: "test".into(),
        deadline: Instant::now() + Duration::from_secs(30),
        address: None,
        reads: Reads::Latest,
    }
}

/// The token in a mail's link.
pub(super) fn token(body: &str) -> String {
    let (_, rest) = body.split_once("#").expect("a link");
    let (_, rest) = rest.split_once('=').expect("a token");
    rest.split_whitespace().next().expect("a token").to_owned()
}
