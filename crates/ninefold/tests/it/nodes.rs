//! Several servers on one database: who listens at one hears of what is written through another.

use serde_json::json;
use testkit::services::Proxy;

use crate::app::Events;
use crate::binary::{Server, folder};
use crate::database::Database;
use crate::mysql::own::OwnDatabase;
use crate::outages::house::parts;

const SCHEMA: &str = r#"
type Note @collection @access(read: "true", create: "true") { text: String! @length(max: 40) }
type Other @collection @access(read: "true", create: "true") { text: String! @length(max: 40) }
"#;

async fn hears(events: &mut Events, text: &str) {
    loop {
        let event = events.next().await.expect("the stream goes on");
        if event.data.to_string().contains(text) {
            return;
        }
    }
}

async fn write(server: &Server, path: &str, text: &str) {
    let written = server.client().post(path, &json!({ "text": text })).await;
    assert_eq!(written.status, 201, "{}", written.text());
}

async fn each_hears_the_other(url: &str) {
    let dir = folder(SCHEMA);
    let (start, port, end) = parts(url);
    let wire = Proxy::to(port).await;
    let through = format!("{start}{}{end}", wire.port());
    let first = Server::start("serve", dir.path(), &["--migrate", "--database", url]).await;
    write(&first, "/api/notes", "alone").await;
    let mut at_first = first.client().request("GET", "/api/notes").events().await;
    hears(&mut at_first, "alone").await;

    let mut second = Server::start("serve", dir.path(), &["--database", &through]).await;
    let mut at_second = second.client().request("GET", "/api/notes").events().await;
    hears(&mut at_second, "alone").await;
    for round in 0..3 {
        write(&first, "/api/others", "of no interest").await;
        write(&first, "/api/notes", &format!("first {round}")).await;
        hears(&mut at_second, &format!("first {round}")).await;
        write(&second, "/api/notes", &format!("second {round}")).await;
        hears(&mut at_first, &format!("second {round}")).await;
    }

    // Who can't reach the database for a while goes on where it was.
    wire.cut();
    write(&first, "/api/notes", "while it was away").await;
    hears(&mut at_second, "while it was away").await;

    // One that stops tells what is left; of one that dies the others find out.
    write(&second, "/api/notes", "farewell").await;
    second.signal("TERM");
    assert_eq!(second.end().await, Some(0));
    hears(&mut at_first, "farewell").await;
    let third = Server::start("serve", dir.path(), &["--database", url]).await;
    write(&third, "/api/notes", "last words").await;
    third.kill().await;
    hears(&mut at_first, "last words").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql() {
    let database = Database::new();
    each_hears_the_other(database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    let database = OwnDatabase::new();
    each_hears_the_other(&database.url()).await;
}
