use super::*;

const TOKEN: RefreshToken = RefreshToken {
    session: Uuid::from_u128(0x0192_abcd_0000_7000_8000_0000_0000_0001),
    generation: 7,
};

fn key(seed: u8) -> RefreshKey {
    RefreshKey::new(&Secret::new([seed; 32]))
}

#[test]
fn a_token_is_read_as_written_and_always_written_the_same() {
    let text = key(1).write(TOKEN);
    assert_eq!(key(1).read(&text), Some(TOKEN));
    assert_eq!(key(1).write(TOKEN), text);
    assert!(text.starts_with("nfr_"), "{text}");
}

#[test]
fn another_secret_makes_another_token() {
    assert_eq!(key(2).read(&key(1).write(TOKEN)), None);
}

#[test]
fn no_byte_of_it_can_be_changed() {
    let text = key(1).write(TOKEN);
    for place in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("ASCII");
        assert_eq!(key(1).read(&forged), None, "changed at {place}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let text = key(1).write(TOKEN);
    for wrong in [
        "",
        "nfr_",
        "nfr_!!!",
        &text[..text.len() - 4],
        &text[4..],
        &format!("{text}AAAA"),
    ] {
        assert_eq!(key(1).read(wrong), None, "{wrong}");
    }
}
