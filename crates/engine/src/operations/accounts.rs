//! The engine's part of signing up: the user's record, under the schema's sign-up policy.

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Grants, Principal};
use crate::error::{Error, ErrorCode};
use crate::model::{Key, Model, SignUp, Value};
use crate::operations::input::{Mode, Named};
use crate::operations::write::{Planned, Planner};
use crate::operations::{Ctx, Data, WriteOptions, WriteReply};
use crate::pipeline::{Engine, Moment};
use crate::ports::store::{ChangeEvent, Changes};
use crate::query::{Effect, Mutation, Outcome, OutcomeKind};

impl Engine {
    /// Creates a user's record together with its credential and session. The create rule doesn't count: `signUp` does.
    /// `CLOSED` is for administrators only; that an `INVITE` was shown is `identity`'s to check. The answer is as the
    /// new user may see it. An administrator may set what else only administrators may (`roles`, `verified`).
    pub async fn sign_up(
        &self,
        ctx: &Ctx,
        email: &str,
        verified: bool,
        data: Data,
        id: Uuid,
        effects: Vec<Effect>,
    ) -> Result<WriteReply, Error> {
        self.retrying(|moment| {
            let (data, effects) = (&data, effects.clone());
            async move {
                self.sign_up_once(ctx, &moment, email, verified, data, id, effects)
                    .await
            }
        })
        .await
    }

    #[expect(clippy::too_many_arguments, reason = "the request of `sign_up`, at one moment")]
    async fn sign_up_once(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        email: &str,
        verified: bool,
        data: &Data,
        id: Uuid,
        effects: Vec<Effect>,
    ) -> Result<WriteReply, Error> {
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
        let newcomer = Ctx {
            principal: newcomer(id),
            ..ctx.clone()
        };
        let (options, named) = (WriteOptions::default(), Named::new());
        let writer = if ctx.principal.is_administrator() {
            ctx
        } else {
            &newcomer
        };
        let planner = Planner {
            engine: self,
            ctx: &newcomer,
            moment,
            grants: moment.grants(&newcomer, "create"),
            collection,
            options: &options,
            named: &named,
        };
        let grants: Grants<'_> = moment.grants(writer, "create");
        let parser = crate::operations::input::Parser {
            grants: &grants,
            ..planner.parser()
        };
        let parsed = parser.parse(data, Mode::Create);
        let key = Key::id(id);
        let given = |field| parsed.assignments.iter().any(|(set, _)| *set == field);
        let mut system = vec![(fields.email, Value::text(email))];
        if !given(fields.verified) {
            system.push((fields.verified, Value::Bool(verified)));
        }
        let (plan, shape) = planner.sign_up_plan(key.clone(), parsed, system)?;
        let mutation = Mutation::Create(Box::new(plan));
        let planned = Planned {
            collection: collection.id,
            key,
            mutation,
            shape,
            alias: None,
        };
        self.commit(&newcomer, moment, vec![planned], effects, &options).await
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

fn newcomer(id: Uuid) -> Principal {
    Principal::User {
        id,
        roles: Arc::from([]),
        claims: Arc::default(),
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
            let set = match self.changes.next().await? {
                ChangeEvent::Lagged => return Some(ChangedAccounts::All),
                ChangeEvent::Committed(set) => set,
            };
            let accounts = self.model.borrow().accounts;
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
