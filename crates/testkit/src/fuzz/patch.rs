//! JSON merge patches (RFC 7396), on one record that is the same before each.

use engine::Error;
use engine::operations::{Action, Data, GetRequest, Precondition, Reply, ShapeRequest, Step, WriteOptions};
use engine::query::json::write_row;
use futures::executor::block_on;
use serde_json::{Value as Json, json};

use super::requests::{Requests, administrator, fair};

const TEAM: &str = "01990000-0000-7000-8000-000000000002";
const TASK: &str = "01990000-0000-7000-8000-000000000003";

impl Requests {
    /// The record that patches are for, and what it refers to; whatever it has become.
    pub(super) fn reset(&self) {
        let place = json!({"city": "Ulm", "zip": "89073", "inner": {"name": "a", "level": 1}, "names": ["b"]});
        let task = json!({
            "title": "t", "note": "n", "status": "LIVE", "phase": "DONE", "priority": 1, "effort": 2, "big": 3, "total": 4,
            "ratio": 0.5, "rate": 1.5, "price": "1.25", "fee": "2.5", "done": true, "flag": false, "due": "2026-01-02T03:04:05Z",
            "day": "2026-01-02", "blob": "AAEC", "extra": {"a": {"b": [1, null]}, "c": 1}, "place": place, "spot": place,
            "tags": ["x", "y"], "marks": [1, null], "phases": ["DRAFT"], "team": TEAM,
        });
        for (collection, key, data) in [("Team", TEAM, json!({"name": "a", "open": true})), ("Task", TASK, task)] {
            let Json::Object(data) = data else {
                unreachable!("written above")
            };
            let key = key.to_owned();
            let written = self.step(collection, Action::Upsert { key, data });
            written.unwrap_or_else(|error| panic!("the record to begin with: {error:?}"));
        }
    }

    /// A patch is refused and changes nothing, or changes what it names and nothing else, and then nothing more.
    ///
    /// # Panics
    /// Where it isn't so.
    pub fn patch(&self, input: &[u8]) {
        // As the body of a request is read.
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Ok(Json::Object(patch)) = serde_json::from_str(text) else {
            return;
        };
        self.reset();
        let before = self.task();
        let update = || {
            let (key, patch) = (TASK.to_owned(), patch.clone());
            self.step("Task", Action::Update { key, patch })
        };
        let outcome = update();
        let after = self.task();
        if outcome.is_err() {
            fair(input, outcome);
            assert_eq!(after, before, "{text}: was refused");
            return;
        }
        for (name, value) in &before {
            let named = patch.contains_key(name) || matches!(name.as_str(), "version" | "updated");
            assert!(named || after.get(name) == Some(value), "{text}: changes {name} too");
        }
        if let (Some(Json::Object(members)), Some(Json::Object(extra))) = (patch.get("extra"), after.get("extra")) {
            let kept = members
                .iter()
                .find(|(name, value)| value.is_null() && extra.contains_key(*name));
            assert_eq!(kept, None, "{text}: null removes a member");
        }
        update().unwrap_or_else(|error| panic!("{text}: the second time {error:?}"));
        let again = self.task();
        for (name, value) in &after {
            let counts = matches!(name.as_str(), "version" | "updated");
            assert!(
                counts || again.get(name) == Some(value),
                "{text}: is not done with {name}"
            );
        }
    }

    fn step(&self, collection: &str, action: Action) -> Result<(), Error> {
        let step = Step {
            action,
            collection: collection.to_owned(),
            precondition: Precondition::None,
            alias: None,
        };
        let options = WriteOptions::default();
        block_on(self.engine.write(&administrator(), vec![step], &options)).map(|_| ())
    }

    /// The record, as an answer has it.
    fn task(&self) -> Data {
        let request = GetRequest {
            collection: self.path.clone(),
            key: TASK.to_owned(),
            shape: ShapeRequest::default(),
        };
        let reply = block_on(self.engine.get(&administrator(), &request));
        let Reply {
            model, projection, row, ..
        } = reply.unwrap_or_else(|error| panic!("the record is there: {error:?}"));
        let mut body = Vec::new();
        write_row(&mut body, &model, &projection, &row);
        serde_json::from_slice(&body).expect("an answer is JSON")
    }
}
