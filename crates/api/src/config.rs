//! What can be set about the HTTP surface; each is a key of `[http]` in `ninefold.toml`.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;

/// Settings of the HTTP surface.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The application's name, as its documentation shows it.
    pub title: String,
    /// The largest body of a request, in bytes; [`ApiConfig::batch_bytes_max`] where many records come at once.
    pub body_bytes_max: usize,
    /// The largest body of `POST /api/batch` and of an array create, in bytes.
    pub batch_bytes_max: usize,
    /// How long a request may take, its body included. A live stream is answered within it and then stays open.
    pub request_timeout: Duration,
    /// Origins whose pages may call the API (`https://app.example.org`); a single `*` lets all.
    pub cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How often a live stream shows that it is alive.
    pub heartbeat: Duration,
    /// How long a live stream waits for a client that doesn't read before it is cut off.
    pub slow_client_timeout: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            title: "Ninefold".to_owned(),
            body_bytes_max: 1024 * 1024,
            batch_bytes_max: 8 * 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            heartbeat: Duration::from_secs(15),
            slow_client_timeout: Duration::from_secs(30),
        }
    }
}

impl ApiConfig {
    /// # Errors
    /// A sentence for each setting that can't be.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if self.body_bytes_max < 1024 {
            problems.push("body_bytes_max: must be at least 1024".to_owned());
        }
        if self.batch_bytes_max < self.body_bytes_max {
            problems.push("batch_bytes_max: must be at least body_bytes_max".to_owned());
        }
        for (name, duration) in [
            ("request_timeout", self.request_timeout),
            ("heartbeat", self.heartbeat),
            ("slow_client_timeout", self.slow_client_timeout),
        ] {
            if duration < Duration::from_millis(100) || duration > Duration::from_secs(60 * 60) {
                problems.push(format!("{name}: must be between 100 ms and an hour"));
            }
        }
        for origin in &self.cors_origins {
            if let Err(problem) = check_origin(origin, self.cors_origins.len()) {
                problems.push(format!("cors_origins: `{origin}` {problem}"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

fn check_origin(origin: &str, origins: usize) -> Result<(), &'static str> {
    if origin == "*" {
        return if origins == 1 {
            Ok(())
        } else {
            Err("stands alone, since it lets all")
        };
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        return Err("is no origin; write it like https://app.example.org");
    };
    if scheme.is_empty() || host.is_empty() || host.contains('/') || HeaderValue::from_str(origin).is_err() {
        return Err("is no origin; write scheme, host and port alone, like https://app.example.org");
    }
    Ok(())
}

/// An address, or a block of addresses (`10.0.0.0/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                leading_bits(u32::from(network).into(), 32, self.prefix)
                    == leading_bits(u32::from(address).into(), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                leading_bits(network.into(), 128, self.prefix) == leading_bits(address.into(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn leading_bits(address: u128, width: u32, prefix: u8) -> u128 {
    address.checked_shr(width - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address; write 10.0.0.1 or 10.0.0.0/8");
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if prefix > width {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let check = |network: &str, address: &str, expected: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{network:?} {address}"
            );
        };
        check("10.0.0.0/8", "10.200.3.4", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("::/0", "fd00::1", true);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe80::1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("10.0.0.0/8", "fd00::1", false);
    }

    #[test]
    fn refuses_what_is_no_network() {
        for text in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "::/129", "localhost"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_checked() {
        let check = |origins: &[&str], good: bool| {
            let cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
            let config = ApiConfig {
                cors_origins,
                ..ApiConfig::default()
            };
            assert_eq!(config.validate().is_ok(), good, "{origins:?}");
        };
        check(&[], true);
        check(&["*"], true);
        check(&["https://app.example.org", "http://localhost:5173"], true);
        check(&["*", "https://app.example.org"], false);
        check(&["app.example.org"], false);
        check(&["https://app.example.org/"], false);
    }
}
