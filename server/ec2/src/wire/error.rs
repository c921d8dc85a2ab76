//! What can be wrong with parameters.

/// Each names the whole parameter, as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    #[error("The parameter {0} is not recognized")]
    Unknown(String),
    #[error("The request must contain the parameter {0}")]
    Missing(String),
    #[error("Value ({value}) for parameter {name} is invalid. {why}")]
    Invalid { name: String, value: String, why: String },
    #[error("The parameter {0} may only be specified once")]
    Twice(String),
    /// Not a form at all.
    #[error("The query string is malformed: {0}")]
    Malformed(String),
    #[error("The request has more than {0} parameters")]
    TooMany(usize),
    #[error("The value of parameter {name} has more than {limit} bytes")]
    TooLong { name: String, limit: usize },
}

/// What is repeated of a stranger's words.
const REPEATED: usize = 128;

/// The beginning of a text, for messages.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(REPEATED).collect()
}

impl ParamError {
    pub fn invalid(name: impl Into<String>, value: &str, why: impl Into<String>) -> ParamError {
        ParamError::Invalid { name: name.into(), value: short(value), why: why.into() }
    }

    /// The same, told from one level further up: `Size` in `Ebs` is `Ebs.Size`.
    #[must_use]
    pub(crate) fn within(mut self, parent: &str) -> ParamError {
        let name = match &mut self {
            ParamError::Unknown(name) | ParamError::Missing(name) | ParamError::Twice(name) => name,
            ParamError::Invalid { name, .. } | ParamError::TooLong { name, .. } => name,
            ParamError::Malformed(_) | ParamError::TooMany(_) => return self,
        };
        if name.is_empty() {
            name.push_str(parent);
        } else {
            name.insert(0, '.');
            name.insert_str(0, parent);
        }
        self
    }
}
