//! A merge patch (RFC 7396), a replacement, an upsert.

use crate::access::Operation;
use crate::error::{Error, ErrorCode, FieldError};
use crate::expr::{Aliases, Before, Decision, Expression};
use crate::model::{FieldKind, FieldRule, Key};
use crate::operations::get::{SharedShape, refuse_unreadable};
use crate::operations::input::{Mode, Parsed};
use crate::operations::write::{Plan, Planner};
use crate::operations::{Data, Precondition};
use crate::query::{
    Alias, Assignment, Judgement, LinkChange, LocalRule, Mutation, Pred, Refusal, UpdatePlan, UpsertPlan,
};

impl Planner<'_> {
    pub(crate) fn update(&self, key: &str, patch: &Data) -> Result<Plan, Error> {
        let key = self.target(key)?;
        let parsed = self.parser().parse(patch, Mode::Patch);
        let (plan, shape) = self.update_plan(key, parsed)?;
        Ok((plan.key.clone(), Mutation::Update(Box::new(plan)), shape))
    }

    /// PUT: creates where nothing is, replaces what is.
    pub(crate) fn upsert(&self, key: &str, data: &Data) -> Result<Plan, Error> {
        let key = self.moment.key(self.collection, key)?;
        let creates = self.grants.decide(self.collection, Operation::Create) != Decision::Never;
        let updates = self.grants.decide(self.collection, Operation::Update) != Decision::Never;
        if self.grants.facts.principal.is_anonymous() && !creates && !updates {
            return Err(self.grants.denied("write this"));
        }
        // Without the right to create, what doesn't exist and what can't be read are the same 404.
        let must_exist = matches!(self.precondition, Precondition::Match(_) | Precondition::MatchAny)
            || !creates
            || self.collection.makes_keys();
        let mut parsed = self.parser().parse(data, Mode::Replace);
        parsed.match_key(self.collection, &key);
        self.complete(&key, &mut parsed);
        let (update, shape) = self.update_plan(key.clone(), parsed)?;
        if must_exist {
            return Ok((key, Mutation::Update(Box::new(update)), shape));
        }
        let parsed = self.parser().parse(data, Mode::Create);
        let create = match self.create_plan(key.clone(), parsed, Vec::new()) {
            Ok((create, _)) => Ok(create),
            Err(error) => Err(as_refusal(error)?),
        };
        let must_create = *self.precondition == Precondition::NoneMatchAny;
        let upsert = UpsertPlan {
            create,
            update,
            must_create,
        };
        Ok((key, Mutation::Upsert(Box::new(upsert)), shape))
    }

    /// A replacement sets every field that the caller sees and may surely write: what isn't given, to its default. The
    /// others stay as they are.
    fn complete(&self, key: &Key, parsed: &mut Parsed) {
        for field in &self.collection.fields {
            let given = parsed.assignments.iter().any(|(id, _)| *id == field.id)
                || parsed.links.iter().any(|change| change.field == field.id);
            let kept = field.private || field.immutable || field.generated.is_some();
            let ours = field.system || kept || self.collection.key.contains(&field.id);
            if given || ours || self.grants.decide_field_write(self.collection, field.id) != Decision::Always {
                continue;
            }
            match field.kind {
                FieldKind::Links { .. } => {
                    let operation = self.parser().replacement(field, Vec::new());
                    parsed.links.push(LinkChange {
                        field: field.id,
                        operation,
                    });
                }
                FieldKind::Inverse { .. } => {}
                FieldKind::Value(_) | FieldKind::Reference { .. } => {
                    let value = self.unset(field, key);
                    if value.is_null() && field.required {
                        parsed.miss(field);
                    }
                    parsed.assignments.push((field.id, Assignment::Set(value)));
                }
            }
        }
    }

    /// The key of an existing record that the caller might read.
    pub(crate) fn target(&self, key: &str) -> Result<Key, Error> {
        refuse_unreadable(&self.grants, self.collection)?;
        self.moment.key(self.collection, key)
    }

    /// The read rule, else not found; the operation's rule, else forbidden.
    pub(crate) fn before(&self, operation: Operation) -> Result<Vec<Judgement>, Error> {
        let mut before = Vec::with_capacity(2);
        let mut push = |holds: Pred, otherwise: Refusal| {
            if holds != Pred::Const(true) {
                before.push(Judgement { holds, otherwise });
            }
        };
        push(self.grants.read_guard(self.collection)?, Refusal::NotFound);
        let off = match operation {
            Operation::Delete => mutant!(DeleteRule),
            _ => mutant!(UpdateBefore),
        };
        if !off {
            let rule = self
                .grants
                .predicate(self.collection, operation, Alias::ROOT, &mut Aliases::default())?;
            push(rule, Refusal::Forbidden);
        }
        Ok(before)
    }

    fn update_plan(&self, key: Key, mut parsed: Parsed) -> Result<(UpdatePlan, Option<SharedShape>), Error> {
        if self.grants.facts.principal.is_anonymous()
            && self.grants.decide(self.collection, Operation::Update) == Decision::Never
            && !mutant!(UpdateBefore)
        {
            return Err(self.grants.denied("update this"));
        }
        self.accept(&mut parsed)?;
        let mut plan = UpdatePlan {
            model: self.moment.model.clone(),
            collection: self.collection.id,
            key,
            before: self.before(Operation::Update)?,
            captures: Vec::new(),
            expected: self.expected(),
            references: self.references(&parsed.assignments, &parsed.links)?,
            assignments: std::mem::take(&mut parsed.assignments),
            links: std::mem::take(&mut parsed.links),
            local: Vec::new(),
            after: Vec::new(),
            answer: None,
            bindings: self.moment.bindings(self.ctx),
            facts: self.moment.owned_facts(self.ctx, "update"),
        };
        if !mutant!(UpdateAfter)
            && let Some(rule) = self.grants.residue(self.collection, Operation::Update)
        {
            self.judge_result(&mut plan, rule, Refusal::Forbidden)?;
        }
        for field in &parsed.guarded {
            if let FieldRule::Rule(rule) = &self.collection.field(*field).write {
                let holds = self
                    .grants
                    .lower(rule, Alias::ROOT, &mut Aliases::default(), Before::Record)?;
                plan.before.push(Judgement {
                    holds,
                    otherwise: Refusal::Forbidden,
                });
                self.judge_result(&mut plan, rule, Refusal::Forbidden)?;
            }
        }
        for check in &self.collection.checks {
            let field = check
                .field
                .map_or("", |field| self.collection.field(field).name.as_str());
            let refusal = Refusal::Invalid(vec![FieldError::new(field, "check_failed", check.message.clone())]);
            self.judge_result(&mut plan, &check.rule, refusal)?;
        }
        let (answer, shape) = self.answer()?;
        plan.answer = answer;
        Ok((plan, shape))
    }

    /// On the record as it becomes: in memory where the row is enough, else by the store.
    fn judge_result(
        &self,
        plan: &mut UpdatePlan,
        rule: &std::sync::Arc<Expression>,
        otherwise: Refusal,
    ) -> Result<(), Error> {
        // What the database computes is known when it has.
        let mut computed = self.collection.computed();
        let is_of_computed = computed.any(|field| rule.reads().fields.contains(&field));
        if rule.is_local() && !is_of_computed {
            plan.local.push(LocalRule {
                rule: rule.clone(),
                otherwise,
            });
            return Ok(());
        }
        let before = Before::Captured(&mut plan.captures);
        let holds = self.grants.lower(rule, Alias::ROOT, &mut Aliases::default(), before)?;
        plan.after.push(Judgement { holds, otherwise });
        Ok(())
    }
}

/// What only counts if nothing is there yet.
fn as_refusal(error: Error) -> Result<Refusal, Error> {
    match error.code {
        ErrorCode::Forbidden | ErrorCode::Unauthenticated => Ok(Refusal::Forbidden),
        ErrorCode::Invalid => Ok(Refusal::Invalid(error.fields)),
        _ => Err(error),
    }
}
