//! Reading through the REST edge, in this process: routing, authentication, the rows, their JSON.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use cascina_api::{App, Auth, router};
use cascina_benches::samples::{Samples, short};
use cascina_core::id::{FarmId, InstanceId, UserId};
use cascina_engine::Engine;
use secrecy::SecretBox;
use serde_json::Value;
use tower::ServiceExt;

use super::row;

struct Reader {
    router: Router,
    token: String,
}

impl Reader {
    async fn get(&self, path: &str) -> Value {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.token));
        let answer = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, body) = (answer.status(), to_bytes(answer.into_body(), usize::MAX).await.unwrap());
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// All pages of a list; how many things, and how long the server's part took.
    async fn list(&self, path: &str, limit: u32) -> (usize, Duration) {
        let (mut count, mut spent, mut cursor) = (0, Duration::ZERO, String::new());
        loop {
            let request = Request::get(format!("{path}?limit={limit}{cursor}"))
                .header("authorization", format!("Bearer {}", self.token))
                .body(Body::empty())
                .unwrap();
            let start = Instant::now();
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            spent += start.elapsed();
            let page: Value = serde_json::from_slice(&body).unwrap();
            count += page["items"].as_array().unwrap().len();
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (count, spent),
            }
        }
    }
}

pub async fn measure(engine: &Engine) {
    let auth = Auth::new(&SecretBox::new(Box::new([7; 32])), 3600);
    let user = engine.read(|state| state.rows.users[&UserId(1)].clone());
    let token = auth.user_token(&user, engine.now()).unwrap().0;
    let admin = auth.admin_token(engine.now(), 3600).unwrap();
    let router = router(App { engine: engine.clone(), auth, simulation: None });
    let reader = Reader { router: router.clone(), token };
    let admin = Reader { router, token: admin };

    let mut times = Samples::default();
    let mut found = 0;
    for _ in 0..15 {
        let (count, spent) = reader.list("/v1/instances", 1000).await;
        found = count;
        times.push(spent);
    }
    row(&format!("**listing a tenant's {found} instances, 1,000 a page** (p50)"), short(times.p50()));
    let (count, spent) = admin.list("/v1/instances", 1000).await;
    row(&format!("listing all {count} instances as an admin"), short(spent));
    let mut times = Samples::default();
    let path = format!("/v1/farms/{}/instances", FarmId(1));
    for _ in 0..50 {
        let (count, spent) = reader.list(&path, 1000).await;
        found = count;
        times.push(spent);
    }
    row(&format!("listing the {found} instances of one farm (p50)"), short(times.p50()));
    let mut times = Samples::default();
    let path = format!("/v1/instances/{}", InstanceId(1));
    for _ in 0..1000 {
        let start = Instant::now();
        reader.get(&path).await;
        times.push(start.elapsed());
    }
    row("showing one instance (p50)", short(times.p50()));
}
