//! The steps of the target: each finds the mark that the last one has left, and leaves another.

use sha2::{Digest, Sha256};

use super::mark::{Ended, Mark, Step, hexadecimal};
use super::{Relocating, of_another_schema, overtaken, unfit};
use crate::error::Error;
use crate::model::{Structure, Value};
use crate::ports::relocation::{Part, Turn};
use crate::ports::store::StoreError;

/// What came of a step of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    Done,
    /// Nothing was done: what is unique is still another row's.
    Taken,
}

impl Relocating<'_> {
    /// Where to go on.
    pub(super) async fn start(&mut self, name: &str) -> Result<Mark, Error> {
        let found = self.to.mark().await;
        if let Some(found) = self.settled(found)? {
            let mark: Mark = serde_json::from_str(&found).map_err(|_| unfit("its mark can't be read; empty it"))?;
            if mark.from != name {
                return Err(unfit(&format!(
                    "it is being filled from {}; go on with that, or empty it",
                    mark.from
                )));
            }
            if mark.structure.as_ref().is_some_and(|found| *found != self.structure()) {
                return Err(of_another_schema());
            }
            self.marked = found;
            // From now on a run that is still under way finds another's mark.
            self.write(&mark).await?;
            return Ok(mark);
        }
        if let Some(part) = self.first_filled().await? {
            let part = part.name(&self.moment.model);
            let mut why = format!("it has {part} already; move to an empty database");
            if self.was_moved(name).await? {
                why += &format!(". It was filled from {name} before, to the end: of that nothing is left to do");
            }
            return Err(unfit(&why));
        }
        let mark = Mark {
            from: name.to_owned(),
            part: self.parts[0].name(&self.moment.model),
            after: None,
            done: 0,
            structure: Some(self.structure()),
            step: Step::Copying,
            again: false,
            log: None,
            turn: self.run.clone(),
        };
        let begun = self.to.begin(mark.text()).await;
        if !self.settled(begun)? {
            return Err(overtaken());
        }
        self.marked = mark.text();
        Ok(mark)
    }

    /// A part of which the target has rows.
    async fn first_filled(&mut self) -> Result<Option<Part>, Error> {
        for part in self.parts.clone() {
            let found = self.to.read(part, None, 1).await;
            if !self.settled(found)?.is_empty() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// Whether the target was filled from this database, to the end. Then what the source still keeps for that goes.
    async fn was_moved(&mut self, name: &str) -> Result<bool, Error> {
        let found = self.to.moved().await;
        let ended = self
            .settled(found)?
            .and_then(|found| serde_json::from_str::<Ended>(&found).ok());
        let Some(ended) = ended.filter(|ended| ended.from == name) else {
            return Ok(false);
        };
        self.note = ended.note;
        self.end_log().await;
        Ok(true)
    }

    /// Takes rows away from the target and puts others there, with the mark.
    pub(super) async fn step(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        mark: &Mark,
    ) -> Result<Stepped, Error> {
        self.steps += 1;
        let marked = Mark {
            turn: format!("{}.{}", self.run, self.steps),
            ..mark.clone()
        };
        let turn = Turn {
            from: self.marked.clone(),
            to: marked.text(),
        };
        match self.to.put(part, gone, rows, turn).await {
            Err(StoreError::UniqueViolation { .. }) => Ok(Stepped::Taken),
            put => match self.settled(put)? {
                true => {
                    self.marked = marked.text();
                    Ok(Stepped::Done)
                }
                false => Err(overtaken()),
            },
        }
    }

    pub(super) async fn write(&mut self, mark: &Mark) -> Result<(), Error> {
        // Nothing is in the way of no rows.
        self.step(self.parts[0], Vec::new(), Vec::new(), mark).await.map(|_| ())
    }

    /// What is moved: what Ninefold has made, and of all parts, also in tables of others, what a row holds.
    fn structure(&self) -> String {
        let model = &self.moment.model;
        let structure = Structure::of(model);
        let mut hash = Sha256::new_with_prefix(serde_json::to_vec(&structure).expect("a structure is plain data"));
        for part in &self.parts {
            hash.update(format!("\n{} {}", part.name(model), part.layout(model)));
        }
        hexadecimal(&hash.finalize())
    }

    /// Which part is under way.
    pub(super) fn place_of(&self, mark: &Mark) -> Result<usize, Error> {
        let mut names = self.parts.iter().map(|part| part.name(&self.moment.model));
        names.position(|name| name == mark.part).ok_or_else(of_another_schema)
    }
}
