//! A client that signs as AWS CLI and boto3 do.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

#[derive(Clone)]
pub struct Client {
    router: Router,
    key: String,
    secret: String,
    /// Where the endpoint is.
    pub path: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

pub fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub fn form(params: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = params.iter().map(|(name, value)| format!("{}={}", quote(name), quote(value))).collect();
    pairs.join("&")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

impl Client {
    pub fn new(router: Router, key: &str, secret: &str) -> Client {
        Client { router, key: key.into(), secret: secret.into(), path: "/".into() }
    }

    pub fn through(&self, router: Router) -> Client {
        Client { router, ..self.clone() }
    }

    pub fn with_secret(&self, secret: &str) -> Client {
        Client { secret: secret.into(), ..self.clone() }
    }

    /// Calls an action of the API of 2016-11-15.
    pub async fn call(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        let mut all = vec![("Action", action), ("Version", "2016-11-15")];
        all.extend(params);
        self.post(&form(&all)).await
    }

    /// Signs a body and sends it.
    pub async fn post(&self, body: &str) -> Answer {
        let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let (signed, hash) = ("content-type;host;x-amz-date", hex::encode(Sha256::digest(body)));
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let canonical = format!(
            "POST\n{}\n\ncontent-type:{kind}\nhost:cloud.example.org:8773\nx-amz-date:{date}\n\n{signed}\n{hash}",
            self.path
        );
        let scope = format!("{}/garr/ec2/aws4_request", &date[..8]);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = hmac(format!("AWS4{}", self.secret).as_bytes(), &date[..8]);
        for part in ["garr", "ec2", "aws4_request"] {
            key = hmac(&key, part);
        }
        let signature = hex::encode(hmac(&key, &text));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", self.key);
        let request = Request::post(&self.path)
            .header("Host", "cloud.example.org:8773")
            .header("Content-Type", kind)
            .header("X-Amz-Date", date)
            .header("Authorization", authorization)
            .body(Body::from(body.to_owned()));
        send(&self.router, request.unwrap()).await
    }

    /// Signs with version 2 and sends it in the query.
    pub async fn get_v2(&self, params: &[(&str, &str)]) -> Answer {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut all = params.to_vec();
        all.extend([
            ("AWSAccessKeyId", self.key.as_str()),
            ("SignatureMethod", "HmacSHA256"),
            ("SignatureVersion", "2"),
            ("Timestamp", &date),
        ]);
        all.sort_unstable();
        let text = format!("GET\ncloud.example.org\n{}\n{}", self.path, form(&all));
        let signature = STANDARD.encode(hmac(self.secret.as_bytes(), &text));
        let uri = format!("{}?{}&Signature={}", self.path, form(&all), quote(&signature));
        let request = Request::get(uri).header("Host", "cloud.example.org").body(Body::empty());
        send(&self.router, request.unwrap()).await
    }
}

impl Answer {
    /// The body of a success, without what differs each time.
    pub fn good(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.sound();
        self.body.replace(&self.id(), "…")
    }

    /// Code and message of a failure.
    pub fn refused(&self, status: u16) -> (String, String) {
        assert_eq!(self.status, status, "{}", self.body);
        self.sound();
        let begins = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>";
        assert!(self.body.starts_with(begins), "{}", self.body);
        (self.element("Code"), self.element("Message"))
    }

    pub fn code(&self, status: u16) -> String {
        self.refused(status).0
    }

    /// The text of the first element of this name.
    pub fn element(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name}: {}", self.body));
        rest.split('<').next().unwrap().to_owned()
    }

    pub fn id(&self) -> String {
        self.element(if self.status == 200 { "requestId" } else { "RequestID" })
    }

    /// What holds for every answer.
    pub fn sound(&self) {
        assert_eq!(self.headers["content-type"], "text/xml;charset=UTF-8");
        assert_eq!(self.headers["x-amzn-requestid"], self.id().as_str());
        assert_eq!(self.id().len(), 36);
        let mut reader = quick_xml::Reader::from_str(&self.body);
        while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
    }
}
