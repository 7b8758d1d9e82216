//! What is measured.

use super::data;
use super::server::Durability;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Get,
    GetAuth,
    GetRelation,
    List,
    ListRelation,
    ListExpand,
    ListRare,
    Create,
    CreateNormal,
    CreateRelation,
    Update,
    Batch,
    SignIn,
}

/// What is asked of Ninefold against PocketBase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    Times(f64),
    /// Compared, but without a number to reach.
    None,
}

pub(crate) const BATCH: usize = 100;
pub(crate) const LIMIT: usize = 30;

impl Case {
    pub(crate) const ALL: [Self; 13] = [
        Self::Get,
        Self::GetAuth,
        Self::GetRelation,
        Self::List,
        Self::ListRelation,
        Self::ListExpand,
        Self::ListRare,
        Self::Create,
        Self::CreateNormal,
        Self::CreateRelation,
        Self::Update,
        Self::Batch,
        Self::SignIn,
    ];

    /// On the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetAuth => "get-auth",
            Self::GetRelation => "get-relation",
            Self::List => "list",
            Self::ListRelation => "list-relation",
            Self::ListExpand => "list-expand",
            Self::ListRare => "list-rare",
            Self::Create => "create",
            Self::CreateNormal => "create-normal",
            Self::CreateRelation => "create-relation",
            Self::Update => "update",
            Self::Batch => "batch",
            Self::SignIn => "sign-in",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Get => "Get one, open to all",
            Self::GetAuth => "Get one, rule: signed in",
            Self::GetRelation => "Get one, rule reads a relation",
            Self::List => "List 30: filter and sort on an index",
            Self::ListRelation => "List 30, rule reads a relation",
            Self::ListExpand => "List 30, the same with an expansion",
            Self::ListRare => "List, rule shows 0.1 % of the records",
            Self::Create => "Create",
            Self::CreateNormal => "Create, synchronous=NORMAL",
            Self::CreateRelation => "Create, rule reads a relation",
            Self::Update => "Update",
            Self::Batch => "Batch of 100 creates",
            Self::SignIn => "Sign in",
        }
    }

    pub(crate) fn is_signed_in(self) -> bool {
        matches!(
            self,
            Self::GetAuth
                | Self::GetRelation
                | Self::ListRelation
                | Self::ListExpand
                | Self::ListRare
                | Self::CreateRelation
        )
    }

    pub(crate) fn writes(self) -> bool {
        matches!(
            self,
            Self::Create | Self::CreateNormal | Self::CreateRelation | Self::Update | Self::Batch | Self::SignIn
        )
    }

    pub(crate) fn durability(self) -> Durability {
        match self {
            Self::CreateNormal => Durability::Normal,
            _ => Durability::Full,
        }
    }

    /// Only with `--big`.
    pub(crate) fn is_apart(self) -> bool {
        self == Self::ListRare
    }

    pub(crate) fn user(self) -> usize {
        match self {
            Self::ListRare => data::RARE_MEMBER,
            _ => data::MEMBER,
        }
    }

    /// How many different requests are sent in turn.
    pub(crate) fn requests(self) -> usize {
        match self {
            Self::Get | Self::GetAuth | Self::GetRelation | Self::Update => 10_000,
            Self::List | Self::ListRelation | Self::ListExpand | Self::ListRare => 50,
            Self::Create | Self::CreateNormal | Self::CreateRelation => 2_000,
            Self::Batch => 20,
            Self::SignIn => 100,
        }
    }

    pub(crate) fn bar(self) -> Bar {
        match self {
            Self::Get | Self::GetAuth | Self::GetRelation => Bar::Times(5.0),
            Self::List | Self::ListRelation | Self::ListExpand => Bar::Times(8.0),
            Self::Create | Self::CreateNormal | Self::CreateRelation => Bar::Times(4.0),
            Self::Update | Self::Batch | Self::SignIn | Self::ListRare => Bar::None,
        }
    }
}

/// The record that a case's request with this number is about: scattered over all, and one that its user may read.
pub(crate) fn aim(case: Case, number: usize, records: usize) -> usize {
    let mut random = data::Random::new(0x5eed ^ (number as u64) << 8);
    loop {
        let record = usize::try_from(random.below(records as u64)).expect("below a usize");
        if case != Case::GetRelation || data::is_member(case.user(), data::team_of(record)) {
            return record;
        }
    }
}

/// A new record's number: beyond all that are stored.
pub(crate) fn fresh(case: Case, number: usize, records: usize) -> usize {
    let record = records + 1000 + number;
    if case == Case::CreateRelation {
        // The next that is of a team of the member's.
        (record..).find(|record| data::is_member(case.user(), data::team_of(*record)))
    } else {
        Some(record)
    }
    .expect("every fourth team is the member's")
}
