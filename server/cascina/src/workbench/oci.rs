//! Components in OCI registries: one layer of `application/wasm`, its signature beside it as an annotation.
//!
//! Plain HTTP, as to Cascina's own server: for a registry behind TLS, tunnel to its loopback port. Who one is
//! comes from CASCINA_OCI_USER and CASCINA_OCI_PASSWORD.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::http::{Request, Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::client::http::{Done, Failure};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
const SIGNATURE: &str = "org.cascina.policy.signature";
/// Of a component, and of what describes it.
const MOST_BLOB: u64 = 256 << 20;
const MOST_MANIFEST: u64 = 1 << 20;

/// `oci://HOST/REPOSITORY:TAG` or `oci://HOST/REPOSITORY@sha256:DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    host: String,
    repository: String,
    /// Tag or digest.
    version: String,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Reference, String> {
        let wrong =
            || format!("`{text}` is no place in a registry: oci://HOST/REPOSITORY:TAG, or @sha256:DIGEST for the tag");
        let (host, rest) = text.strip_prefix("oci://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        let (repository, version) = match rest.split_once('@') {
            Some(both) => both,
            None => rest.rsplit_once(':').unwrap_or((rest, "latest")),
        };
        let plain = |text: &str, also: &str| {
            !text.is_empty()
                && text.len() <= 255
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.as_bytes().contains(&byte))
        };
        let digest = version.strip_prefix("sha256:");
        let proper = match digest {
            Some(hex) => hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => !rest.contains('@') && plain(version, "._-"),
        };
        let parts = repository.split('/').all(|part| plain(part, "._-") && !part.starts_with('.'));
        if !plain(host, ".-:[]") || !parts || !proper {
            return Err(wrong());
        }
        Ok(Reference { host: host.into(), repository: repository.into(), version: version.into() })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

pub struct Pulled {
    pub bytes: Vec<u8>,
    pub signature: Option<String>,
    /// Of the manifest: what names just this for good.
    pub digest: String,
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", cascina_policy::digest(bytes))
}

struct Registry {
    agent: Agent,
    place: Reference,
    token: Option<String>,
}

impl Registry {
    fn new(place: Reference) -> Registry {
        let config = Agent::config_builder().http_status_as_error(false);
        let config =
            config.timeout_connect(Some(Duration::from_secs(10))).timeout_global(Some(Duration::from_secs(300)));
        Registry { agent: config.build().new_agent(), place, token: None }
    }

    fn url(&self, below: &str) -> String {
        format!("http://{}/v2/{}/{below}", self.place.host, self.place.repository)
    }

    fn basic() -> Option<String> {
        let user = std::env::var("CASCINA_OCI_USER").ok().filter(|user| !user.is_empty())?;
        let password = std::env::var("CASCINA_OCI_PASSWORD").unwrap_or_default();
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn once(&self, method: &str, url: &str, kind: &str, body: &[u8]) -> Done<Response<Body>> {
        let unsaid = |error: &dyn std::fmt::Display| Failure::Fault(format!("{method} {url}: {error}"));
        let mut request = Request::builder().method(method).uri(url);
        request = match method {
            "GET" | "HEAD" => request.header(header::ACCEPT, kind),
            _ => request.header(header::CONTENT_TYPE, kind),
        };
        if let Some(authorization) = self.token.clone().or_else(Registry::basic) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = match method {
            "GET" | "HEAD" => self.agent.run(request.body(()).map_err(|error| unsaid(&error))?),
            _ => self.agent.run(request.body(body).map_err(|error| unsaid(&error))?),
        };
        answer.map_err(|error| unsaid(&error))
    }

    /// Asks; where a token is wanted, fetches one and asks again.
    fn ask(&mut self, method: &str, url: &str, kind: &str, body: &[u8]) -> Done<Response<Body>> {
        let answer = self.once(method, url, kind, body)?;
        if answer.status() != StatusCode::UNAUTHORIZED || self.token.is_some() {
            return Ok(answer);
        }
        let challenge = answer.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let Some(parameters) = challenge.and_then(|text| text.strip_prefix("Bearer ")) else { return Ok(answer) };
        let part = |name: &str| {
            let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let Some(realm) = part("realm") else { return Ok(answer) };
        let query: Vec<String> = ["service", "scope"]
            .into_iter()
            .filter_map(|name| part(name).map(|value| format!("{name}={}", crate::client::http::escaped(&value))))
            .collect();
        let mut given = self.once("GET", &format!("{realm}?{}", query.join("&")), "application/json", b"")?;
        let text = given.body_mut().with_config().limit(MOST_MANIFEST).read_to_string();
        let text = text.map_err(|error| Failure::Fault(format!("{realm}: {error}")))?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|key| value[key].as_str());
        self.token = token.map(|token| format!("Bearer {token}"));
        self.once(method, url, kind, body)
    }

    fn good(&mut self, method: &str, url: &str, kind: &str, body: &[u8]) -> Done<Response<Body>> {
        let mut answer = self.ask(method, url, kind, body)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let text = answer.body_mut().with_config().limit(4 << 10).read_to_string().unwrap_or_default();
        let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        Err(Failure::Ended(format!("the registry answered {} to {method} {url}: {text}", answer.status())))
    }

    fn bytes(&mut self, url: &str, kind: &str, most: u64) -> Done<Vec<u8>> {
        let mut answer = self.good("GET", url, kind, b"")?;
        let bytes = answer.body_mut().with_config().limit(most).read_to_vec();
        bytes.map_err(|error| Failure::Fault(format!("GET {url}: {error}")))
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Done<String> {
        let digest = digest(bytes);
        let there = self.url(&format!("blobs/{digest}"));
        if self.ask("HEAD", &there, "*/*", b"")?.status().is_success() {
            return Ok(digest);
        }
        let begun = self.good("POST", &self.url("blobs/uploads/"), "application/octet-stream", b"")?;
        let location = begun.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let location = match location.starts_with('/') {
            true => format!("http://{}{location}", self.place.host),
            false => location.to_owned(),
        };
        let with = if location.contains('?') { '&' } else { '?' };
        self.good("PUT", &format!("{location}{with}digest={digest}"), "application/octet-stream", bytes)?;
        Ok(digest)
    }
}

/// Puts a component there; gives the digest that names it for good.
pub fn push(place: &Reference, component: &[u8], signature: Option<&str>) -> Done<String> {
    let mut registry = Registry::new(place.clone());
    let config =
        serde_json::json!({"architecture": "wasm", "os": "wasip2", "layerDigests": [digest(component)]}).to_string();
    let described = |kind: &str, digest: String, size: usize| Descriptor {
        media_type: kind.into(),
        digest,
        size: size as u64,
        annotations: Default::default(),
    };
    let mut layer = described(LAYER, registry.put_blob(component)?, component.len());
    if let Some(signature) = signature {
        layer.annotations.insert(SIGNATURE.into(), signature.trim().into());
    }
    let config = described(CONFIG, registry.put_blob(config.as_bytes())?, config.len());
    let manifest = Manifest { schema_version: 2, media_type: Some(MANIFEST.into()), config, layers: vec![layer] };
    let text = serde_json::to_vec(&manifest).map_err(|error| Failure::Fault(error.to_string()))?;
    let url = registry.url(&format!("manifests/{}", place.version));
    registry.good("PUT", &url, MANIFEST, &text)?;
    Ok(digest(&text))
}

/// Fetches a component; nothing is believed that its digest does not prove.
pub fn pull(place: &Reference) -> Done<Pulled> {
    let mut registry = Registry::new(place.clone());
    let url = registry.url(&format!("manifests/{}", place.version));
    let text = registry.bytes(&url, MANIFEST, MOST_MANIFEST)?;
    let found = digest(&text);
    if place.version.starts_with("sha256:") && place.version != found {
        return Err(Failure::Ended(format!("the registry gave {found} for {}", place.version)));
    }
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| Failure::Ended(format!("{url} is no image manifest: {error}")))?;
    let [layer] = &manifest.layers[..] else {
        return Err(Failure::Ended(format!("{url} has {} layers; a component is one", manifest.layers.len())));
    };
    if layer.media_type != LAYER || layer.size > MOST_BLOB {
        let text = format!("{url} holds {} bytes of {}; a component is {LAYER}", layer.size, layer.media_type);
        return Err(Failure::Ended(text));
    }
    let proper =
        layer.digest.strip_prefix("sha256:").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !proper {
        return Err(Failure::Ended(format!("{url} names its layer by `{}`, not by SHA-256", layer.digest)));
    }
    let bytes = registry.bytes(&registry.url(&format!("blobs/{}", layer.digest)), LAYER, MOST_BLOB)?;
    if digest(&bytes) != layer.digest {
        return Err(Failure::Ended(format!("what came is not what has the digest {}", layer.digest)));
    }
    Ok(Pulled { bytes, signature: layer.annotations.get(SIGNATURE).cloned(), digest: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_registries() {
        let place: Reference = "oci://127.0.0.1:5000/policies/house-rules:0.1.0".parse().unwrap();
        assert_eq!((place.host.as_str(), place.version.as_str()), ("127.0.0.1:5000", "0.1.0"));
        let digest = format!("oci://r.example.org/a@sha256:{}", "0a".repeat(32));
        assert!(digest.parse::<Reference>().unwrap().version.starts_with("sha256:"));
        assert_eq!("oci://r/a".parse::<Reference>().unwrap().version, "latest");
        for wrong in [
            "",
            "r/a:1",
            "oci://r",
            "oci:///a",
            "oci://r/../a:1",
            "oci://r/a:1 2",
            "oci://r/a?x:1",
            "oci://r/a@sha256:zz",
            "oci://r/a@md5:00",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }
}
