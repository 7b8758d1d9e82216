//! What can't be opened is named, with the way out.

use ninefold_store_mongo::{MongoOptions, MongoStore, OpenError};

async fn refused(url: &str) -> OpenError {
    let options = MongoOptions {
        connect_timeout: std::time::Duration::from_millis(300),
        ..MongoOptions::default()
    };
    match MongoStore::open(url, &options).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_url_must_be_one_and_name_a_database() {
    assert!(matches!(refused("mongodb://").await, OpenError::Url(_)));
    assert!(matches!(refused("mongodb://127.0.0.1:1/").await, OpenError::NoDatabase));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_there() {
    assert!(matches!(
        refused("mongodb://127.0.0.1:1/app").await,
        OpenError::Unreachable(_)
    ));
}

#[test]
fn a_standalone_server_is_told_how_to_become_a_replica_set() {
    let error = OpenError::Standalone {
        host: "db:27017".to_owned(),
    };
    assert!(error.to_string().contains("rs.initiate()"), "{error}");
}
