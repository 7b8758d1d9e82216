use super::*;

fn cheap() -> PasswordConfig {
    PasswordConfig {
        memory_kib: 64,
        passes: 1,
        ..PasswordConfig::default()
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_hash_is_argon2id_with_its_parameters_and_a_salt_of_its_own() {
    let hasher = Hasher::new(&PasswordConfig::default()).expect("valid parameters");
    let first = hasher.hash(secret("correct horse")).await.expect("hashed");
    let second = hasher.hash(secret("correct horse")).await.expect("hashed");
    assert!(
        first.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        first.expose()
    );
    assert_ne!(first, second);
    let verification = hasher.verify(secret("correct horse"), Some(first)).await;
    assert_eq!(verification.expect("verified"), Verification::Right);
}

#[tokio::test]
async fn bytes_count_as_typed() {
    let hasher = Hasher::new(&cheap()).expect("valid parameters");
    let composed = hasher.hash(secret("caf\u{e9} au lait")).await.expect("hashed");
    let decomposed = hasher.verify(secret("cafe\u{301} au lait"), Some(composed)).await;
    assert_eq!(decomposed.expect("verified"), Verification::Wrong);
}

#[tokio::test]
async fn a_hash_under_other_parameters_is_outdated_if_right() {
    let before = Hasher::new(&cheap()).expect("valid parameters");
    let stored = before.hash(secret("correct horse")).await.expect("hashed");
    let after = Hasher::new(&PasswordConfig { passes: 2, ..cheap() }).expect("valid parameters");
    let right = after.verify(secret("correct horse"), Some(stored.clone())).await;
    assert_eq!(right.expect("verified"), Verification::Outdated);
    let wrong = after.verify(secret("correct house"), Some(stored)).await;
    assert_eq!(wrong.expect("verified"), Verification::Wrong);
}

#[tokio::test]
async fn nobody_matches_the_dummy() {
    let hasher = Hasher::new(&cheap()).expect("valid parameters");
    let nobody = hasher.verify(secret("anything"), None).await;
    assert_eq!(nobody.expect("verified"), Verification::Wrong);
}

#[tokio::test]
async fn who_finds_the_queue_full_is_told_when_to_come_back() {
    let config = PasswordConfig {
        concurrent_max: 1,
        waiting_max: 2,
        ..cheap()
    };
    let hasher = Hasher::new(&config).expect("valid parameters");
    let turn = hasher.turns.clone().acquire_owned().await.expect("open");
    let mut waiting = [
        Box::pin(hasher.hash(secret("one"))),
        Box::pin(hasher.hash(secret("two"))),
    ];
    for wait in &mut waiting {
        assert!(futures::poll!(wait).is_pending());
    }
    let refused = hasher.hash(secret("three")).await.expect_err("full");
    assert_eq!((refused.code, refused.retry_after_s), (ErrorCode::Unavailable, Some(2)));

    let [first, second] = waiting;
    drop(first);
    drop(turn);
    second.await.expect("its turn came");
    hasher.hash(secret("three")).await.expect("there is room again");
    assert_eq!(hasher.waiting.load(Ordering::Relaxed), 0, "every place was given back");
}
