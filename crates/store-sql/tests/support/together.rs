//! A store on MariaDB that answers a write when the standby has it, too.

use std::sync::Arc;

use async_trait::async_trait;
use engine::Model;
use engine::access::Permit;
use engine::model::Row;
use engine::ports::capabilities::Capabilities;
use engine::ports::relocation::{Relocate, Relocation};
use engine::ports::staging::{StagePlan, Staging};
use engine::ports::store::{ChangeSet, Changes, Store, StoreError};
use engine::query::{Committed, GetPlan, ListPlan, Page, Position, Question, Trace, Transaction};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use ninefold_store_sql::MySqlStore;
use testkit::services::{mysql_replayed, mysql_written};
use tokio::sync::Mutex;

pub(crate) struct Together {
    store: MySqlStore,
    /// Ways to both servers.
    servers: Mutex<(Conn, Conn)>,
}

impl Together {
    pub(crate) async fn new(store: MySqlStore, primary: &str, standby: &str) -> Self {
        let primary = Conn::from_url(primary).await.expect("the server lets us in");
        let standby = Conn::from_url(standby).await.expect("the server lets us in");
        Self {
            store,
            servers: Mutex::new((primary, standby)),
        }
    }

    async fn catch_up(&self) {
        let mut servers = self.servers.lock().await;
        let (primary, standby) = &mut *servers;
        let written: Option<String> = primary.query_first(mysql_written()).await.expect("the primary answers");
        let written = written.expect("it has a log");
        let waiting = mysql_replayed(&written, 60.0);
        let waited: Option<i64> = standby.query_first(waiting).await.expect("the standby answers");
        assert_eq!(waited, Some(0), "the standby has it in time");
    }
}

#[async_trait]
impl Store for Together {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, permit: Permit<GetPlan>) -> Result<Option<Row>, StoreError> {
        self.store.get(permit).await
    }

    async fn list(&self, permit: Permit<ListPlan>) -> Result<Page, StoreError> {
        self.store.list(permit).await
    }

    async fn explain(&self, question: Question) -> Result<Trace, StoreError> {
        self.store.explain(question).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let committed = self.store.commit(transaction).await;
        self.catch_up().await;
        committed
    }

    async fn stage(&self, permit: Permit<StagePlan>) -> Result<Box<dyn Staging>, StoreError> {
        self.store.stage(permit).await
    }

    async fn relocation(&self, permit: Permit<Relocate>) -> Result<Box<dyn Relocation>, StoreError> {
        self.store.relocation(permit).await
    }

    fn changes(&self) -> Box<dyn Changes> {
        self.store.changes()
    }

    async fn changes_since(&self, position: Position) -> Result<Option<Vec<Arc<ChangeSet>>>, StoreError> {
        self.store.changes_since(position).await
    }

    fn adopt(&self, model: Arc<Model>) {
        self.store.adopt(model);
    }

    fn has_replicas(&self) -> bool {
        self.store.has_replicas()
    }

    async fn ready(&self) -> Result<(), String> {
        self.store.ready().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
