//! How people sign in, and every limit of this crate: `[auth]` of `ninefold.toml`.

use engine::ports::Secret;

const DAY_S: u32 = 24 * 60 * 60;

/// See the module.
#[derive(Debug, Clone)]
pub struct Config {
    /// What mails call the application.
    pub application: String,
    /// `iss` of access tokens.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// How long an access token is good for, in seconds.
    pub access_token_s: u32,
    /// How long a sign-in lasts at most, in seconds.
    pub session_s: u32,
    /// How long it lasts without a refresh, in seconds.
    pub session_idle_s: u32,
    /// Sessions of one user; the least recently used beyond it are ended.
    pub sessions_max: u32,
    /// How long the parent of the current refresh token may still come, in seconds.
    pub refresh_race_s: u32,
    /// Authenticates refresh tokens, at least 32 characters; kept in the database when it isn't given.
    pub secret: Option<Secret<String>>,
    /// How long a signing key signs, in seconds.
    pub signing_key_s: u32,
    /// After how many seconds a session and the roles of a user are read again, in case another node changed them.
    pub recheck_s: u32,
    /// Verified access tokens, sessions and users that are remembered, of each so many.
    pub cache_max: u32,
    /// Sign-up answers the same whether the address is new or not, and the mail tells.
    pub confirm_email: bool,
    /// How long a link to set a new password is good for, in seconds.
    pub password_reset_s: u32,
    /// How long a link to confirm an address is good for, in seconds.
    pub verify_email_s: u32,
    /// How long an invitation is good for, in seconds.
    pub invitation_s: u32,
    /// How long an administrator's sign-in link is good for, in seconds.
    pub administrator_link_s: u32,
    /// Mails that may wait to be sent.
    pub mail_queue_max: u32,
    pub password: PasswordConfig,
    pub links: Links,
    pub limits: AttemptLimits,
}

/// argon2id as OWASP recommends it, and how many at once.
#[derive(Debug, Clone, Copy)]
pub struct PasswordConfig {
    pub bytes_min: u32,
    pub bytes_max: u32,
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    /// Hashes computed at once; 0 is one for each processor.
    pub concurrent_max: u32,
    /// Hashes that may wait for their turn.
    pub waiting_max: u32,
}

/// Where mails lead. `{token}` and `{url}`, the application's own address, are filled in.
#[derive(Debug, Clone)]
pub struct Links {
    /// The application's own address.
    pub url: String,
    pub password_reset: String,
    pub verify_email: String,
    pub invitation: String,
}

/// How often something may be tried.
#[derive(Debug, Clone, Copy)]
pub struct AttemptLimits {
    /// Failed sign-ins from one address to one account.
    pub sign_in: Quota,
    /// Sign-ins from one address.
    pub sign_in_address: Quota,
    /// Sign-ups from one address.
    pub sign_up: Quota,
    /// Mails to one recipient.
    pub mail: Quota,
}

/// So many at once, and then one every so many milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub burst: u32,
    pub every_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            application: "Ninefold".into(),
            issuer: "ninefold".into(),
            audience: "ninefold".into(),
            access_token_s: 900,
            session_s: 30 * DAY_S,
            session_idle_s: 14 * DAY_S,
            sessions_max: 100,
            refresh_race_s: 10,
            secret: None,
            signing_key_s: 30 * DAY_S,
            recheck_s: 30,
            cache_max: 16_384,
            confirm_email: false,
            password_reset_s: 3_600,
            verify_email_s: DAY_S,
            invitation_s: 7 * DAY_S,
            administrator_link_s: 900,
            mail_queue_max: 256,
            password: PasswordConfig::default(),
            links: Links::default(),
            limits: AttemptLimits::default(),
        }
    }
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            bytes_min: 8,
            bytes_max: 1_024,
            memory_kib: 19 * 1_024,
            passes: 2,
            lanes: 1,
            concurrent_max: 0,
            waiting_max: 256,
        }
    }
}

impl Default for Links {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".into(),
            password_reset: "{url}/#reset-password={token}".into(),
            verify_email: "{url}/#verify-email={token}".into(),
            invitation: "{url}/#invitation={token}".into(),
        }
    }
}

impl Default for AttemptLimits {
    fn default() -> Self {
        let quota = |burst, every_ms| Quota { burst, every_ms };
        Self {
            sign_in: quota(10, 10_000),
            sign_in_address: quota(300, 200),
            sign_up: quota(300, 200),
            mail: quota(5, 300_000),
        }
    }
}

impl Config {
    /// # Errors
    /// A sentence about the first key that can't be used.
    pub fn validate(&self) -> Result<(), String> {
        let lasting = [
            ("access_token_s", self.access_token_s),
            ("session_s", self.session_s),
            ("session_idle_s", self.session_idle_s),
            ("sessions_max", self.sessions_max),
            ("cache_max", self.cache_max),
            ("password_reset_s", self.password_reset_s),
            ("verify_email_s", self.verify_email_s),
            ("invitation_s", self.invitation_s),
            ("administrator_link_s", self.administrator_link_s),
            ("mail_queue_max", self.mail_queue_max),
            ("password.waiting_max", self.password.waiting_max),
        ];
        if let Some((key, _)) = lasting.iter().find(|(_, value)| *value == 0) {
            return Err(format!("auth.{key} must be at least 1"));
        }
        if self.signing_key_s < self.access_token_s.saturating_mul(2) {
            return Err("auth.signing_key_s must be at least twice auth.access_token_s".into());
        }
        if self.secret.as_ref().is_some_and(|secret| secret.expose().len() < 32) {
            return Err("auth.secret must have at least 32 characters".into());
        }
        self.password.validate()?;
        self.links.validate()?;
        self.limits.validate()
    }
}

impl PasswordConfig {
    fn validate(&self) -> Result<(), String> {
        if self.bytes_min < 8 || self.bytes_max < 64 || self.bytes_max > 4_096 {
            return Err("auth.password must let passwords have 8 bytes or more, and at most 64 to 4096".into());
        }
        crate::password::parameters(self)
            .map(|_| ())
            .map_err(|error| format!("auth.password: argon2 can't work so: {error}"))
    }
}

impl Links {
    fn validate(&self) -> Result<(), String> {
        let links = [
            ("password_reset", &self.password_reset),
            ("verify_email", &self.verify_email),
            ("invitation", &self.invitation),
        ];
        match links.iter().find(|(_, link)| !link.contains("{token}")) {
            Some((key, _)) => Err(format!("auth.links.{key} must contain {{token}}")),
            None => Ok(()),
        }
    }

    pub(crate) fn fill(&self, link: &str, token: &str) -> String {
        link.replace("{url}", self.url.trim_end_matches('/'))
            .replace("{token}", token)
    }
}

impl AttemptLimits {
    fn validate(&self) -> Result<(), String> {
        let quotas = [
            ("sign_in", self.sign_in),
            ("sign_in_address", self.sign_in_address),
            ("sign_up", self.sign_up),
            ("mail", self.mail),
        ];
        let usable = |quota: Quota| quota.burst > 0 && quota.every_ms > 0;
        match quotas.iter().find(|(_, quota)| !usable(*quota)) {
            Some((key, _)) => Err(format!("auth.limits.{key} needs a burst and an every_ms of at least 1")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
