//! Calls of programs that sign with access keys, as they are written into the books.

use crate::id::AccessKeyId;
use crate::units::Timestamp;

/// One call, or several alike that only looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// None: nobody that is known.
    pub key: Option<AccessKeyId>,
    /// The key as it was sent, or its holder's name.
    pub actor: String,
    /// For example `ec2`.
    pub edge: &'static str,
    pub action: String,
    /// `ok`, or the error's code.
    pub result: String,
    /// Id of the last request.
    pub request: String,
    pub count: u64,
    pub last: Timestamp,
}
