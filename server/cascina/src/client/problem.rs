//! Problem details (RFC 9457) in words, with what to do next.

use std::fmt;

use serde_json::Value;

#[derive(Debug)]
pub struct Problem {
    pub status: u16,
    /// A problem document, or whatever came in its place.
    pub body: Value,
}

impl Problem {
    fn text(&self, key: &str) -> Option<String> {
        match self.body.get(key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Null | Value::String(_) => None,
            other => Some(other.to_string()),
        }
    }

    /// Id of the decision that it came from; the document may link to it instead.
    fn decision(&self) -> Option<String> {
        let text = self.text("decision")?;
        Some(text.rsplit('/').next().unwrap_or(&text).to_owned())
    }

    fn advice(&self) -> Option<String> {
        if let Some(decision) = self.decision() {
            return Some(format!("see why: cascina decision explain {decision}"));
        }
        let kind = self.text("type").unwrap_or_default();
        let advice = match self.status {
            // Says by itself what to do.
            403 if kind.ends_with(":quota-exceeded") => return None,
            401 => "give a valid token with --token-file or CASCINA_TOKEN; `cascina token create` makes one",
            403 => "ask somebody with the role that it takes, or use that one's token",
            404 => "list what is there with the `list` command of the same noun",
            429 | 503 => "try again in a moment",
            500..600 => "see the server's log; nothing was changed unless an operation shows it",
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.text("title").unwrap_or_else(|| format!("the server answered with status {}", self.status));
        let none = Vec::new();
        let reasons = self.body.get("reasons").and_then(Value::as_array).unwrap_or(&none);
        // The detail repeats the title and the reasons.
        let detail = self.text("detail").filter(|_| reasons.is_empty());
        match (&self.body, &detail) {
            (_, Some(detail)) => write!(f, "{detail}")?,
            (Value::String(body), None) => write!(f, "{title}: {}", body.chars().take(500).collect::<String>())?,
            _ => write!(f, "{title}")?,
        }
        let parts = ["field", "value", "allowed"].map(|key| (key, self.text(key)));
        let told = |(_, text): &(&str, Option<String>)| match (&detail, text) {
            (Some(detail), Some(text)) => detail.contains(text.as_str()),
            (_, text) => text.is_none(),
        };
        if !parts.iter().all(told) {
            for (key, text) in &parts {
                if let Some(text) = text {
                    write!(f, "\n  {key}: {text}")?;
                }
            }
        }
        for reason in reasons {
            let text = reason.get("text").and_then(Value::as_str).or_else(|| reason.as_str());
            write!(f, "\n  - {}", text.unwrap_or_default())?;
        }
        if let Some(offer) = self.body.get("offer").filter(|offer| !offer.is_null()) {
            write!(f, "\n  would be granted: {offer}")?;
        }
        for grant in self.body.get("grants").and_then(Value::as_array).unwrap_or(&none) {
            let text = |key: &str| grant.get(key).and_then(Value::as_str);
            write!(f, "\n  would be granted: {}", text("text").unwrap_or_default())?;
            if let Some(from) = text("from") {
                write!(f, " (from {from} on)")?;
            }
            if let (Some(token), Some(expires)) = (text("token"), text("expires")) {
                write!(f, "\n    held until {expires} for you: cascina offer accept {token}")?;
            }
        }
        match self.advice() {
            Some(advice) => write!(f, "\n{advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let body = json!({"title": "invalid", "detail": "no such flavor", "field": "flavor", "value": "m9", "allowed": "m1.small"});
        let said = Problem { status: 400, body }.to_string();
        assert!(said.contains("field: flavor") && said.contains("allowed: m1.small"), "{said}");
        let body = json!({"title": "denied by policy", "decision": "/v1/decisions/decision-01"});
        assert!(Problem { status: 403, body }.to_string().contains("cascina decision explain decision-01"));
    }

    #[test]
    fn copes_with_what_is_no_problem_document() {
        let said = Problem { status: 502, body: Value::String("<html>".into()) }.to_string();
        assert!(said.contains("502") && said.contains("<html>"), "{said}");
    }
}
