//! Writers who keep books: what each asked for, what it was told, and whether the server's records agree.
//!
//! A writer does one thing after the other and numbers what it does. What it has sent with an `Idempotency-Key` it sends
//! again until there is an answer, so afterwards its records must be exactly those of its steps so far; only the last one may be under way.
//! What it has sent without a key and got no answer to may have happened or not, but as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::Dice;
use crate::app::{Client, Response};

pub(super) const SCHEMA: &str = r#"
type Entry @collection(path: "entries") @access(read: "true", create: "true", update: "true", delete: "true") {
  writer: Int!
  number: Int!
  part: Int!
}
type Register @collection @access(read: "true", create: "true", update: "true") {
  writer: Int!
  number: Int!
}
type Name @collection @access(read: "true", create: "true") {
  name: String! @unique
}
"#;

/// A name that is taken: who wants it again fails, and with it the whole batch.
const TAKEN: &str = "taken";
/// Entries that one batch creates.
const PARTS: i64 = 3;

/// Tells where the world was when an answer came; see `power`. Elsewhere always 0.
pub(super) type Witness = Arc<dyn Fn() -> u64 + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    /// The writer's register, which a `PATCH` moves on.
    Update,
    /// The same register by a `PUT`, which creates it at first.
    Upsert,
    /// Several entries and the register.
    Batch,
    /// Several entries and a name that is taken: nothing of it may stay.
    Doomed,
    /// All entries of a former step.
    Delete(i64),
    /// A create or batch without a key, that is never repeated.
    Once(i64),
}

#[derive(Debug, Clone, Copy)]
struct Step {
    kind: Kind,
    /// Where the world was when the answer came; `None`: there was none.
    answered: Option<u64>,
}

pub(super) struct Writer {
    id: i64,
    dice: Dice,
    witness: Witness,
    /// The number of a step is its index.
    steps: Vec<Step>,
    /// Answers to what had happened before.
    pub(super) replays: usize,
    /// Answers that should not be.
    surprises: Vec<String>,
    /// Whether 503 is an answer like any other, to be followed by another try.
    is_patient: bool,
}

/// What a writer's records came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct State {
    /// Parts by number of the step, each as often as it is there.
    entries: BTreeMap<i64, Vec<i64>>,
    /// Version of the register, and the number of the step that set it last.
    register: Option<(i64, i64)>,
}

impl State {
    fn apply(&mut self, number: i64, kind: Kind) {
        match kind {
            Kind::Create => {
                self.entries.insert(number, vec![0]);
            }
            Kind::Update | Kind::Upsert => self.set(number),
            Kind::Batch => {
                self.entries.insert(number, (0..PARTS).collect());
                self.set(number);
            }
            Kind::Delete(former) => {
                self.entries.remove(&former);
            }
            Kind::Once(parts) => {
                self.entries.insert(number, (0..parts).collect());
            }
            Kind::Doomed => {}
        }
    }

    fn set(&mut self, number: i64) {
        let version = self.register.map_or(0, |(version, _)| version);
        self.register = Some((version + 1, number));
    }

    /// How `found` differs, but for the steps that may have happened or not.
    fn difference(&self, found: &Self, open: &BTreeSet<i64>) -> Option<String> {
        if self.register != found.register {
            return Some(format!(
                "the register is {:?} and not {:?} (version, number of the step)",
                found.register, self.register
            ));
        }
        let numbers: BTreeSet<_> = self.entries.keys().chain(found.entries.keys()).collect();
        numbers.into_iter().find_map(|number| {
            let (expected, there) = (self.entries.get(number), found.entries.get(number));
            let may_be_absent = there.is_none() && open.contains(number);
            (expected != there && !may_be_absent)
                .then(|| format!("step {number} has left the entries {there:?} and not {expected:?}"))
        })
    }
}

impl Writer {
    pub(super) fn new(id: i64, dice: Dice, witness: Witness) -> Self {
        Self {
            id,
            dice,
            witness,
            steps: Vec::new(),
            replays: 0,
            surprises: Vec::new(),
            is_patient: false,
        }
    }

    /// Who takes 503 for an answer, and tries again.
    pub(super) fn patient(self) -> Self {
        Self {
            is_patient: true,
            ..self
        }
    }

    pub(super) fn answered(&self) -> usize {
        self.steps.iter().filter(|step| step.answered.is_some()).count()
    }

    /// Writes until the server is gone, or for so many steps.
    pub(super) async fn write(&mut self, client: &Client, steps_max: usize) {
        for _ in 0..steps_max {
            let step = match self.steps.last() {
                Some(step) if step.answered.is_none() && !matches!(step.kind, Kind::Once(_)) => step.kind,
                _ => {
                    let kind = self.choose();
                    self.steps.push(Step { kind, answered: None });
                    kind
                }
            };
            let Some(response) = self.send(client, step).await else {
                return;
            };
            self.take(step, &response);
        }
    }

    fn take(&mut self, kind: Kind, response: &Response) {
        let expected: &[u16] = match kind {
            Kind::Create => &[201],
            Kind::Update | Kind::Batch => &[200],
            Kind::Upsert => &[200, 201],
            Kind::Doomed => &[409],
            Kind::Delete(_) => &[200],
            Kind::Once(1) => &[201],
            Kind::Once(_) => &[200],
        };
        if expected.contains(&response.status) {
            self.replays += usize::from(response.header("idempotency-replayed").is_some());
            let step = self.steps.last_mut().expect("what is answered was begun");
            step.answered = Some((self.witness)());
        } else if !(self.is_patient && response.status == 503) {
            self.surprises.push(format!(
                "writer {}, {kind:?}: answered {} {}",
                self.id,
                response.status,
                response.text()
            ));
        }
    }

    fn choose(&mut self) -> Kind {
        if self.steps.is_empty() {
            return Kind::Upsert;
        }
        match self.dice.below(16) {
            0..4 => Kind::Create,
            4..7 => Kind::Update,
            7..9 => Kind::Upsert,
            9..12 => Kind::Batch,
            12 => Kind::Doomed,
            13 => Kind::Once(1),
            14 => Kind::Once(PARTS),
            _ => self.doomed_former().map_or(Kind::Create, Kind::Delete),
        }
    }

    /// A batch among the last steps that nothing has deleted.
    fn doomed_former(&self) -> Option<i64> {
        let recent = self.steps.iter().enumerate().rev().take(40);
        let mut deleted = BTreeSet::new();
        for (number, step) in recent {
            let number = i64::try_from(number).expect("few steps");
            match step.kind {
                Kind::Delete(former) => {
                    deleted.insert(former);
                }
                Kind::Batch if !deleted.contains(&number) => return Some(number),
                _ => {}
            }
        }
        None
    }

    async fn send(&self, client: &Client, kind: Kind) -> Option<Response> {
        let number = i64::try_from(self.steps.len() - 1).expect("few steps");
        let register = format!("/api/registers/{}", self.register());
        let set = json!({ "writer": self.id, "number": number });
        let request = match kind {
            Kind::Create | Kind::Once(1) => client
                .request("POST", "/api/entries")
                .json(&self.entry(number, 0, false)),
            Kind::Update => client.request("PATCH", &register).json(&json!({ "number": number })),
            Kind::Upsert => client.request("PUT", &register).json(&set),
            Kind::Batch | Kind::Doomed | Kind::Delete(_) | Kind::Once(_) => client
                .request("POST", "/api/batch")
                .json(&json!({ "operations": self.operations(number, kind) })),
        };
        match kind {
            Kind::Once(_) => request.attempt().await,
            _ => {
                let key = format!("{}-{number}", self.id);
                request.header("idempotency-key", &key).attempt().await
            }
        }
    }

    fn operations(&self, number: i64, kind: Kind) -> Vec<Json> {
        let create = |part| json!({"op": "create", "collection": "entries", "data": self.entry(number, part, kind == Kind::Batch)});
        match kind {
            Kind::Batch => {
                let update = json!({"op": "update", "collection": "registers", "id": self.register(), "data": {"number": number}});
                (0..PARTS).map(create).chain([update]).collect()
            }
            Kind::Doomed => {
                let taken = json!({"op": "create", "collection": "names", "data": {"name": TAKEN}});
                (0..PARTS - 1).map(create).chain([taken]).collect()
            }
            Kind::Delete(former) => (0..PARTS)
                .map(|part| json!({"op": "delete", "collection": "entries", "id": self.entry_id(former, part)}))
                .collect(),
            _ => (0..PARTS).map(create).collect(),
        }
    }

    /// With an id of the writer's choice where it will be deleted; else a repetition would show as a second one.
    fn entry(&self, number: i64, part: i64, named: bool) -> Json {
        let mut entry = json!({"writer": self.id, "number": number, "part": part});
        if named {
            entry["id"] = self.entry_id(number, part).into();
        }
        entry
    }

    fn entry_id(&self, number: i64, part: i64) -> String {
        format!("01900000-0000-7{:03x}-8{part:03x}-{number:012x}", self.id)
    }

    fn register(&self) -> String {
        format!("01900000-0000-7{:03x}-9000-000000000000", self.id)
    }

    /// How the records differ from the books, as of the moment `seen`.
    fn audit(&self, found: &State, seen: u64) -> Option<String> {
        let is_done = |step: &Step| step.answered.is_some_and(|at| at <= seen);
        // What has no key is passed over when nobody answers; everything else is waited for.
        let settled = |step: &Step| is_done(step) || (step.answered.is_none() && matches!(step.kind, Kind::Once(_)));
        let sure = self.steps.iter().take_while(|step| settled(step)).count();
        let mut open = BTreeSet::new();
        let mut state = State::default();
        for (number, step) in (0..).zip(&self.steps[..sure]) {
            state.apply(number, step.kind);
            if !is_done(step) {
                open.insert(number);
            }
        }
        let difference = state.difference(found, &open)?;
        if let Some(under_way) = self.steps.get(sure) {
            state.apply(i64::try_from(sure).expect("few steps"), under_way.kind);
            state.difference(found, &open)?;
        }
        Some(format!("writer {} after {sure} steps: {difference}", self.id))
    }
}

/// Takes the name that the doomed want.
pub(super) async fn prepare(client: &Client) {
    let name = client.post("/api/names", &json!({ "name": TAKEN })).await;
    assert_eq!(name.status, 201, "{}", name.text());
}

/// What the server's records have against the writers' books, as of the moment `seen`.
pub(super) async fn audit(client: &Client, writers: &[Writer], seen: u64) -> Vec<String> {
    let mut found: BTreeMap<i64, State> = BTreeMap::new();
    for entry in all(client, "entries").await {
        let [writer, number, part] = ["writer", "number", "part"].map(|field| entry[field].as_i64().unwrap());
        let parts = found.entry(writer).or_default().entries.entry(number).or_default();
        parts.push(part);
        parts.sort_unstable();
    }
    for register in all(client, "registers").await {
        let [writer, number, version] = ["writer", "number", "version"].map(|field| register[field].as_i64().unwrap());
        found.entry(writer).or_default().register = Some((version, number));
    }
    let mut findings: Vec<_> = writers.iter().flat_map(|writer| writer.surprises.clone()).collect();
    for writer in writers {
        let state = found.remove(&writer.id).unwrap_or_default();
        findings.extend(writer.audit(&state, seen));
    }
    findings.extend(
        found
            .keys()
            .map(|writer| format!("records of writer {writer}, whom nobody knows")),
    );
    findings
}

/// A collection, page by page.
async fn all(client: &Client, collection: &str) -> Vec<Json> {
    let mut records = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let mut request = client
            .request("GET", &format!("/api/{collection}"))
            .query("limit", "500");
        if let Some(cursor) = &cursor {
            request = request.query("cursor", cursor);
        }
        let page = request.send().await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        records.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return records,
        }
    }
}
