//! Before anything is measured: the servers give the same answers to the same questions.
//!
//! The floor must answer what Ninefold does, member by member; only what is made for one answer alone (ids and times of
//! new records, cursors, tokens) may differ. PocketBase has its own ids and envelope, so with it the contents are compared.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cases::Case;
use super::files;
use super::server::{Contender, Running};
use crate::workspace::Workspace;

/// Requests of each case.
pub(crate) const ASKED: usize = 10;

pub(crate) fn check(workspace: &Workspace, contenders: &[&dyn Contender; 3], cases: &[Case]) -> Result<()> {
    let [ninefold, pocketbase, floor] = contenders;
    let mut running = Vec::new();
    for (number, contender) in contenders.iter().enumerate() {
        let data = files::folder(workspace)?.join(format!("agreement-{number}"));
        files::copy(contender.template(), &data)?;
        running.push((contender.start(&data, Case::Get.durability())?, data));
    }
    for case in cases {
        let ours = answers(*ninefold, &running[0].0, *case)?;
        let theirs = answers(*pocketbase, &running[1].0, *case)?;
        let floors = answers(*floor, &running[2].0, *case)?;
        let is_empty = ours.iter().all(|answer| contents(answer).is_empty());
        ensure!(
            !is_empty || *case == Case::SignIn,
            "{}: the answers hold nothing",
            case.name()
        );
        for (number, ((ours, theirs), floors)) in ours.into_iter().zip(theirs).zip(floors).enumerate() {
            let place = format!("{}, request {number}", case.name());
            let (given, expected) = (contents(&theirs), contents(&ours));
            ensure!(
                given == expected,
                "{place}: PocketBase answers {given:?}, Ninefold {expected:?}"
            );
            let (given, expected) = (lasting(floors, *case), lasting(ours, *case));
            ensure!(
                given == expected,
                "{place}: the floor answers {given}, Ninefold {expected}"
            );
        }
    }
    for (running, data) in running {
        running.stop()?;
        files::remove(&data)?;
    }
    println!("all three give the same answers");
    Ok(())
}

fn answers(contender: &dyn Contender, running: &Running, case: Case) -> Result<Vec<Value>> {
    let token = contender.sign_in(&running.client, case.user())?;
    (0..ASKED)
        .map(|number| running.client.expect(&contender.request(case, number, &token)))
        .collect::<Result<_>>()
        .with_context(|| format!("{}, {}", contender.name(), case.name()))
}

/// Without what is made for one answer alone.
pub(crate) fn lasting(mut answer: Value, case: Case) -> Value {
    if let Some(next) = answer.get_mut("next") {
        *next = next.is_null().into();
    }
    if case == Case::SignIn {
        return answer["user"].take();
    }
    let is_new = case.writes() && case != Case::Update;
    let passing: &[&str] = match case {
        Case::Update => &["updated"],
        _ if is_new => &["id", "created", "updated"],
        _ => &[],
    };
    forget(&mut answer, passing);
    answer
}

fn forget(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|member| forget(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, names)),
        _ => {}
    }
}

/// What every record and every person in an answer says, wherever it stands: sorted, since ties may come in any order.
pub(crate) fn contents(answer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(answer, &mut found);
    found.sort();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(title) = members.get("title") {
                let parts = ["category", "body"].map(|name| members.get(name));
                // GraphQL has no number that is as long, so PostGraphile answers a text.
                let score = members.get("score").map(Value::to_string).unwrap_or_default();
                found.push(format!("{title} {parts:?} {}", score.trim_matches('"')));
            } else if let Some(name) = members.get("name") {
                found.push(name.to_string());
            }
            members.values().for_each(|member| collect(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn compares_contents_wherever_they_stand() {
        let ours = json!({"items": [{"title": "a", "category": "c", "score": 1, "body": "b", "author": {"name": "Ana"}}], "next": "x"});
        let theirs = json!({"page": 1, "items": [{"id": "1", "title": "a", "category": "c", "score": 1, "body": "b",
            "author": "2", "expand": {"author": {"name": "Ana", "id": "2"}}}]});
        assert_eq!(contents(&ours), contents(&theirs));
        assert_ne!(contents(&ours), contents(&json!({"items": []})));
    }

    #[test]
    fn forgets_only_what_is_made_for_one_answer() {
        let created = json!({"id": "1", "created": "t", "updated": "t", "version": 1, "title": "a"});
        assert_eq!(
            lasting(created.clone(), Case::Create),
            json!({"version": 1, "title": "a"})
        );
        assert_eq!(lasting(created.clone(), Case::Get), created);
        assert_eq!(lasting(json!({"next": "abc"}), Case::List), json!({"next": false}));
    }
}
