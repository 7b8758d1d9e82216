//! The engine's part of signing up: the user's record, under the schema's sign-up policy.

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Grants, Principal};
use crate::error::{Error, ErrorCode};
use crate::model::{Key, Model, SignUp, Value};
use crate::operations::input::{Mode, Named};
use crate::operations::write::{Planned, Planner};
use crate::operations::{Ctx, Data, Precondition, WriteOptions, WriteReply};
use crate::pipeline::{Engine, Moment};
use crate::ports::store::{ChangeEvent, Changes};
use crate::query::{Effect, Judgement, Mutation, Outcome, OutcomeKind, Pred, Refusal};

/// Who is to have a record of its own.
#[derive(Debug, Clone)]
pub struct Newcomer {
    pub id: Uuid,
    pub email: String,
    pub verified: bool,
    /// The other fields of the record.
    pub data: Data,
}

impl Engine {
    /// Creates a user's record together with its credential and session. The create rule doesn't count: `signUp` does.
    /// `CLOSED` is for administrators only; that an `INVITE` was shown is `identity`'s to check. The answer is as the
    /// new user may see it. An administrator may set what else only administrators may (`roles`, `verified`).
    pub async fn sign_up(&self, ctx: &Ctx, newcomer: &Newcomer, effects: Vec<Effect>) -> Result<WriteReply, Error> {
        self.retrying(|moment| {
            let effects = effects.clone();
            async move {
                let own = own_context(ctx, newcomer.id);
                let planned = self.sign_up_planned(ctx, &own, &moment, newcomer)?;
                self.commit(&own, &moment, vec![planned], effects, &WriteOptions::default())
                    .await
            }
        })
        .await
    }

    /// Whether a sign-up would be refused for anything but its address. Nothing is kept.
    ///
    /// # Errors
    /// Those of [`Engine::sign_up`], an address that is taken aside.
    pub async fn rehearse_sign_up(&self, ctx: &Ctx, newcomer: &Newcomer) -> Result<(), Error> {
        let stand_in = Newcomer {
            // RFC 2606: nobody has an address there.
            email: format!("{}@rehearsal.invalid", newcomer.id),
            ..newcomer.clone()
        };
        let newcomer = &stand_in;
        let rehearsed = self.retrying(|moment| async move {
            let own = own_context(ctx, newcomer.id);
            let mut planned = self.sign_up_planned(ctx, &own, &moment, newcomer)?;
            if let Mutation::Create(plan) = &mut planned.mutation {
                // Judged last, when all else has held. No create is stale for another reason.
                plan.after.push(Judgement {
                    holds: Pred::Const(false),
                    otherwise: Refusal::Stale,
                });
            }
            self.commit(&own, &moment, vec![planned], Vec::new(), &WriteOptions::default())
                .await
        });
        match rehearsed.await {
            Err(error) if error.code == ErrorCode::Stale => Ok(()),
            Err(error) => Err(error),
            Ok(_) => unreachable!("a judgement that never holds was passed"),
        }
    }

    /// `ctx` is who asks, `own` the newcomer itself.
    fn sign_up_planned(&self, ctx: &Ctx, own: &Ctx, moment: &Moment, newcomer: &Newcomer) -> Result<Planned, Error> {
        let accounts = moment.model.accounts.map(|accounts| moment.model.collection(accounts));
        let Some((collection, fields)) = accounts.and_then(|accounts| Some((accounts, accounts.account?))) else {
            return Err(Error::new(
                ErrorCode::NotFound,
                "this application has no accounts; add @collection(auth: true)",
            ));
        };
        if fields.sign_up == SignUp::Closed && !ctx.principal.is_administrator() {
            return Err(Error::new(
                ErrorCode::Forbidden,
                "sign-up is closed; ask an administrator for an account",
            ));
        }
        let (options, named) = (WriteOptions::default(), Named::new());
        let writer = if ctx.principal.is_administrator() { ctx } else { own };
        let planner = Planner {
            engine: self,
            ctx: own,
            moment,
            grants: moment.grants(own, "create"),
            collection,
            options: &options,
            precondition: &Precondition::None,
            named: &named,
        };
        let grants: Grants<'_> = moment.grants(writer, "create");
        let parser = crate::operations::input::Parser {
            grants: &grants,
            ..planner.parser()
        };
        let parsed = parser.parse(&newcomer.data, Mode::Create);
        let key = Key::id(newcomer.id);
        let given = |field| parsed.assignments.iter().any(|(set, _)| *set == field);
        let mut system = vec![(fields.email, Value::text(newcomer.email.as_str()))];
        if !given(fields.verified) {
            system.push((fields.verified, Value::Bool(newcomer.verified)));
        }
        let (plan, shape) = planner.sign_up_plan(key.clone(), parsed, system)?;
        Ok(Planned {
            collection: collection.id,
            key,
            mutation: Mutation::Create(Box::new(plan)),
            shape,
            alias: None,
        })
    }

    /// Tells `listener` of each user whose record a write changes or deletes, before the writer has its answer: what is
    /// cached about the user is out of date. What a cascade changes is in [`Engine::account_changes`] alone. To be set
    /// once; a later one is ignored.
    pub fn on_account_change(&self, listener: impl Fn(Uuid) + Send + Sync + 'static) {
        let _ = self.account_listener().set(Box::new(listener));
    }

    pub(crate) fn tell_of_accounts(&self, model: &Model, outcomes: &[Outcome]) {
        let Some(listener) = self.account_listener().get() else {
            return;
        };
        let of_accounts = outcomes
            .iter()
            .filter(|outcome| Some(outcome.collection) == model.accounts && outcome.kind != OutcomeKind::Created);
        of_accounts
            .filter_map(|outcome| outcome.key.single()?.as_id())
            .for_each(listener);
    }

    /// Users whose record changed or went, as it happens: what is cached about them is out of date.
    pub fn account_changes(&self) -> AccountChanges {
        AccountChanges {
            changes: self.store().changes(),
            model: self.models(),
        }
    }
}

/// The newcomer's own, before it has signed in.
fn own_context(ctx: &Ctx, id: Uuid) -> Ctx {
    let principal = Principal::User {
        id,
        roles: Arc::from([]),
        claims: Arc::default(),
    };
    Ctx {
        principal,
        ..ctx.clone()
    }
}

/// See [`Engine::account_changes`].
pub struct AccountChanges {
    changes: Box<dyn Changes>,
    model: tokio::sync::watch::Receiver<Arc<Model>>,
}

/// Which users' records changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedAccounts {
    /// The user, and whether its record is gone.
    Some(Vec<(Uuid, bool)>),
    /// Some were missed: forget all.
    All,
}

impl AccountChanges {
    /// `None` when the store is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChangedAccounts> {
        loop {
            let event = self.changes.next().await?;
            let accounts = self.model.borrow().accounts;
            let set = match event {
                ChangeEvent::Lagged | ChangeEvent::Elsewhere(None) => return Some(ChangedAccounts::All),
                ChangeEvent::Elsewhere(Some(collections)) => {
                    if accounts.is_some_and(|accounts| collections.contains(&accounts)) {
                        return Some(ChangedAccounts::All);
                    }
                    continue;
                }
                ChangeEvent::Committed(set) => set,
            };
            let of_accounts = set.changes.iter().filter(|change| Some(change.collection) == accounts);
            let users: Vec<_> = of_accounts
                .filter(|change| change.before.is_some())
                .filter_map(|change| Some((change.key.single()?.as_id()?, change.after.is_none())))
                .collect();
            if !users.is_empty() {
                return Some(ChangedAccounts::Some(users));
            }
        }
    }
}
