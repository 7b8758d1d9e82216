use super::*;

fn read(file: &str, environment: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let overrides = Overrides {
        set: set.iter().map(own).collect(),
        ..Overrides::default()
    };
    Config::read(file, environment.iter().map(own), &overrides)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn refused(file: &str, expected: &[&str]) {
    assert_eq!(read(file, &[], &[]).unwrap_err(), expected);
}

#[test]
fn nothing_written_is_the_defaults() {
    assert_eq!(read("", &[], &[]), Ok(Config::default()));
}

#[test]
fn later_layers_win() {
    let file = "[limits]\npage_max = 100\nbatch_max = 7\nrelated_max = 7\n";
    let environment = [
        ("NINEFOLD_LIMITS__PAGE_MAX", "200"),
        ("NINEFOLD_LIMITS__BATCH_MAX", "8"),
    ];
    let config = read(file, &environment, &[("limits.page_max", "300")]).unwrap();
    assert_eq!(
        (
            config.limits.page_max,
            config.limits.batch_max,
            config.limits.related_max
        ),
        (300, 8, 7)
    );
}

#[test]
fn a_flag_of_its_own_wins_over_set() {
    let overrides = Overrides {
        listen: Some("127.0.0.1:1".to_owned()),
        set: vec![("listen".to_owned(), "127.0.0.1:2".to_owned())],
        ..Overrides::default()
    };
    let config = Config::read("", [], &overrides).unwrap();
    assert_eq!(config.general.listen, "127.0.0.1:1");
}

#[test]
fn every_kind_of_value_can_be_read_from_text() {
    let environment = [
        ("NINEFOLD_LISTEN", "[::1]:9"),
        ("NINEFOLD_DATABASE__SYNCHRONOUS", "normal"),
        ("NINEFOLD_AUTH__CONFIRM_EMAIL", "true"),
        ("NINEFOLD_AUTH__SECRET", "0123456789abcdef0123456789abcdef"),
        ("NINEFOLD_CORS__ORIGINS", "https://a.example, https://b.example"),
        ("NINEFOLD_PUBLIC_URL", ""),
    ];
    let config = read("", &environment, &[]).unwrap();
    assert_eq!(config.general.listen, "[::1]:9");
    assert_eq!(config.general.public_url, None);
    assert_eq!(config.database.synchronous, Synchronous::Normal);
    assert!(config.auth.confirm_email);
    assert!(config.auth.secret.is_some());
    assert_eq!(config.cors.origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn all_problems_at_once_with_their_places() {
    refused(
        "listn = \"127.0.0.1:1\"\n[limits]\n  pge_max = 1\npage_default = \"many\"\n[limit]\npage_max = 3\n",
        &[
            "ninefold.toml:1:1: unknown key `listn`; did you mean `listen`?",
            "ninefold.toml:3:3: unknown key `limits.pge_max`; did you mean `limits.page_max`?",
            "ninefold.toml:4:1: `limits.page_default`: expected a whole number from 0 to 4294967295, found \"many\"",
            "ninefold.toml:5:2: unknown section `limit`; did you mean `limits`?",
        ],
    );
}

#[test]
fn values_out_of_range_name_where_they_were_written() {
    refused(
        "[limits]\npage_max = 10\n",
        &["default: `limits.page_default`: 30 is out of range: from 1 to page_max, which is 10"],
    );
    refused(
        "listen = \"somewhere\"",
        &["ninefold.toml:1:1: `listen`: \"somewhere\" is no address; write host:port, such as \"127.0.0.1:8080\""],
    );
    refused(
        "trusted_proxies = [\"10.0.0.0/8\", \"proxy\"]",
        &[
            "ninefold.toml:1:1: `trusted_proxies`: \"proxy\" is no address; write \"10.0.0.7\", or a block such as \"10.0.0.0/8\"",
        ],
    );
    let problems = read("", &[("NINEFOLD_DATABASE__URL", "oracle:x")], &[]).unwrap_err();
    assert!(
        problems[0].starts_with("environment variable NINEFOLD_DATABASE__URL: `database.url`:"),
        "{problems:?}"
    );
}

#[test]
fn a_broken_file_says_where() {
    let problems = read("[limits\npage_max = 1", &[], &[]).unwrap_err();
    assert!(problems[0].starts_with("ninefold.toml:1:"), "{problems:?}");
    refused(
        "limits = 3",
        &["ninefold.toml:1:1: `limits` is a section; write its keys under [limits]"],
    );
}

#[test]
fn sections_nest() {
    let config = read(
        "[auth.password]\npasses = 3\n",
        &[("NINEFOLD_AUTH__PASSWORD__LANES", "2")],
        &[],
    )
    .unwrap();
    assert_eq!((config.auth_password.passes, config.auth_password.lanes), (3, 2));
    refused(
        "[auth.passwords]\npasses = 3\n[auth]\nissuers = 4",
        &[
            "ninefold.toml:1:7: unknown section `auth.passwords`; did you mean `auth.password`?",
            "ninefold.toml:4:1: unknown key `auth.issuers`; did you mean `auth.issuer`?",
        ],
    );
}

#[test]
fn unknown_variables_are_refused_when_they_look_like_ours() {
    let problems = read("", &[("NINEFOLD_LIMITS__PAGEMAX", "1"), ("NINEFOLD_LISTN", "1")], &[]).unwrap_err();
    assert_eq!(
        problems,
        [
            "environment variable NINEFOLD_LIMITS__PAGEMAX: unknown key `limits.pagemax`; did you mean `limits.page_max`?",
            "environment variable NINEFOLD_LISTN: unknown key `listn`; did you mean `listen`?",
        ]
    );
    assert_eq!(
        read("", &[("NINEFOLD_PORT", "tcp://10.0.0.1:80")], &[]),
        Ok(Config::default()),
        "Kubernetes sets such names"
    );
}

#[test]
fn secrets_are_never_shown() {
    let config = read("", &[], &[("auth.secret", "0123456789abcdef0123456789abcdef")]).unwrap();
    assert!(!format!("{config:?}").contains("0123"));
    let problems = read("[auth]\nsecret = 12345", &[], &[]).unwrap_err();
    assert!(!problems[0].contains("12345"), "{problems:?}");
}

#[test]
fn replicas_are_of_the_primarys_kind_which_is_a_servers() {
    let check = |url: &str, replicas: &str, expected: Option<&str>| {
        let set = [("database.url", url), ("database.replicas", replicas)];
        let read = read("", &[], &set);
        match (read, expected) {
            (Ok(_), None) => {}
            (Err(problems), Some(expected)) => {
                let [problem] = problems.as_slice() else {
                    panic!("{problems:?}")
                };
                assert!(problem.contains(expected) && !problem.contains("hush"), "{problem}");
            }
            (read, _) => panic!("{url} {replicas}: {read:?}"),
        }
    };
    let (first, second) = ("postgresql://shop:hush@one/shop", "postgres://shop:hush@two/shop");
    check(first, second, None);
    check(first, &format!("{second},{second}"), None);
    check(
        first,
        &format!("{second},mysql://shop:hush@two/shop"),
        Some("replica 2 is of another kind"),
    );
    check(first, &[second; 17].join(","), Some("17 are too many; at most 16"));
    check("sqlite:data/app.db", second, Some("ninefold move"));
    let mysql = "mysql://shop:hush@one/shop";
    check(mysql, "mysql://shop:hush@two/shop,mariadb://shop:hush@three/shop", None);
    check(mysql, second, Some("replica 1 is of another kind"));
    check("mongodb://one/shop", "mongodb://two/shop", Some("primary alone"));
    let not_a_list = self::read("[database]\nreplicas = \"postgresql://shop:hush@one/shop\"", &[], &[]);
    let problems = not_a_list.unwrap_err();
    assert!(
        problems[0].contains("a list of text") && !problems[0].contains("hush"),
        "{problems:?}"
    );
}

/// `UPDATE=1 cargo test -p ninefold --lib reference` writes the page anew.
#[test]
fn the_reference_page_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, reference()).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        written,
        reference(),
        "docs/configuration.md is stale: run this test with UPDATE=1"
    );
}

/// Nobody adds a limit without saying what is beyond it.
#[test]
fn the_page_of_limits_names_all_of_them() {
    let page = include_str!("../../../../docs/limits.md");
    let config = Config::default();
    let limits = config
        .sections()
        .into_iter()
        .find(|section| section.name() == "limits")
        .unwrap();
    for key in limits.keys() {
        assert!(
            page.contains(&format!("`{}`", key.name)),
            "docs/limits.md does not mention {}",
            key.name
        );
    }
}
