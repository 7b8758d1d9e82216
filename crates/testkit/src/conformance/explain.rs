//! What an operator is told about rules and about the store's way to an answer.

use engine::access::Principal;
use engine::expr::Decision;
use engine::operations::ListRequest;
use engine::operations::explain::{Asked, ExplainRequest, Explanation};
use engine::query::trace::Outcome;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, Caller, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "auth != null") { name: String }
type Note @collection
  @access(read: "auth != null && (record.author == auth.id || record.open)", create: "auth != null",
          update: "record.author == auth.id && 'editor' in auth.roles") {
  author: User!
  open: Boolean!
  word: String! @length(max: 40)
  rank: Int!
  secret: String @access(read: "record.author == auth.id")
}
type Memo @collection @index(fields: ["word", "rank"]) { word: String! @length(max: 40) rank: Int! }
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for number in [1, 2] {
        let user = json!({"id": id(number), "email": format!("{number}@x.org"), "name": format!("u{number}")});
        app.admin().create("users", user).await.unwrap();
    }
    for number in 10..30 {
        let note = json!({"id": id(number), "author": id(1 + number % 2), "open": number % 3 == 0,
                          "word": "w", "rank": number});
        app.admin().create("notes", note).await.unwrap();
    }
    app
}

async fn explained(app: &App, caller: &Caller, asked: Asked, key: Option<u32>, list: ListRequest) -> Explanation {
    let caller = caller.ctx().principal;
    let list = ListRequest {
        collection: "notes".to_owned(),
        ..list
    };
    let key = key.map(id);
    let request = ExplainRequest {
        asked,
        caller,
        key,
        list,
    };
    app.engine.explain(&app.admin().ctx(), &request).await.unwrap()
}

fn decisions(explanation: &Explanation) -> Vec<(String, Decision)> {
    let name = |field: &Option<String>| field.as_ref().map_or(String::new(), |field| format!(".{field}"));
    let rules = explanation.rules.iter();
    rules
        .map(|rule| {
            (
                format!("{} {}{}", rule.operation, rule.collection, name(&rule.field)),
                rule.decision,
            )
        })
        .collect()
}

pub(super) async fn only_administrators_ask(database: Db) {
    let app = open(&database).await;
    let request = ExplainRequest {
        asked: Asked::List,
        caller: Principal::Administrator { id: uuid::Uuid::nil() },
        key: None,
        list: ListRequest {
            collection: "notes".to_owned(),
            ..ListRequest::default()
        },
    };
    assert_eq!(
        said(app.engine.explain(&app.user(&id(1)).ctx(), &request).await),
        "forbidden"
    );
    assert_eq!(
        said(app.engine.explain(&app.nobody().ctx(), &request).await),
        "unauthenticated"
    );
}

pub(super) async fn rules_are_told_as_they_stand_for_the_caller(database: Db) {
    let app = open(&database).await;
    let (ann, nobody) = (app.user(&id(1)), app.nobody());
    let all = |caller| explained(&app, caller, Asked::List, None, ListRequest::default());
    let told = all(&ann).await;
    assert_eq!(decisions(&told)[..1], [("read Note".to_owned(), Decision::Depends)]);
    assert!(decisions(&told).contains(&("read Note.secret".to_owned(), Decision::Depends)));
    let told = all(&nobody).await;
    assert_eq!(decisions(&told)[0], ("read Note".to_owned(), Decision::Never));
    // What the caller may not ask for isn't asked.
    assert_eq!(told.trace, None);
    assert_eq!(decisions(&all(&app.admin()).await)[0].1, Decision::Always);
}

pub(super) async fn each_part_of_a_rule_is_judged_for_a_record(database: Db) {
    let app = open(&database).await;
    let (bob, editor) = (app.user(&id(2)), app.member(&id(2), &["editor"]));
    // Note 11 is Bob's, note 12 is Ann's and open, note 14 is Ann's and not.
    let judged = async |caller: &Caller, number| {
        let told = explained(&app, caller, Asked::Update, Some(number), ListRequest::default()).await;
        let rules = told.rules.iter().filter(|rule| rule.field.is_none());
        let holds = rules.map(|rule| rule.anatomy.as_ref().and_then(|anatomy| anatomy.holds));
        let update = told.rules[1].anatomy.as_ref().unwrap();
        let parts: Vec<_> = update
            .parts
            .iter()
            .map(|part| (part.source.clone(), part.holds))
            .collect();
        (holds.collect::<Vec<_>>(), parts)
    };
    let mine = |holds| ("record.author == auth.id".to_owned(), Some(holds));
    let edits = |holds| ("'editor' in auth.roles".to_owned(), Some(holds));
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(judged(&bob, 11).await, (vec![yes, no], vec![mine(true), edits(false)]));
    assert_eq!(
        judged(&editor, 11).await,
        (vec![yes, yes], vec![mine(true), edits(true)])
    );
    assert_eq!(
        judged(&editor, 12).await,
        (vec![yes, no], vec![mine(false), edits(true)])
    );
    assert_eq!(
        judged(&editor, 14).await,
        (vec![no, no], vec![mine(false), edits(true)])
    );
}

pub(super) async fn a_list_is_carried_out_as_the_callers_own(database: Db) {
    let app = open(&database).await;
    let list = || ListRequest {
        sort: Some("-rank".to_owned()),
        limit: Some(100),
        ..ListRequest::default()
    };
    for (caller, seen) in [(app.user(&id(1)), 13), (app.user(&id(2)), 13), (app.admin(), 20)] {
        let told = explained(&app, &caller, Asked::List, None, list()).await;
        let trace = told.trace.unwrap();
        assert!(!trace.statements.is_empty());
        let Outcome::Rows { count, .. } = trace.statements[0].outcome else {
            panic!("it was interrupted");
        };
        assert_eq!(count, seen);
        assert!(!trace.statements[0].steps.is_empty());
    }
}

pub(super) async fn an_index_that_would_help_is_named_and_one_that_is_there_is_not(database: Db) {
    let app = open(&database).await;
    let model = app.engine.model();
    let advice = async |collection: &str, sort: Option<&str>| {
        let request = ExplainRequest {
            asked: Asked::List,
            caller: app.admin().ctx().principal,
            key: None,
            list: ListRequest {
                collection: collection.to_owned(),
                filter: Some("word == 'w'".to_owned()),
                sort: sort.map(str::to_owned),
                ..ListRequest::default()
            },
        };
        let explained = app.engine.explain(&app.admin().ctx(), &request).await;
        let advice = explained.unwrap().trace.unwrap().advice;
        advice.first().map(|advice| advice.directive(&model))
    };
    let both = r#"@index(fields: ["word", "rank"])"#;
    assert_eq!(advice("notes", Some("rank")).await.as_deref(), Some(both));
    let one = r#"@index(fields: ["word"])"#;
    assert_eq!(
        advice("notes", None).await.as_deref(),
        Some(one),
        "less to sort is less to look at"
    );
    assert_eq!(advice("memos", Some("rank")).await, None);
}
