//! Policies: uploaded components, and the bindings that put them to work.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{BindingId, ShareId, TenantId};
use crate::name::Name;
use crate::units::Timestamp;

/// A question that policies answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    Admission,
    Quota,
    Placement,
    Reallocation,
    ChooseVictims,
}

impl Hook {
    pub const ALL: [Hook; 5] = [Hook::Admission, Hook::Quota, Hook::Placement, Hook::Reallocation, Hook::ChooseVictims];

    pub fn as_str(self) -> &'static str {
        match self {
            Hook::Admission => "admission",
            Hook::Quota => "quota",
            Hook::Placement => "placement",
            Hook::Reallocation => "reallocation",
            Hook::ChooseVictims => "choose-victims",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of a component's bytes; lower-case hex as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: 64 lower-case hex digits")]
pub struct DigestError(pub String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: each decision record holds several.
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_else(|_| unreachable!("hex digits are UTF-8")))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.chars().take(80).collect());
        let canonical = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !canonical {
            return Err(error());
        }
        let mut bytes = [0u8; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| error())?;
        }
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One uploaded component that passed the checks. Its bytes are kept by the store under `digest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub digest: Digest,
    pub name: Name,
    pub version: String,
    pub summary: String,
    pub hooks: Vec<Hook>,
    /// JSON Schema of the settings, empty if there are none.
    pub settings_schema: String,
    pub size: u64,
    /// Ships inside the program; cannot be removed.
    pub embedded: bool,
    pub uploaded_by: String,
    pub created: Timestamp,
    #[serde(default)]
    pub about: About,
}

/// What is known of a component beside what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub language: String,
    pub author: String,
    /// Interfaces that it calls.
    pub imports: Vec<String>,
    /// Linear memory that it asks for; 0 is the ordinary bound.
    pub memory_mib: u32,
    /// Its instances may be used again.
    pub warm: bool,
    pub signatures: Vec<Signature>,
}

/// Somebody on the site's list vouches for the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub signer: String,
    /// Its ed25519 key, in hex.
    pub key: String,
    /// Base64.
    pub value: String,
}

impl PolicyVersion {
    /// `name@version`, as people write it.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Whose rule it is. The order is the order of authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "scope", content = "of")]
pub enum Scope {
    Site,
    /// The owner of a share: sees and judges only the hosts of that share.
    Share(ShareId),
    /// A tenant, for its own requests.
    Tenant(TenantId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Its answers count.
    Enforce,
    /// Evaluated and recorded, without effect.
    Shadow,
    /// Not evaluated.
    Off,
}

/// What happens when a policy traps, runs out, lies or fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The request is refused.
    Deny,
    /// As if the policy had said yes.
    Allow,
    /// As if the policy were not bound; the others decide.
    Next,
}

/// A policy at work: which component, on which hook, for whom, with which settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub id: BindingId,
    pub name: Name,
    pub hook: Hook,
    pub scope: Scope,
    pub digest: Digest,
    /// `name@version` of the component, for people.
    pub policy: String,
    /// A JSON object.
    pub settings: String,
    /// Within a scope, lower comes first.
    pub order: u32,
    /// Multiplies scores, 1 to 1000.
    pub weight: u32,
    pub mode: Mode,
    pub on_error: Fallback,
    /// Set when it failed too often in a row; it then answers with its fallback until released.
    pub quarantined: Option<String>,
    /// Another component, or other settings, on the way to take this one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// What it was before, for the way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Former>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Binding {
    /// The order in which bindings of one hook are asked.
    pub fn rank(&self) -> (Scope, u32, BindingId) {
        (self.scope, self.order, self.id)
    }

    /// The binding as it would be with its trial in place: asked beside it, without effect.
    pub fn candidate(&self) -> Option<Binding> {
        let trial = self.trial.as_ref()?;
        let mode = if self.mode == Mode::Off { Mode::Off } else { Mode::Shadow };
        Some(Binding {
            digest: trial.digest,
            policy: trial.policy.clone(),
            settings: trial.settings.clone(),
            mode,
            quarantined: None,
            ..self.clone()
        })
    }

    /// Is this what [`candidate`](Self::candidate) gave? A trial never is what is active already.
    pub fn is_candidate(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.digest == self.digest && trial.settings == self.settings)
    }
}

/// A candidate beside what is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub digest: Digest,
    pub policy: String,
    pub settings: String,
    pub stage: Stage,
    pub bounds: TrialBounds,
    pub by: String,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// Asked beside the active one on every request, without effect.
    Shadow,
    /// Its answer counts for some tenants, and the active one is asked beside it without effect.
    Canary {
        /// Of all tenants; which ones follows from their names.
        percent: u32,
        /// And these: names, or patterns with `*`.
        tenants: Vec<String>,
    },
}

impl Stage {
    /// Does the candidate decide for this tenant?
    pub fn takes(&self, binding: BindingId, tenant: &str) -> bool {
        match self {
            Stage::Shadow => false,
            Stage::Canary { percent, tenants } => {
                // FNV-1a: another hundredth for each binding, and the same one each time.
                let place = binding.0.to_be_bytes().into_iter().chain(tenant.bytes());
                let hash = place.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
                });
                ((hash >> 32) % 100) < u64::from(*percent) || tenants.iter().any(|pattern| matches(pattern, tenant))
            }
        }
    }
}

/// When a trial ends by itself, with the active one as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialBounds {
    /// More disagreements than this among a thousand decisions; 1000 never ends it.
    pub disagreements_permille: u32,
    /// Decisions before that is looked at.
    pub after: u32,
    /// Traps, answers outside the contract, and answers that do not come.
    pub failures: u32,
}

impl Default for TrialBounds {
    fn default() -> TrialBounds {
        TrialBounds { disagreements_permille: 1000, after: 20, failures: 1 }
    }
}

/// What a binding was before it became what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    pub digest: Digest,
    pub policy: String,
    pub settings: String,
    pub until: Timestamp,
}

/// A name, or a pattern in which `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in
            [("*", ""), ("*", "a"), ("lhcb*", "lhcb-1"), ("*-prod", "a-prod"), ("a*b*c", "axxbyc"), ("a", "a")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a", "ab"), ("lhcb*", "alhcb"), ("a*b*c", "acb"), ("a*a", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_canary_takes_about_as_many_as_it_says_and_always_the_same() {
        let stage = Stage::Canary { percent: 20, tenants: vec!["vip-*".into()] };
        let takes = |name: &str| stage.takes(BindingId(7), name);
        let taken = (0..1000).filter(|n| takes(&format!("tenant-{n}"))).count();
        assert!((150..250).contains(&taken), "{taken}");
        assert!(takes("vip-1") && !Stage::Shadow.takes(BindingId(7), "vip-1"));
        assert!((0..100).all(|n| takes(&format!("t{n}")) == takes(&format!("t{n}"))));
    }

    #[test]
    fn digest_text_and_back() {
        let digest = Digest([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("AB".repeat(32).parse::<Digest>().is_err());
    }
}
