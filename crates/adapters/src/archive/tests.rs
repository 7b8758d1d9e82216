use std::time::{Duration, SystemTime};

use engine::ports::Secret;
use engine::ports::archive::Archive;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use tempfile::TempDir;
use testkit::archive::conforms;
use testkit::services::s3_url;

use super::*;

fn options(bucket: &str) -> S3Options {
    S3Options {
        bucket: bucket.to_owned(),
        prefix: "shop/eu".to_owned(),
        endpoint: Some(s3_url()),
        region: "us-east-1".to_owned(),
        access_key: "key".to_owned(),
        secret_key: Secret::new("very secret".to_owned()),
        session_token: None,
        timeout: Duration::from_secs(60),
    }
}

fn make_bucket(name: &str) {
    let S3Options { region, .. } = options(name);
    let bucket = Bucket::new(s3_url().parse().unwrap(), UrlStyle::Path, name.to_owned(), region).unwrap();
    let credentials = Credentials::new("key", "very secret");
    let url = bucket.create_bucket(&credentials).sign(Duration::from_secs(60));
    ureq::put(url.as_str()).send_empty().unwrap();
}

#[test]
fn a_folder_conforms() {
    let folder = TempDir::new().unwrap();
    conforms(&FolderArchive::new(folder.path().join("of/backups")));
}

#[test]
fn a_bucket_conforms() {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let bucket = format!("ninefold-{}", since.as_nanos());
    let archive = S3Archive::new(&options(&bucket)).unwrap();
    let missing = archive.list("").unwrap_err().to_string();
    assert!(
        missing.ends_with("/shop/eu: the service answers NoSuchBucket"),
        "{missing}"
    );
    make_bucket(&bucket);
    conforms(&archive);
}

#[test]
fn a_service_that_is_not_there_is_told_without_secrets() {
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let archive = S3Archive::new(&S3Options {
        endpoint,
        ..options("bucket")
    });
    let told = archive.unwrap().list("").unwrap_err().to_string();
    assert!(told.starts_with("s3://bucket/shop/eu: "), "{told}");
    assert!(!told.contains("secret") && !told.contains("key"), "{told}");
}
