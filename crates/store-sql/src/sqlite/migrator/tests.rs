use engine::model::Timestamp;
use engine::ports::store::Store as _;

use super::*;
use crate::{Location, SqliteOptions};

const NOW: Timestamp = Timestamp(0);

fn model(schema: &str) -> Model {
    Model::read(schema, "schema.graphql").unwrap()
}

#[tokio::test]
async fn a_running_store_takes_on_another_structure() {
    let store = SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap();
    let files = Folder::default();
    let old = model("type Note @collection { body: String! }");
    assert!(store.status(&old, &files, Options::serve(NOW)).await.unwrap().empty);
    store.apply(&old, &files, Options::dev(NOW)).await.unwrap();
    let new = model(
        r#"type Note @collection @index(fields: ["body"], where: "record.body.startsWith('a') && size(record.body) > 2") {
             body: String!  tags: [String!]! @default(value: [])
           }"#,
    );
    let planned = store.plan(&new, &files, Options::dev(NOW)).await.unwrap();
    let report = store.apply(&new, &files, Options::dev(NOW)).await.unwrap();
    assert_eq!(
        report.steps,
        planned.legs[0]
            .steps
            .iter()
            .map(|step| step.text.clone())
            .collect::<Vec<_>>()
    );
    assert!(
        store
            .status(&new, &files, Options::serve(NOW))
            .await
            .unwrap()
            .is_current()
    );
    let insert = "INSERT INTO note VALUES (x'01', 1, 1, 1, 'abc', '[]')";
    let written = store
        .writer()
        .run_alone(Instant::now() + START_TIMEOUT, move |connection| {
            Ok(connection.execute(insert, []).unwrap())
        });
    assert_eq!(written.await.unwrap(), 1);
    store.close().await;
    let closed = store.apply(&old, &files, Options::dev(NOW)).await;
    assert!(matches!(closed, Err(MigrateError::Unavailable(_))));
}
