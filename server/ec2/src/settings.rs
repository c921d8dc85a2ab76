//! What the site says of this edge.

use std::time::Duration;

use crate::sig::Rules;
use crate::wire::Limits;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The one region that there is.
    pub region: String,
    /// Where clients are told to find it; None: where they have found it already.
    pub endpoint: Option<String>,
    pub rules: Rules,
    pub limits: Limits,
    /// Bytes of a request's body.
    pub body: usize,
    /// Requests that an access key may make: each second in the long run, and at once. 0 is no limit.
    pub rate: u32,
    pub burst: u32,
    /// Guests have a metadata service. Where there is none, it cannot be switched on.
    pub metadata: bool,
    /// Bytes of user-data, before base64.
    pub user_data: usize,
    /// A request that takes longer is given up.
    pub patience: Duration,
}

impl Settings {
    pub fn new(region: impl Into<String>) -> Settings {
        Settings {
            region: region.into(),
            endpoint: None,
            rules: Rules::default(),
            limits: Limits::default(),
            body: 1 << 20,
            rate: 50,
            burst: 200,
            metadata: false,
            user_data: 16 << 10,
            patience: Duration::from_secs(60),
        }
    }
}
