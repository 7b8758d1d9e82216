//! An archive in a bucket of Amazon's S3, or of whatever else speaks its protocol.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use engine::ports::Secret;
use engine::ports::archive::{Archive, ArchiveError};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

/// How long a request that is signed may be sent.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a page of a list, which has a thousand names at most.
const LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
const ERROR_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Clone)]
pub struct S3Options {
    pub bucket: String,
    /// Before every name; without a slash at its end.
    pub prefix: String,
    /// Of a service other than Amazon's: `https://minio.example:9000`.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key: String,
    pub secret_key: Secret<String>,
    pub session_token: Option<Secret<String>>,
    /// How long one request may take.
    pub timeout: Duration,
}

pub struct S3Archive {
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
    agent: Agent,
}

impl S3Archive {
    /// # Errors
    /// What is wrong with the options.
    pub fn new(options: &S3Options) -> Result<Self, String> {
        let (endpoint, style) = match &options.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            None => (
                format!("https://s3.{}.amazonaws.com", options.region),
                UrlStyle::VirtualHost,
            ),
        };
        let endpoint = endpoint.parse().map_err(|_| format!("{endpoint:?} is no URL"))?;
        let bucket = Bucket::new(endpoint, style, options.bucket.clone(), options.region.clone())
            .map_err(|error| error.to_string())?;
        let (key, secret) = (options.access_key.clone(), options.secret_key.expose().clone());
        let credentials = match &options.session_token {
            Some(token) => Credentials::new_with_token(key, secret, token.expose().clone()),
            None => Credentials::new(key, secret),
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(options.timeout))
            .build();
        Ok(Self {
            bucket,
            credentials,
            prefix: match options.prefix.is_empty() {
                true => String::new(),
                false => format!("{}/", options.prefix),
            },
            agent: agent.into(),
        })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The answer, if it is one of success; `None`: there is no such object.
    fn answered(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Option<Response<Body>>, ArchiveError> {
        let mut answer = answer.map_err(|error| self.failed(&error.to_string()))?;
        if answer.status().is_success() {
            return Ok(Some(answer));
        }
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ERROR_BYTES_MAX).read_to_string();
        let text = text.unwrap_or_default();
        let code = text
            .split("<Code>")
            .nth(1)
            .and_then(|rest| rest.split("</Code>").next());
        match (status, code) {
            (StatusCode::NOT_FOUND, Some("NoSuchKey")) => Ok(None),
            (_, Some(code)) => Err(self.failed(&format!("the service answers {code}"))),
            (_, None) => Err(self.failed(&format!("the service answers {status}"))),
        }
    }

    fn failed(&self, what: &str) -> ArchiveError {
        ArchiveError(format!("{}: {what}", self.name()))
    }

    /// One page of a list, and the token of the next.
    fn page(&self, prefix: &str, token: Option<&str>) -> Result<(Vec<String>, Option<String>), ArchiveError> {
        let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
        list.with_prefix(self.key(prefix));
        if let Some(token) = token {
            list.with_continuation_token(token.to_owned());
        }
        let answer = self.answered(self.agent.get(list.sign(SIGNED_FOR).as_str()).call())?;
        let mut answer = answer.ok_or_else(|| self.failed("the service answers 404"))?;
        let text = answer.body_mut().with_config().limit(LIST_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| self.failed(&error.to_string()))?;
        let page = ListObjectsV2::parse_response(&text).map_err(|error| self.failed(&error.to_string()))?;
        let names = page.contents.iter();
        let names = names.filter_map(|object| object.key.strip_prefix(&self.prefix).map(str::to_owned));
        Ok((names.collect(), page.next_continuation_token))
    }
}

impl Archive for S3Archive {
    fn name(&self) -> String {
        let name = format!("s3://{}/{}", self.bucket.name(), self.prefix);
        name.trim_end_matches('/').to_owned()
    }

    fn put(&self, name: &str, file: &File) -> Result<(), ArchiveError> {
        let length = file.metadata().map_err(|error| self.failed(&error.to_string()))?.len();
        let key = self.key(name);
        let url = self.bucket.put_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        let request = self
            .agent
            .put(url.as_str())
            .header("content-length", length.to_string());
        match self.answered(request.send(file))? {
            Some(_) => Ok(()),
            None => Err(self.failed("the service answers 404")),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Box<dyn Read>>, ArchiveError> {
        let key = self.key(name);
        let url = self.bucket.get_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        let answer = self.answered(self.agent.get(url.as_str()).call())?;
        Ok(answer.map(|answer| Box::new(answer.into_body().into_reader()) as Box<dyn Read>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ArchiveError> {
        let (mut names, mut next) = self.page(prefix, None)?;
        while let Some(token) = next {
            let (more, after) = self.page(prefix, Some(&token))?;
            names.extend(more);
            next = after;
        }
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        let key = self.key(name);
        let url = self
            .bucket
            .delete_object(Some(&self.credentials), &key)
            .sign(SIGNED_FOR);
        self.answered(self.agent.delete(url.as_str()).call()).map(|_| ())
    }
}
