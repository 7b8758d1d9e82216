//! Collections of Ninefold's own, beside the application's.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

/// One document, for pipelines that begin with what they are handed.
pub(crate) const ONE: &str = "_ninefold_one";
/// What is known of the whole database: the structure, the position of the last commit, a migration under way.
pub(crate) const META: &str = "_ninefold_meta";
pub(crate) const IDEMPOTENCY: &str = "_ninefold_idempotency";
/// The keys of records that an incomplete import has published.
pub(crate) const IMPORT: &str = "_ninefold_import";
/// Entries of the log of changes. It is there as long as there is one.
pub(crate) const CHANGE: &str = "_ninefold_change";
pub(crate) const CREDENTIAL: &str = "_ninefold_credential";
pub(crate) const SESSION: &str = "_ninefold_session";
pub(crate) const TOKEN: &str = "_ninefold_one_time_token";
pub(crate) const ADMINISTRATOR: &str = "_ninefold_administrator";
pub(crate) const SIGNING_KEY: &str = "_ninefold_signing_key";
pub(crate) const SECRET: &str = "_ninefold_secret";

const ALL: [&str; 10] = [
    ONE,
    META,
    IDEMPOTENCY,
    IMPORT,
    CREDENTIAL,
    SESSION,
    TOKEN,
    ADMINISTRATOR,
    SIGNING_KEY,
    SECRET,
];

/// The document of [`META`] that counts commits.
pub(crate) const POSITION: &str = "position";

/// The document of [`META`] that says how far the log of changes has come.
pub(crate) const CHANGES: &str = "changes";

/// The document of [`META`] that counts changes of identity's own collections: each transaction that changes them counts it
/// up, so that none decides by what another is just changing.
pub(crate) const ACCOUNTS: &str = "accounts";

/// Makes what isn't there. May be called by several nodes at once.
pub(crate) async fn prepare(database: &Database) -> mongodb::error::Result<()> {
    let meta = database.collection::<Document>(META);
    if meta.find_one(doc! { "_id": POSITION }).await?.is_some() {
        return Ok(());
    }
    let there = database.list_collection_names().await?;
    for name in ALL {
        if !there.iter().any(|known| known == name) {
            create(database, name).await?;
        }
    }
    let indexes = [
        (IDEMPOTENCY, doc! { "expires_at": 1 }),
        (IMPORT, doc! { "turn": 1 }),
        (SESSION, doc! { "subject": 1 }),
        (SESSION, doc! { "idle_until": 1 }),
        (TOKEN, doc! { "expires": 1 }),
        (ADMINISTRATOR, doc! { "created": 1 }),
    ];
    for (collection, keys) in indexes {
        let index = IndexModel::builder().keys(keys).build();
        database.collection::<Document>(collection).create_index(index).await?;
    }
    let email = IndexModel::builder()
        .keys(doc! { "email": 1 })
        .options(IndexOptions::builder().unique(true).build())
        .build();
    database
        .collection::<Document>(ADMINISTRATOR)
        .create_index(email)
        .await?;
    insert_once(database, ONE, doc! { "_id": 0 }).await?;
    insert_once(database, META, doc! { "_id": ACCOUNTS, "value": Bson::Int64(0) }).await?;
    // Last: what comes before is complete where this is found.
    insert_once(database, META, doc! { "_id": POSITION, "value": Bson::Int64(0) }).await
}

/// A collection that another node may make at the same time.
pub(crate) async fn create(database: &Database, name: &str) -> mongodb::error::Result<()> {
    const NAMESPACE_EXISTS: i32 = 48;
    match database.create_collection(name).await {
        Err(error) if crate::error::told(&error).is_some_and(|(code, _)| code == NAMESPACE_EXISTS) => Ok(()),
        other => other,
    }
}

async fn insert_once(database: &Database, collection: &str, document: Document) -> mongodb::error::Result<()> {
    match database.collection::<Document>(collection).insert_one(document).await {
        Err(error) if !crate::error::is_duplicate(&error) => Err(error),
        _ => Ok(()),
    }
}
