//! What would be granted in place of what was refused.

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Fewer,
    Smaller,
    OtherClass,
    Later,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    pub flavor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    pub count: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Grant {
    pub kind: Kind,
    /// For people.
    pub text: String,
    pub instances: Vec<Line>,
    /// From when on, if not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// It is held for the caller until `expires`: `POST /v1/offers/{token}/accept` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}
