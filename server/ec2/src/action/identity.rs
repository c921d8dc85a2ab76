//! Who is asking. It is an action of Amazon's token service, which clients ask at the address that they know.

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::fault::Fault;
use crate::wire::xml::{self, XmlError};

pub const NAME: &str = "GetCallerIdentity";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GetCallerIdentity {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    get_caller_identity_result: Caller,
    response_metadata: Metadata,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Caller {
    arn: String,
    user_id: String,
    account: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    request_id: String,
}

pub async fn get_caller_identity(call: Call, _: GetCallerIdentity) -> Result<Identity, Fault> {
    let user_id = call.who.user.map(|id| id.to_string()).unwrap_or_default();
    let caller =
        Caller { arn: format!("arn:aws:iam::{}:user/{}", call.account, call.who.name), user_id, account: call.account };
    Ok(Identity { get_caller_identity_result: caller, response_metadata: Metadata { request_id: call.request_id } })
}

/// The answer in that service's form, which says the request's id at its end.
///
/// # Errors
///
/// As [`xml::response`].
pub fn response<T: Serialize>(answer: &T) -> Result<String, XmlError> {
    xml::document(&format!("{NAME}Response"), NAMESPACE, None, answer)
}
