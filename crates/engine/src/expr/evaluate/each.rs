//! `exists` and its kin, item by item.

use super::{Each, EachKind, Evaluator, Outcome, Val, boolean};
use crate::model::Value;

impl<'a> Evaluator<'a> {
    pub(super) fn each(&mut self, each: &Each) -> Outcome<Val<'a>> {
        let range = self.value(&each.range)?;
        let items = self.items(range)?;
        match each.kind {
            EachKind::Exists => self.search(each, items, true),
            EachKind::All => self.search(each, items, false),
            EachKind::ExistsOne => {
                let found = self.kept(each, items)?.len();
                Ok(boolean(found == 1))
            }
            EachKind::Filter => self.kept(each, items).map(Val::List),
            EachKind::Map => {
                let made = items
                    .into_iter()
                    .map(|item| self.with(item, |this| this.value(&each.body)));
                made.collect::<Outcome<_>>().map(Val::List)
            }
        }
    }

    /// One item that decides outweighs the errors of others.
    fn search(&mut self, each: &Each, items: Vec<Val<'a>>, decisive: bool) -> Outcome<Val<'a>> {
        let mut failed = None;
        for item in items {
            match self.with(item, |this| this.truth(&each.body)) {
                Ok(truth) if truth == decisive => return Ok(boolean(decisive)),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(boolean(!decisive)), Err)
    }

    fn kept(&mut self, each: &Each, items: Vec<Val<'a>>) -> Outcome<Vec<Val<'a>>> {
        let mut kept = Vec::new();
        for item in items {
            if self.with(item.clone(), |this| this.truth(&each.body))? {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn with<T>(&mut self, item: Val<'a>, run: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.variables.push(item);
        let result = run(self);
        self.variables.pop();
        result
    }
}

/// What an expression as a whole comes to.
impl Val<'_> {
    /// `as_json`: a list goes into a field that keeps it as JSON.
    pub(in crate::expr) fn into_value(self, as_json: bool) -> Value {
        match self {
            Val::Plain(value) => value,
            Val::Json(json) => Value::Json(json.to_string().into()),
            Val::Record(record) => record.key,
            Val::Caller => Value::Null,
            Val::List(items) if as_json => {
                let items = items
                    .into_iter()
                    .map(|item| super::values::to_json(&item.into_value(true)));
                Value::Json(serde_json::Value::Array(items.collect()).to_string().into())
            }
            Val::List(items) => Value::List(items.into_iter().map(|item| item.into_value(false)).collect()),
        }
    }
}
