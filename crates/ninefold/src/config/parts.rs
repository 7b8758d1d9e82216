//! The configuration in the terms of the crates that it is for.

use std::time::Duration;

use api::{ApiConfig, Network};
use identity::config::{AttemptLimits, Links, PasswordConfig, Quota};

use super::Config;

impl Config {
    pub(crate) fn engine_limits(&self) -> engine::Limits {
        let limits = &self.limits;
        engine::Limits {
            page_default: limits.page_default,
            page_max: limits.page_max,
            filter_bytes_max: limits.filter_bytes_max,
            expand_depth_max: limits.expand_depth_max,
            related_max: limits.related_max,
            batch_max: limits.batch_max,
            cascade_max: limits.cascade_max,
            watch_max: limits.watch_max,
            in_flight_max: limits.in_flight_max,
            idempotency_s: limits.idempotency_s,
        }
    }

    pub(crate) fn slow_query(&self) -> Option<Duration> {
        let ms = self.log.slow_query_ms;
        (ms > 0).then(|| Duration::from_millis(ms))
    }

    /// `name` is the application's, `url` its public one.
    pub(crate) fn identity(&self, name: &str, url: &str) -> identity::Config {
        let (auth, password, links) = (&self.auth, &self.auth_password, &self.auth_links);
        identity::Config {
            application: name.to_owned(),
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            access_token_s: auth.access_token_s,
            session_s: auth.session_s,
            session_idle_s: auth.session_idle_s,
            sessions_max: auth.sessions_max,
            refresh_race_s: auth.refresh_race_s,
            secret: auth.secret.clone(),
            signing_key_s: auth.signing_key_s,
            recheck_s: auth.recheck_s,
            cache_max: auth.cache_max,
            confirm_email: auth.confirm_email,
            password_reset_s: auth.password_reset_s,
            verify_email_s: auth.verify_email_s,
            invitation_s: auth.invitation_s,
            administrator_link_s: auth.administrator_link_s,
            mail_queue_max: auth.mail_queue_max,
            password: PasswordConfig {
                bytes_min: password.bytes_min,
                bytes_max: password.bytes_max,
                memory_kib: password.memory_kib,
                passes: password.passes,
                lanes: password.lanes,
                concurrent_max: password.concurrent_max,
                waiting_max: password.waiting_max,
            },
            links: Links {
                url: url.to_owned(),
                password_reset: links.password_reset.clone(),
                verify_email: links.verify_email.clone(),
                invitation: links.invitation.clone(),
            },
            limits: self.attempt_limits(),
        }
    }

    fn attempt_limits(&self) -> AttemptLimits {
        let limits = &self.auth_limits;
        let quota = |burst, every_ms| Quota { burst, every_ms };
        AttemptLimits {
            sign_in: quota(limits.sign_in_burst, limits.sign_in_every_ms),
            sign_in_address: quota(limits.sign_in_address_burst, limits.sign_in_address_every_ms),
            sign_up: quota(limits.sign_up_burst, limits.sign_up_every_ms),
            mail: quota(limits.mail_burst, limits.mail_every_ms),
        }
    }

    pub(crate) fn api(&self, name: &str) -> ApiConfig {
        let proxies = &self.general.trusted_proxies;
        ApiConfig {
            title: name.to_owned(),
            body_bytes_max: self.limits.body_bytes_max,
            batch_bytes_max: self.limits.batch_bytes_max,
            request_timeout: Duration::from_millis(self.limits.request_timeout_ms),
            cors_origins: self.cors.origins.clone(),
            trusted_proxies: proxies
                .iter()
                .filter_map(|proxy| proxy.parse::<Network>().ok())
                .collect(),
            heartbeat: Duration::from_millis(self.live.heartbeat_ms),
            slow_client_timeout: Duration::from_millis(self.live.slow_client_timeout_ms),
        }
    }
}
