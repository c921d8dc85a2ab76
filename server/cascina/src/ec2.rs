//! The EC2 API as the configuration has it.

use std::net::SocketAddr;

use anyhow::bail;
use cascina_core::launch::MOST_USER_DATA;
use cascina_ec2::Settings;
use serde::Deserialize;

/// Room for user-data in base64, and for what is beside it.
const BESIDE: usize = 256 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ec2 {
    pub enabled: bool,
    /// Where clients find it at `/`. It also answers below the API's own address.
    pub listen: SocketAddr,
    /// What clients are told its address is; None: where it listens.
    pub url: Option<String>,
    /// Name of the one region. Some clients take Amazon's names only.
    pub region: String,
    /// Also takes signatures of version 2, as old clients make them.
    pub sigv2: bool,
    /// Refuses signatures for another region or service.
    pub strict: bool,
    /// How far a client's clock may be from the server's.
    pub clock_skew_s: u64,
    /// Of one access key, in the long run; 0: no limit.
    pub requests_per_s: u32,
    /// Of one access key, at once.
    pub burst: u32,
    /// KiB, before base64.
    pub user_data_kib: usize,
}

impl Default for Ec2 {
    fn default() -> Ec2 {
        Ec2 {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 7480)),
            url: None,
            region: "us-east-1".into(),
            sigv2: false,
            strict: false,
            clock_skew_s: 900,
            requests_per_s: 100,
            burst: 500,
            user_data_kib: 16,
        }
    }
}

impl Ec2 {
    pub fn check(&self) -> anyhow::Result<()> {
        let most = MOST_USER_DATA >> 10;
        if !(1..=most).contains(&self.user_data_kib) {
            bail!("ec2.user_data_kib = {}; allowed: 1 to {most}", self.user_data_kib);
        }
        if !(1..=86_400).contains(&self.clock_skew_s) {
            bail!("ec2.clock_skew_s = {}; allowed: 1 to 86400", self.clock_skew_s);
        }
        if self.requests_per_s > 0 && self.burst == 0 {
            bail!("ec2.burst = 0; allowed: at least 1, unless requests_per_s is 0");
        }
        let letters = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !(1..=63).contains(&self.region.len()) || !letters(&self.region) {
            bail!("ec2.region = `{}`; allowed: 1 to 63 of a-z 0-9 -", self.region);
        }
        if let Some(url) = self.url.as_ref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            bail!("ec2.url = `{url}`; allowed: an address that begins with http:// or https://");
        }
        Ok(())
    }

    /// What clients are told its address is.
    pub fn address(&self, listens: SocketAddr) -> String {
        self.url.clone().unwrap_or_else(|| format!("http://{listens}/"))
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.region.clone());
        // Clients take the endpoint of a region for a host, without a scheme.
        let host = self.url.as_ref().and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
        settings.endpoint = host.map(|host| host.trim_end_matches('/').to_owned());
        settings.rules.skew_ms = self.clock_skew_s * 1000;
        settings.rules.sigv2 = self.sigv2;
        settings.rules.region = self.strict.then(|| self.region.clone());
        settings.user_data = self.user_data_kib << 10;
        settings.body = settings.user_data * 4 / 3 + BESIDE;
        settings.rate = self.requests_per_s;
        settings.burst = self.burst;
        settings
    }
}
