//! What every [`AccountStore`] must do.

use std::sync::Arc;

use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::{
    Account, AccountStore, AccountStoreError, Administrator, NewSession, OneTimeToken, PasswordReset, Purpose, Rotated,
    Rotation, Session, SigningKey, Subject,
};
use futures::future::join_all;
use uuid::Uuid;

/// A schema with accounts, for the store to be built from.
pub const SCHEMA: &str =
    r#"type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String }"#;

const NOW: Timestamp = Timestamp(1_750_000_000_000);
const ANA: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_000a);

/// The account whose record, without a password, the store must hold before [`conformance`]; the suite adds none.
pub fn ana() -> Account {
    Account {
        id: ANA,
        email: "ana@example.org".to_owned(),
        verified: true,
        roles: vec!["moderator".into(), "näherin \"x\"".into()],
        password: None,
    }
}

/// Runs the suite on an empty store that holds [`ana`].
///
/// # Panics
/// Where the store does otherwise.
pub async fn conformance(store: Arc<dyn AccountStore>) {
    let store = &*store;
    accounts_are_found(store).await;
    a_password_replaces_the_one_before_and_ends_sessions(store).await;
    a_rehash_needs_the_old_hash(store).await;
    a_session_needs_the_password_that_was_shown(store).await;
    sessions_are_listed_and_ended(store).await;
    the_least_recently_used_sessions_go(store).await;
    what_has_expired_is_not_there(store).await;
    a_refresh_token_rotates(store).await;
    of_fifty_at_once_all_get_one_child(store).await;
    an_older_token_ends_the_family(store).await;
    a_one_time_token_is_used_once(store).await;
    a_password_is_reset_once(store).await;
    administrators_are_no_users(store).await;
    signing_keys_are_kept_until_they_expire(store).await;
    the_first_secret_of_a_name_stays(store).await;
    a_sweep_takes_what_has_expired_and_nothing_else(store).await;
}

fn after(ms: i64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

fn hash(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn somebody() -> Subject {
    Subject::User(Uuid::now_v7())
}

fn new_session(subject: Subject) -> NewSession {
    NewSession {
        id: Uuid::now_v7(),
        subject,
        created: NOW,
        expires: after(100_000),
        idle_until: after(50_000),
        user_agent: Some("a browser, größer".to_owned()),
        sessions_max: 10,
    }
}

async fn start(store: &dyn AccountStore, new: NewSession) -> Uuid {
    let id = new.id;
    assert!(store.start_session(new, None).await.expect("started"));
    id
}

async fn ids(store: &dyn AccountStore, subject: Subject) -> Vec<Uuid> {
    let sessions = store.sessions(subject, NOW).await.expect("listed");
    sessions.into_iter().map(|session| session.id).collect()
}

fn rotation(session: Uuid, generation: u32, at_ms: i64) -> Rotation {
    Rotation {
        session,
        generation,
        now: after(at_ms),
        race_ms: 10_000,
        idle_ms: 50_000,
    }
}

async fn accounts_are_found(store: &dyn AccountStore) {
    assert_eq!(store.account(ANA).await.expect("found"), Some(ana()));
    let by_email = store.account_by_email("ana@example.org").await;
    assert_eq!(by_email.expect("found"), Some(ana()));
    assert_eq!(store.account(Uuid::now_v7()).await.expect("looked"), None);
    for other in ["Ana@example.org", "ana@example.or", "", "%", "ana@example.org "] {
        assert_eq!(store.account_by_email(other).await.expect("looked"), None, "{other}");
    }
}

async fn a_password_replaces_the_one_before_and_ends_sessions(store: &dyn AccountStore) {
    let subject = Subject::User(ANA);
    store.set_password(subject, hash("one"), None).await.expect("set");
    let (kept, ended) = (
        start(store, new_session(subject)).await,
        start(store, new_session(subject)).await,
    );
    let others = start(store, new_session(somebody())).await;
    let answer = store.set_password(subject, hash("two"), Some(kept)).await;
    assert_eq!(answer.expect("set"), [ended]);
    assert_eq!(ids(store, subject).await, [kept]);
    assert!(store.session(others, NOW).await.expect("looked").is_some());
    let account = store.account(ANA).await.expect("found").expect("there");
    assert_eq!(account.password, Some(hash("two")));
    let all = store.set_password(subject, hash("three"), None).await;
    assert_eq!(all.expect("set"), [kept]);
}

async fn a_rehash_needs_the_old_hash(store: &dyn AccountStore) {
    let subject = Subject::User(ANA);
    store.set_password(subject, hash("old"), None).await.expect("set");
    let rehash = async |from: &str, to: &str| {
        store
            .rehash_password(subject, hash(from), hash(to))
            .await
            .expect("tried");
        let account = store.account(ANA).await.expect("found").expect("there");
        account.password.expect("set").expose().clone()
    };
    assert_eq!(rehash("another", "new").await, "old");
    assert_eq!(rehash("old", "new").await, "new");
}

async fn a_session_needs_the_password_that_was_shown(store: &dyn AccountStore) {
    let subject = somebody();
    store.set_password(subject, hash("current"), None).await.expect("set");
    let with = async |shown: &str| store.start_session(new_session(subject), Some(hash(shown))).await;
    assert!(!with("replaced").await.expect("tried"));
    assert!(ids(store, subject).await.is_empty());
    assert!(with("current").await.expect("tried"));
    assert_eq!(ids(store, subject).await.len(), 1);
    let nobody = store.start_session(new_session(somebody()), Some(hash("current")));
    assert!(!nobody.await.expect("tried"));
}

async fn sessions_are_listed_and_ended(store: &dyn AccountStore) {
    let subject = somebody();
    let new = new_session(subject);
    let expected = Session {
        id: new.id,
        subject,
        created: NOW,
        expires: after(100_000),
        idle_until: after(50_000),
        generation: 0,
        rotated: NOW,
        user_agent: new.user_agent.clone(),
    };
    let first = start(store, new).await;
    assert_eq!(store.session(first, NOW).await.expect("found"), Some(expected));
    let second = start(
        store,
        NewSession {
            user_agent: None,
            ..new_session(subject)
        },
    )
    .await;
    assert_eq!(ids(store, subject).await, [second, first]);
    store.rotate(rotation(first, 0, 1_000)).await.expect("rotated");
    assert_eq!(
        ids(store, subject).await,
        [first, second],
        "the last refreshed comes first"
    );

    let stranger = store.end_session(somebody(), first).await;
    assert!(!stranger.expect("tried"), "somebody else's");
    let namesake = store.end_session(Subject::Administrator(subject.id()), first).await;
    assert!(!namesake.expect("tried"), "an administrator with the same id");
    assert!(store.end_session(subject, first).await.expect("ended"));
    assert!(!store.end_session(subject, first).await.expect("tried"));
    assert_eq!(store.session(first, NOW).await.expect("looked"), None);

    let third = start(store, new_session(subject)).await;
    let ended = store.end_sessions(subject, Some(third)).await;
    assert_eq!(ended.expect("ended"), [second]);
    assert_eq!(ids(store, subject).await, [third]);
    let ended = store.end_sessions(subject, None).await;
    assert_eq!(ended.expect("ended"), [third]);
}

async fn the_least_recently_used_sessions_go(store: &dyn AccountStore) {
    let subject = somebody();
    let mut started = Vec::new();
    for _ in 0..3 {
        started.push(start(store, new_session(subject)).await);
    }
    store.rotate(rotation(started[0], 0, 1_000)).await.expect("rotated");
    let new = NewSession {
        sessions_max: 2,
        ..new_session(subject)
    };
    let newest = start(store, new).await;
    assert_eq!(ids(store, subject).await, [started[0], newest]);
}

async fn what_has_expired_is_not_there(store: &dyn AccountStore) {
    let subject = somebody();
    let id = start(store, new_session(subject)).await;
    let alive = async |at| {
        let one = store.session(id, after(at)).await.expect("looked").is_some();
        let listed = !store.sessions(subject, after(at)).await.expect("listed").is_empty();
        assert_eq!(one, listed);
        one
    };
    assert!(alive(49_999).await);
    assert!(!alive(50_000).await);
    let gone = store.rotate(rotation(id, 0, 50_000)).await;
    assert_eq!(gone.expect("judged"), Rotated::Gone);
}

async fn a_refresh_token_rotates(store: &dyn AccountStore) {
    let id = start(store, new_session(somebody())).await;
    for generation in 0..3 {
        let at = i64::from(generation) * 20_000;
        let Rotated::Current(session) = store.rotate(rotation(id, generation, at)).await.expect("rotated") else {
            panic!("generation {generation} is the current one");
        };
        assert_eq!(session.generation, generation + 1);
        assert_eq!((session.rotated, session.idle_until), (after(at), after(at + 50_000)));
        assert_eq!(store.session(id, after(at)).await.expect("found"), Some(session));
    }
    let unknown = store.rotate(rotation(Uuid::now_v7(), 0, 0)).await;
    assert_eq!(unknown.expect("judged"), Rotated::Gone);
}

async fn of_fifty_at_once_all_get_one_child(store: &dyn AccountStore) {
    let subject = somebody();
    let id = start(store, new_session(subject)).await;
    let rotated = join_all((0..50).map(|at| store.rotate(rotation(id, 0, at)))).await;
    for rotated in rotated {
        let Rotated::Current(session) = rotated.expect("rotated") else {
            panic!("a race is no reuse");
        };
        assert_eq!((session.id, session.generation), (id, 1));
    }
    assert_eq!(ids(store, subject).await, [id]);
}

async fn an_older_token_ends_the_family(store: &dyn AccountStore) {
    let subject = somebody();
    let (id, other) = (
        start(store, new_session(subject)).await,
        start(store, new_session(subject)).await,
    );
    for generation in 0..2 {
        store.rotate(rotation(id, generation, 0)).await.expect("rotated");
    }
    let reused = store.rotate(rotation(id, 0, 0)).await;
    assert_eq!(reused.expect("judged"), Rotated::Reused(subject));
    let current = store.rotate(rotation(id, 2, 0)).await;
    assert_eq!(current.expect("judged"), Rotated::Gone, "the current one is dead, too");
    assert_eq!(ids(store, subject).await, [other], "other families live on");
}

fn token(purpose: Purpose, subject: Option<Subject>) -> OneTimeToken {
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(first.as_bytes());
    hash[16..].copy_from_slice(second.as_bytes());
    OneTimeToken {
        hash,
        purpose,
        subject,
        email: "bo@example.org".to_owned(),
        expires: after(1_000),
    }
}

async fn a_one_time_token_is_used_once(store: &dyn AccountStore) {
    for issued in [
        token(Purpose::Invitation, None),
        token(Purpose::VerifyEmail, Some(somebody())),
    ] {
        let OneTimeToken { hash, purpose, .. } = issued;
        store.issue(issued.clone()).await.expect("issued");
        let seen = store.one_time_token(hash, purpose, NOW).await;
        assert_eq!(seen.expect("found"), Some(issued.clone()), "looking doesn't use it");
        let otherwise = store.redeem(hash, Purpose::PasswordReset, NOW).await;
        assert_eq!(otherwise.expect("tried"), None, "it is for one purpose");
        let late = store.redeem(hash, purpose, after(1_000)).await;
        assert_eq!(late.expect("tried"), None, "it has expired");
        let redeemed = join_all((0..10).map(|_| store.redeem(hash, purpose, NOW))).await;
        let got: Vec<_> = redeemed.into_iter().filter_map(|one| one.expect("tried")).collect();
        assert_eq!(got, [issued], "of ten at once one has it");
    }
}

async fn a_password_is_reset_once(store: &dyn AccountStore) {
    let subject = Subject::User(ANA);
    store.set_password(subject, hash("forgotten"), None).await.expect("set");
    let session = start(store, new_session(subject)).await;
    let (used, waiting) = (
        token(Purpose::PasswordReset, Some(subject)),
        token(Purpose::PasswordReset, Some(subject)),
    );
    let verification = token(Purpose::VerifyEmail, Some(subject));
    for token in [&used, &waiting, &verification] {
        store.issue(token.clone()).await.expect("issued");
    }
    let reset = async |token: &OneTimeToken, to: &str| store.reset_password(token.hash, hash(to), NOW).await;
    let ended = vec![session];
    assert_eq!(
        reset(&used, "new").await.expect("reset"),
        Some(PasswordReset { subject, ended })
    );
    assert_eq!(reset(&used, "newer").await.expect("tried"), None);
    assert_eq!(
        reset(&waiting, "newest").await.expect("tried"),
        None,
        "what waited is forgotten"
    );
    assert_eq!(reset(&verification, "other").await.expect("tried"), None);
    let account = store.account(ANA).await.expect("found").expect("there");
    assert_eq!(account.password, Some(hash("new")));
}

async fn administrators_are_no_users(store: &dyn AccountStore) {
    assert_eq!(store.first_administrator().await.expect("looked"), None);
    let administrator = |id: Uuid, email: &str, at| Administrator {
        id,
        email: email.to_owned(),
        created: after(at),
        password: None,
    };
    // With the id of a user, whose password is another.
    let first = Administrator {
        password: Some(hash("hers")),
        ..administrator(ANA, "ana@example.org", 0)
    };
    let second = administrator(Uuid::now_v7(), "root@example.org", 1);
    for one in [&second, &first] {
        store.create_administrator(one.clone()).await.expect("created");
    }
    let taken = store.create_administrator(administrator(Uuid::now_v7(), "root@example.org", 2));
    assert!(matches!(taken.await, Err(AccountStoreError::EmailTaken)));
    assert_eq!(store.first_administrator().await.expect("found"), Some(first.clone()));
    let found = store.administrator_by_email("ana@example.org").await;
    assert_eq!(found.expect("found"), Some(first));
    assert_eq!(store.administrator(second.id).await.expect("found"), Some(second));
    let account = store.account(ANA).await.expect("found").expect("there");
    assert_ne!(account.password, Some(hash("hers")));
}

async fn signing_keys_are_kept_until_they_expire(store: &dyn AccountStore) {
    let key = |id: &str, starts, expires| SigningKey {
        id: id.to_owned(),
        seed: Secret::new([7; 32]),
        starts: after(starts),
        expires: after(expires),
    };
    let (now, next) = (key("now", 0, 1_000), key("next", 900, 2_000));
    for key in [&next, &now] {
        store.add_signing_key(key.clone()).await.expect("added");
    }
    assert_eq!(store.signing_keys(NOW).await.expect("read"), [now, next.clone()]);
    assert_eq!(store.signing_keys(after(1_000)).await.expect("read"), [next]);
}

async fn the_first_secret_of_a_name_stays(store: &dyn AccountStore) {
    let candidates = join_all((0..10).map(|byte| store.secret("cursor", Secret::new([byte; 32])))).await;
    let secrets: Vec<_> = candidates.into_iter().map(|secret| secret.expect("kept")).collect();
    assert!(secrets.iter().all(|secret| *secret == secrets[0]), "all got the same");
    let other = store.secret("refresh", Secret::new([99; 32])).await;
    assert_eq!(other.expect("kept"), Secret::new([99; 32]));
}

async fn a_sweep_takes_what_has_expired_and_nothing_else(store: &dyn AccountStore) {
    let subject = somebody();
    let long = NewSession {
        idle_until: after(100_000),
        ..new_session(subject)
    };
    let (short, long) = (start(store, new_session(subject)).await, start(store, long).await);
    let issued = token(Purpose::Invitation, None);
    store.issue(issued.clone()).await.expect("issued");
    store.sweep(after(60_000)).await.expect("swept");
    assert_eq!(ids(store, subject).await, [long]);
    assert_eq!(store.session(short, NOW).await.expect("looked"), None);
    let token = store.one_time_token(issued.hash, issued.purpose, NOW).await;
    assert_eq!(token.expect("looked"), None);
    assert_eq!(store.signing_keys(NOW).await.expect("read"), []);
}
