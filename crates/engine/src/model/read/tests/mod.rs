//! `check(schema, what is said of it)`.

use crate::model::*;

mod diagnostics;
mod docs;
mod mapped;
mod rules;
mod structure;

const CHAT: &str = r#"
"Someone who signs in."
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null", update: "record.id == auth.id") {
  name: String! @length(min: 1, max: 80)
  rooms: [Room!]! @inverse(field: "members")
}

"A conversation. Only its members see it."
type Room @collection
  @access(read: "auth.id in record.members", create: "auth.id in record.members",
          update: "auth.id in record.members", delete: "'moderator' in auth.roles") {
  name: String! @length(max: 80)
  members: [User!]!
  messages: [Message!]! @inverse(field: "room")
}

type Message @collection @index(fields: ["room", "sent"])
  @access(read: "auth.id in record.room.members",
          create: "record.author == auth.id && auth.id in record.room.members",
          update: "record.author == auth.id", delete: "record.author == auth.id || 'moderator' in auth.roles") {
  room: Room! @immutable @relation(onDelete: CASCADE)
  author: User! @immutable @default(value: "auth.id")
  body: String! @length(min: 1, max: 4000)
  sent: DateTime! @immutable @default(value: "now")
}
"#;

fn read(source: &str) -> Model {
    match Model::read(source, "schema.graphql") {
        Ok(model) => model,
        Err(report) => panic!("{report}"),
    }
}

/// What is said of a schema, one line each: `line:column message; help`. Warnings say so.
#[track_caller]
fn check(source: &str, expected: &str) {
    let said: Vec<String> = Model::examine(source, "schema.graphql").1.iter().map(brief).collect();
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(said, expected, "\n{}", said.join("\n"));
}

fn brief(item: &Diagnostic) -> String {
    let Place { line, column, .. } = item.place;
    let severity = match item.severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
    };
    let help = item.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    format!("{line}:{column} {severity}{}{help}", item.message)
}
