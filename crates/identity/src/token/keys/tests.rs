use super::*;

/// RFC 8037, appendix A.
#[test]
fn keys_are_those_of_the_standard() {
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    let (_, public) = parse(&seed).expect("a key");
    let json = serde_json::to_value(&public).expect("JSON");
    assert_eq!(json["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!((&json["kty"], &json["crv"]), (&"OKP".into(), &"Ed25519".into()));
    assert_eq!((&json["alg"], &json["use"]), (&"EdDSA".into(), &"sig".into()));
    assert_eq!(json.get("d"), None, "nothing private");
    let thumbprint = public.thumbprint(ThumbprintHash::SHA256).expect("a thumbprint");
    assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}
