//! What fuzzers call: whatever comes, the edge neither panics nor blames itself.

use std::cell::LazyCell;

use cascina_core::units::Timestamp;

use crate::action::Actions;
use crate::fault::Fault;
use crate::sig::{self, Header, Received, Rules};
use crate::wire::{Limits, Params, fingerprint};

/// The access key and the secret that the seeds are signed with, of Amazon's documentation.
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// When they were signed: 2026-01-02T03:04:05Z.
const THEN: Timestamp = Timestamp(1_767_323_045_000);
/// Longer messages would hand a stranger's words around.
const MESSAGE: usize = 4000;

thread_local! {
    static ACTIONS: LazyCell<Actions> = LazyCell::new(Actions::default);
}

fn blameless(fault: &Fault) {
    assert!((400..500).contains(&fault.status()), "{fault}");
    assert!(fault.message.len() < MESSAGE, "{} bytes of message", fault.message.len());
}

/// A form: up to the first line feed as a query, and from there as a body, for each of the actions.
///
/// # Panics
///
/// If the edge would fail.
pub fn form(data: &[u8]) {
    let at = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (query, body) = (String::from_utf8_lossy(&data[..at]), data.get(at + 1..).unwrap_or_default());
    let params = match Params::parse(&query, body, &Limits::default()) {
        Ok(params) => params,
        Err(error) => return blameless(&error.into()),
    };
    let tree = match params.tree() {
        Ok(tree) => tree,
        Err(error) => return blameless(&error.into()),
    };
    assert_eq!(fingerprint("A", &tree, &[]), fingerprint("A", &tree, &[]));
    ACTIONS.with(|actions| {
        if let Err(fault) = actions.find(params.get("Action").unwrap_or_default()) {
            blameless(&fault);
        }
        for (name, _) in actions.list() {
            // All of them: what is a mistake for one is the next one's parameter.
            if let Ok(action) = actions.find(name)
                && let Err(error) = action.reads(&tree)
            {
                blameless(&error.into());
            }
        }
    });
}

/// A request in full: a line with method and target, headers, an empty line, and a body.
///
/// # Panics
///
/// If the edge would fail, or believes somebody else.
pub fn request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let headers: Vec<Header<'_>> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let params = match Params::parse(query, body.as_bytes(), &Limits::default()) {
        Ok(params) => params,
        Err(error) => return blameless(&error.into()),
    };
    let received = Received { method, path, query, headers: &headers, body: body.as_bytes(), params: &params };
    let strict = Rules { region: Some("garr".into()), ..Rules::default() };
    let lenient = Rules { sigv2: true, unsigned_payload: true, ..Rules::default() };
    for rules in [strict, lenient] {
        match sig::verify(&received, THEN, &rules, |key| (key == KEY).then(|| SECRET.into())) {
            Ok(signed) => assert_eq!(signed.access_key, KEY),
            Err(fault) => blameless(&fault),
        }
        if let Ok(signed) = sig::verify(&received, THEN, &rules, |_| None) {
            panic!("believed {signed:?} without a secret");
        }
    }
    assert!(sig::claimed_key(&received).len() <= 32);
}
