//! `expand`: records in the place of ids, under their own rules.

use serde_json::{Value as Json, json};

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "record.open == true || record.id == auth.id") {
  name: String!
  open: Boolean @default(value: true)
  boss: User
  nick: String @access(read: "record.id == auth.id")
  posts: [Post!]! @inverse(field: "author")
  liked: [Post!]! @inverse(field: "likes")
}
type Post @collection @access(read: "record.draft != true || record.author == auth.id") {
  title: String!
  draft: Boolean
  author: User
  likes: [User!]!
  answers: Post
  replies: [Post!]! @inverse(field: "answers")
}
"#;

const ANN: u32 = 1;
const BOB: u32 = 2;
const CID: u32 = 3;

/// ann wrote posts 10 and, a draft, 11; bob 12, which answers 10. cid, hidden, is ann's boss and likes 10 with bob.
async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    for (number, name, boss, open) in [
        (CID, "cid", None, false),
        (ANN, "ann", Some(id(CID)), true),
        (BOB, "bob", Some(id(ANN)), true),
    ] {
        let user = json!({
            "id": id(number), "email": format!("{name}@x.org"), "name": name, "boss": boss, "open": open, "nick": "n",
        });
        admin.create("users", user).await.unwrap();
    }
    for (number, title, author, draft, answers) in [
        (10, "ten", ANN, false, None),
        (11, "eleven", ANN, true, Some(id(10))),
        (12, "twelve", BOB, false, Some(id(10))),
    ] {
        let post = json!({
            "id": id(number), "title": title, "author": id(author), "draft": draft, "answers": answers,
            "likes": if number == 10 { vec![id(BOB), id(CID)] } else { Vec::new() },
        });
        admin.create("posts", post).await.unwrap();
    }
    app
}

fn titles(records: &Json) -> String {
    super::answers::words(records.as_array().unwrap(), "title")
}

pub(super) async fn a_record_takes_its_ids_place(database: Db) {
    let app = open(&database).await;
    let post = app
        .admin()
        .get("posts", &id(12))
        .expand("author,answers.author.boss")
        .await
        .unwrap();
    assert_eq!(post["author"]["name"], "bob");
    assert_eq!(post["author"]["boss"], json!(id(ANN)), "only what is asked for");
    assert_eq!(post["answers"]["title"], "ten");
    assert_eq!(post["answers"]["author"]["boss"]["name"], "cid");
    assert!(post["answers"]["author"]["boss"]["boss"].is_null());
    let post = app.admin().get("posts", &id(10)).expand("answers").await.unwrap();
    assert!(post["answers"].is_null());
}

pub(super) async fn many_come_as_a_list_by_key(database: Db) {
    let app = open(&database).await;
    let user = app
        .admin()
        .get("users", &id(ANN))
        .expand("posts.likes,liked")
        .await
        .unwrap();
    assert_eq!(titles(&user["posts"]), "ten eleven");
    assert_eq!(
        super::answers::words(user["posts"][0]["likes"].as_array().unwrap(), "name"),
        "bob cid"
    );
    assert_eq!(user["posts"][1]["likes"], json!([]));
    assert_eq!(user["liked"], json!([]));
    let post = app
        .admin()
        .get("posts", &id(10))
        .expand("replies.author,likes.liked")
        .await
        .unwrap();
    assert_eq!(titles(&post["replies"]), "eleven twelve");
    assert_eq!(post["replies"][1]["author"]["name"], "bob");
    assert_eq!(titles(&post["likes"][0]["liked"]), "ten");
}

/// A to-one id is part of its record and stays; of many, a hidden one is left out.
pub(super) async fn hidden_records_stay_hidden(database: Db) {
    let app = open(&database).await;
    let bob = app.user(&id(BOB));
    let user = bob.get("users", &id(ANN)).expand("boss,posts").await.unwrap();
    assert_eq!(user["boss"], json!(id(CID)));
    assert_eq!(titles(&user["posts"]), "ten");
    let post = bob.get("posts", &id(10)).expand("likes,replies").await.unwrap();
    assert_eq!(post["likes"].as_array().unwrap().len(), 1);
    assert_eq!(titles(&post["replies"]), "twelve");
    let post = bob.get("posts", &id(10)).fields("likes,replies").await.unwrap();
    assert_eq!(
        post.json,
        json!({"likes": [id(BOB)], "replies": [id(12)]}),
        "ids are hidden no less"
    );
    let own = app
        .user(&id(ANN))
        .get("posts", &id(10))
        .expand("replies")
        .await
        .unwrap();
    assert_eq!(titles(&own["replies"]), "eleven twelve");
    let cid = app.user(&id(CID)).get("posts", &id(10)).expand("likes").await.unwrap();
    assert_eq!(cid["likes"].as_array().unwrap().len(), 2);
}

pub(super) async fn hidden_fields_stay_hidden_in_them(database: Db) {
    let app = open(&database).await;
    let post = app
        .user(&id(BOB))
        .get("posts", &id(10))
        .expand("author,likes")
        .await
        .unwrap();
    assert!(post["author"].get("nick").is_none() && post["author"].get("email").is_none());
    assert_eq!(post["likes"][0]["nick"], "n", "bob's own");
    let named = app
        .user(&id(BOB))
        .get("posts", &id(10))
        .fields("author.nick,author.name")
        .await
        .unwrap();
    assert_eq!(named.json, json!({"author": {"name": "ann"}}));
}

pub(super) async fn pages_expand_row_by_row(database: Db) {
    let app = open(&database).await;
    let page = app
        .admin()
        .list("posts")
        .sort("-title")
        .expand("author.posts,replies")
        .await
        .unwrap();
    assert_eq!(page.all("title"), "twelve ten eleven");
    let authors: Vec<_> = page.items.iter().map(|post| post["author"]["name"].clone()).collect();
    assert_eq!(authors, ["bob", "ann", "ann"]);
    assert_eq!(titles(&page.items[0]["author"]["posts"]), "twelve");
    assert_eq!(titles(&page.items[2]["author"]["posts"]), "ten eleven");
    assert_eq!(titles(&page.items[1]["replies"]), "eleven twelve");
    assert_eq!(titles(&page.items[0]["replies"]), "");
}

pub(super) async fn pages_are_the_same_as_values_and_as_json(database: Db) {
    let app = open(&database).await;
    let callers = [
        app.admin(),
        app.nobody(),
        app.user(&id(ANN)),
        app.user(&id(BOB)),
        app.user(&id(CID)),
    ];
    let shapes = [
        None,
        Some("author"),
        Some("answers"),
        Some("author.boss"),
        Some("author.boss,answers"),
        Some("answers.answers,answers.author.boss,author.boss.boss"),
        Some("author.boss.posts,answers"),
    ];
    for (caller, shape) in callers.iter().flat_map(|caller| shapes.map(|shape| (caller, shape))) {
        let list = |limit| {
            let list = caller.list("posts").sort("answers.title,-title").limit(limit);
            shape.map_or(list.clone(), |shape| list.expand(shape))
        };
        let mut walked = Vec::new();
        let mut next = Some(list(1));
        while let Some(list) = next.take() {
            let (as_json, as_values) = (list.clone().await.unwrap(), list.clone().in_values().await.unwrap());
            assert_eq!(as_json, as_values, "{shape:?}");
            next = as_json.next.map(|cursor| list.after(&cursor));
            walked.extend(as_json.items);
        }
        let whole = list(10).count().await.unwrap();
        assert_eq!(
            (&whole.items, whole.total),
            (&walked, Some(walked.len() as u64)),
            "{shape:?}"
        );
        for post in &whole.items {
            let key = post["id"].as_str().unwrap();
            let get = caller.get("posts", key);
            let alone = shape.map_or(get.clone(), |shape| get.expand(shape)).await.unwrap();
            assert_eq!(alone.json, *post, "{shape:?}");
        }
    }
    let page = app
        .user(&id(BOB))
        .list("posts")
        .sort("title")
        .expand("author.boss")
        .await
        .unwrap();
    let boss = |place: usize| &page.items[place]["author"]["boss"];
    // ann is bob's boss, and shows her nick to herself alone; cid, who is hers, is hidden.
    assert_eq!((boss(1)["name"].as_str(), boss(1).get("nick")), (Some("ann"), None));
    assert_eq!(*boss(0), json!(id(CID)));
    assert_eq!(page.items[1]["author"]["nick"], json!("n"));
}

pub(super) async fn fields_and_expand_go_together(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let post = admin
        .get("posts", &id(12))
        .fields("title,answers.title,answers.likes")
        .await
        .unwrap();
    let expected = json!({"title": "twelve", "answers": {"title": "ten", "likes": [id(BOB), id(CID)]}});
    assert_eq!(post.json, expected);
    let post = admin
        .get("posts", &id(12))
        .fields("author.name,author.posts.title")
        .await
        .unwrap();
    assert_eq!(
        post.json,
        json!({"author": {"name": "bob", "posts": [{"title": "twelve"}]}})
    );
    let post = admin.get("posts", &id(12)).fields("title,author.*").await.unwrap();
    assert_eq!(
        (post.json.as_object().unwrap().len(), &post["author"]["name"]),
        (2, &json!("bob"))
    );
    let post = admin.get("posts", &id(12)).fields("*,likes").await.unwrap();
    assert_eq!(
        (&post["title"], &post["likes"], &post["author"]),
        (&json!("twelve"), &json!([]), &json!(id(BOB)))
    );
}

pub(super) async fn writes_expand_their_answer(database: Db) {
    let app = open(&database).await;
    let post = json!({"title": "new", "author": id(ANN), "likes": [id(BOB)]});
    let created = app
        .admin()
        .create("posts", post)
        .expand("author.boss,likes")
        .await
        .unwrap();
    assert_eq!(created["author"]["boss"]["name"], "cid");
    assert_eq!(created["likes"][0]["name"], "bob");
    let updated = app
        .admin()
        .update("posts", &created.id, json!({"author": id(BOB)}))
        .expand("author")
        .await
        .unwrap();
    assert_eq!(updated["author"]["name"], "bob");
}

pub(super) async fn depth_is_bounded_and_names_are_known(database: Db) {
    let app = open(&database).await;
    let get = |expand: &str| app.admin().get("posts", &id(12)).expand(expand);
    assert_eq!(said(get("author.boss.boss.boss").await), "ok");
    assert_eq!(
        said(get("author.boss.boss.boss.boss").await),
        "bad_request: expand too_deep"
    );
    for expand in ["nothing", "title", "author.nothing", "author..boss", ".", "author.name"] {
        assert!(said(get(expand).await).starts_with("bad_request: "), "{expand}");
    }
}
