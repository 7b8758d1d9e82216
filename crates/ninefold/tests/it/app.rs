//! An application in this process, on a port of its own, with a fresh database.

mod client;

use std::net::SocketAddr;
use std::sync::Arc;

use engine::access::Principal;
use engine::operations::{Ctx, Reads};
use engine::ports::Secret;
use identity::AdministratorSignIn;
use ninefold::config::{Config, Overrides};
use ninefold::{Application, Options, Purpose, Structure};
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use client::{Client, Event, Events, Request, Response};

/// Whom `sign_up` and `administrator` sign in with.
pub(crate) const PASSWORD: &str = "a password for tests";

/// Hashes as cheap as argon2 allows: what is tested is not how long they take.
const CONFIG: &str = "[auth.password]\nmemory_kib = 8\npasses = 1\n";

pub(crate) struct TestApp {
    application: Option<Arc<Application>>,
    address: SocketAddr,
    config: Config,
    stop: CancellationToken,
    server: JoinHandle<()>,
    folder: TempDir,
}

/// What a test's application is made of.
#[derive(Default)]
pub(crate) struct Builder {
    files: Vec<(String, String)>,
    set: Vec<(String, String)>,
}

impl Builder {
    /// A file in the application's folder.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// A key of `ninefold.toml`.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.set.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn start(self) -> TestApp {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".to_owned()),
            set: self.set,
            ..Overrides::default()
        };
        let config = Config::read(CONFIG, [], &overrides).expect("the test's configuration is valid");
        TestApp::serve(folder, config).await
    }
}

impl TestApp {
    /// With this schema and otherwise the defaults.
    pub(crate) async fn new(schema: &str) -> Self {
        Self::with(schema).start().await
    }

    pub(crate) fn with(schema: &str) -> Builder {
        Builder::default().file("schema.graphql", schema)
    }

    async fn serve(folder: TempDir, config: Config) -> Self {
        let listener = ninefold::bind(&config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = Options {
            purpose: Purpose::Development,
            structure: Structure::Develop,
            address: Some(address),
        };
        let application = Application::open(folder.path(), config.clone(), options).await;
        let application = Arc::new(application.unwrap_or_else(|failure| panic!("{failure}")));
        let stop = CancellationToken::new();
        let server = {
            let (application, stop) = (application.clone(), stop.clone());
            tokio::spawn(async move { application.serve(listener, stop).await })
        };
        Self {
            application: Some(application),
            address,
            config,
            stop,
            server,
            folder,
        }
    }

    /// Another process on the same folder, at another address.
    pub(crate) async fn restart(self) -> Self {
        let config = self.config.clone();
        Self::serve(self.stop().await, config).await
    }

    pub(crate) fn application(&self) -> &Application {
        self.application.as_ref().expect("it was not stopped")
    }

    /// Nobody.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn email(name: &str) -> String {
        format!("{name}@example.com")
    }

    /// Signs `name` up as a user; the client and the user's id.
    pub(crate) async fn sign_up(&self, name: &str) -> (Client, String) {
        self.sign_up_with(name, json!({ "name": name })).await
    }

    /// The same with these fields.
    pub(crate) async fn sign_up_with(&self, name: &str, data: Json) -> (Client, String) {
        let mut body = Map::new();
        body.insert("email".to_owned(), Self::email(name).into());
        body.insert("password".to_owned(), PASSWORD.into());
        body.extend(data.as_object().expect("data is an object").clone());
        let response = self.client().post("/auth/sign-up", &Json::Object(body)).await;
        assert_eq!(response.status, 201, "sign-up of {name}: {}", response.text());
        let answer = response.json();
        let token = answer["accessToken"].as_str().expect("an access token");
        let id = answer["user"]["id"].as_str().expect("a user's id");
        (self.client().with_token(token), id.to_owned())
    }

    /// A new administrator.
    pub(crate) async fn administrator(&self) -> Client {
        let identity = self.application().identity();
        let email = format!("administrator-{}@example.com", uuid::Uuid::new_v4().simple());
        let password = Secret::new(PASSWORD.to_owned());
        identity.create_administrator(&email, password.clone()).await.unwrap();
        let ctx = Ctx {
            principal: Principal::Anonymous,
            request_id: "test".into(),
            deadline: std::time::Instant::now() + std::time::Duration::from_secs(10),
            address: None,
            reads: Reads::Latest,
        };
        let request = AdministratorSignIn::Password { email, password };
        let signed_in = identity.administrator_sign_in(&ctx, request, None).await.unwrap();
        self.client().with_token(signed_in.access_token.expose())
    }

    /// Stops it cleanly, and hands its folder over.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.cancel();
        (&mut self.server).await.unwrap();
        let application = self.application.take().expect("it was not stopped");
        let Ok(application) = Arc::try_unwrap(application) else {
            panic!("the server has ended, so nobody else has the application");
        };
        application.close().await;
        self.folder
    }
}
