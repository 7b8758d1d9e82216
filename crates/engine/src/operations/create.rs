//! A new record: defaults, validity, the create rule on what it becomes.

use crate::access::Operation;
use crate::error::{Error, FieldError};
use crate::expr::{Aliases, Before, Decision, Expression, Input};
use crate::model::{
    CollectionId, DefaultValue, Field, FieldId, FieldKind, FieldRule, Key, Scalar, Timestamp, Value, ValueType,
};
use crate::operations::Data;
use crate::operations::get::SharedShape;
use crate::operations::import::broken;
use crate::operations::input::{Mode, Parsed, Parser};
use crate::operations::write::{Plan, Planner};
use crate::query::{
    Alias, Assignment, CreatePlan, Image, Judgement, LinkChange, LinkOperation, Mutation, Pred, Reference, Refusal,
};

impl Planner<'_> {
    /// `key`: where an upsert wants it.
    pub(crate) fn create(&self, data: &Data, key: Option<&Key>) -> Result<Plan, Error> {
        if self.grants.decide(self.collection, Operation::Create) == Decision::Never && !mutant!(CreateRule) {
            return Err(self.grants.denied(&format!("create {}", self.collection.path)));
        }
        let mut parsed = self.parser().parse(data, Mode::Create);
        let key = match key {
            Some(key) => {
                parsed.match_key(self.collection, key);
                key.clone()
            }
            None => self.key(&mut parsed),
        };
        let (plan, shape) = self.create_plan(key, parsed, Vec::new())?;
        Ok((plan.key.clone(), Mutation::Create(Box::new(plan)), shape))
    }

    /// A new record's key: what was given, else the default, else a new id where it is one. Hidden is what is known only
    /// when the record is written.
    pub(crate) fn key(&self, parsed: &mut Parsed) -> Key {
        let mut parts = Vec::with_capacity(self.collection.key.len());
        for id in &self.collection.key {
            let field = self.collection.field(*id);
            let given = parsed.key.iter().find(|(given, _)| given == id);
            let is_open = field.generated.is_some() || parsed.earlier.iter().any(|(earlier, _)| earlier == id);
            let part = match (given, &field.kind) {
                (Some((_, value)), _) => value.clone(),
                (None, _) if is_open => Value::Hidden,
                (None, FieldKind::Value(ValueType::Scalar(Scalar::Id))) if field.default.is_none() => {
                    Value::Id(self.engine.clock().new_id())
                }
                (None, _) => self.default(field),
            };
            if part.is_null() {
                parsed.miss(field);
            }
            parts.push(part);
        }
        Key(parts)
    }

    pub(crate) fn parser(&self) -> Parser<'_> {
        Parser {
            grants: &self.grants,
            collection: self.collection,
            named: self.named,
            links_max: self.engine.limits().related_max as usize,
        }
    }

    /// `system`: values of system fields that no caller can give.
    pub(crate) fn create_plan(
        &self,
        key: Key,
        mut parsed: Parsed,
        system: Vec<(FieldId, Value)>,
    ) -> Result<(CreatePlan, Option<SharedShape>), Error> {
        let rule = if mutant!(CreateRule) {
            None
        } else {
            self.grants.residue(self.collection, Operation::Create)
        };
        self.planned(key, &mut parsed, system, rule.map(|rule| &**rule))
    }

    /// A newcomer's own record: `signUp` stands in the create rule's place.
    pub(crate) fn sign_up_plan(
        &self,
        key: Key,
        mut parsed: Parsed,
        system: Vec<(FieldId, Value)>,
    ) -> Result<(CreatePlan, Option<SharedShape>), Error> {
        self.planned(key, &mut parsed, system, None)
    }

    fn planned(
        &self,
        key: Key,
        parsed: &mut Parsed,
        system: Vec<(FieldId, Value)>,
        rule: Option<&Expression>,
    ) -> Result<(CreatePlan, Option<SharedShape>), Error> {
        let image = self.image(&key, parsed, system);
        self.accept(parsed)?;
        let mut references = self.references(&parsed.assignments, &parsed.links)?;
        references.extend(self.key_references(&key)?);
        for (field, _) in &parsed.earlier {
            if let FieldKind::Reference { target, .. } = self.collection.field(*field).kind {
                references.push(self.reference(*field, target, &Value::Hidden, None)?);
            }
        }
        let mut after = Vec::new();
        if let Some(rule) = rule {
            self.judge(rule, &image, Refusal::Forbidden, &mut after)?;
        }
        for field in &parsed.guarded {
            if let FieldRule::Rule(rule) = &self.collection.field(*field).write {
                self.judge(rule, &image, Refusal::Forbidden, &mut after)?;
            }
        }
        for check in &self.collection.checks {
            self.judge(&check.rule, &image, broken(self.collection, check), &mut after)?;
        }
        let (answer, shape) = self.answer()?;
        let plan = CreatePlan {
            collection: self.collection.id,
            key,
            image,
            given: std::mem::take(&mut parsed.given),
            earlier: std::mem::take(&mut parsed.earlier),
            links: std::mem::take(&mut parsed.links),
            references,
            after,
            answer,
            bindings: self.moment.bindings(self.ctx),
        };
        Ok((plan, shape))
    }

    /// Judges in memory what can be, and leaves the rest to the store: what is about other records, or hangs on what the
    /// database gives.
    fn judge(
        &self,
        rule: &Expression,
        image: &Image,
        otherwise: Refusal,
        after: &mut Vec<Judgement>,
    ) -> Result<(), Error> {
        if rule.is_local() {
            match rule.evaluate(self.input(Some(image))) {
                Ok(Value::Bool(true)) => return Ok(()),
                Err(_) if image.0.contains(&Value::Hidden) => {}
                Ok(_) | Err(_) => return Err(self.grants.refused(otherwise)),
            }
        }
        let holds = self
            .grants
            .lower(rule, Alias::ROOT, &mut Aliases::default(), Before::Absent)?;
        after.push(Judgement { holds, otherwise });
        Ok(())
    }

    pub(crate) fn input<'i>(&'i self, record: Option<&'i Image>) -> Input<'i> {
        Input {
            model: self.grants.model,
            facts: self.grants.facts,
            record,
            before: None,
            related: None,
        }
    }

    /// The whole record: what was given, else the default, else null. What the database gives is noted, and hidden.
    pub(crate) fn image(&self, key: &Key, parsed: &mut Parsed, system: Vec<(FieldId, Value)>) -> Image {
        let mut values = Vec::with_capacity(self.collection.fields.len());
        for field in self.collection.stored() {
            let value = match parsed.assignments.iter().find(|(id, _)| *id == field.id) {
                Some((_, Assignment::Set(value))) => value.clone(),
                Some((_, Assignment::Merge(_))) | None => match system.iter().find(|(id, _)| *id == field.id) {
                    Some((_, value)) => value.clone(),
                    None => self.unset(field, key),
                },
            };
            let is_earlier = parsed.earlier.iter().any(|(earlier, _)| *earlier == field.id);
            let is_unsaid = value.is_null() || value == Value::Hidden;
            values.push(match field.generated {
                _ if is_earlier => Value::Hidden,
                Some(_) if is_unsaid => {
                    parsed.given.push(field.id);
                    Value::Hidden
                }
                _ => value,
            });
            if values.last() == Some(&Value::Null) && field.required {
                parsed.miss(field);
            }
        }
        Image(values)
    }

    /// What a stored field holds when nobody says.
    pub(crate) fn unset(&self, field: &Field, key: &Key) -> Value {
        let collection = self.collection;
        if let Some(part) = collection.key.iter().position(|id| *id == field.id) {
            return key.0.get(part).cloned().unwrap_or(Value::Null);
        }
        let now = Value::DateTime(self.moment.now);
        if collection.created == Some(field.id) || collection.updated == Some(field.id) {
            return now;
        }
        if collection.version == Some(field.id) {
            return Value::Int(1);
        }
        self.default(field)
    }

    fn default(&self, field: &Field) -> Value {
        match &field.default {
            None => Value::Null,
            Some(DefaultValue::Constant(value)) => value.clone(),
            // An error means that the caller has no such thing, as nobody has an `auth.id`.
            Some(DefaultValue::Expression(default)) => default.evaluate(self.input(None)).unwrap_or(Value::Null),
        }
    }

    /// What a writer names must be readable by it.
    pub(crate) fn references(
        &self,
        assignments: &[(FieldId, Assignment)],
        links: &[LinkChange],
    ) -> Result<Vec<Reference>, Error> {
        let mut references = Vec::new();
        for (field, assignment) in assignments {
            if let (FieldKind::Reference { target, .. }, Assignment::Set(key)) =
                (&self.collection.field(*field).kind, assignment)
                && !key.is_null()
            {
                references.push(self.reference(*field, *target, key, None)?);
            }
        }
        for change in links {
            let FieldKind::Links { target, .. } = self.collection.field(change.field).kind else {
                continue;
            };
            let (place, keys) = match &change.operation {
                LinkOperation::Replace { with, .. } => ("", with),
                LinkOperation::Edit { add, .. } => ("add", add),
            };
            for (index, key) in keys.iter().enumerate() {
                references.push(self.reference(change.field, target, key, Some((place, index)))?);
            }
        }
        Ok(references)
    }

    /// The same of relations that the key is made of.
    fn key_references(&self, key: &Key) -> Result<Vec<Reference>, Error> {
        let mut references = Vec::new();
        for (field, value) in self
            .collection
            .key
            .iter()
            .zip(&key.0)
            .filter(|(_, value)| **value != Value::Hidden)
        {
            if let FieldKind::Reference { target, .. } = self.collection.field(*field).kind {
                references.push(self.reference(*field, target, value, None)?);
            }
        }
        Ok(references)
    }

    fn reference(
        &self,
        field: FieldId,
        target: CollectionId,
        key: &Value,
        place: Option<(&str, usize)>,
    ) -> Result<Reference, Error> {
        let collection = self.grants.model.collection(target);
        let guard = if mutant!(ReferenceGuard) {
            Pred::Const(true)
        } else {
            self.grants
                .predicate(collection, Operation::Read, Alias::ROOT, &mut Aliases::default())?
        };
        let mut error = FieldError::new(
            "",
            "no_such_record",
            format!("names no {} that you may read", collection.name),
        );
        if let Some((place, index)) = place {
            error = error.within(&format!("[{index}]"));
            if !place.is_empty() {
                error = error.within(place);
            }
        }
        let error = error.within(&self.collection.field(field).name);
        Ok(Reference {
            field,
            target,
            key: key.clone(),
            guard,
            otherwise: Refusal::Invalid(vec![error]),
        })
    }
}

/// Moves on what every write moves on.
pub(crate) fn touch(collection: &crate::model::Collection, image: &mut Image, now: Timestamp) {
    let mut set = |field: Option<FieldId>, change: &dyn Fn(&Value) -> Value| {
        if let Some(value) = field
            .and_then(|field| collection.slot(field))
            .and_then(|slot| image.0.get_mut(slot))
        {
            *value = change(value);
        }
    };
    set(collection.updated, &|_| Value::DateTime(now));
    set(collection.version, &|version| {
        Value::Int(version.as_int().unwrap_or(0) + 1)
    });
}
