//! Makes a placement decision now and then while the server is busy, and notes how long it takes. The
//! decision is thrown away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cascina_benches::samples::Samples;
use cascina_benches::site;
use cascina_core::decision::{PlacementQuestion, Question};
use cascina_core::id::{DecisionId, ImageId};
use cascina_core::principal::Principal;
use cascina_core::units::Size;
use cascina_engine::Engine;
use cascina_engine::verdict::{Moment, Party, gather};
use cascina_policy::Sandbox;

/// Between two decisions.
const PAUSE: Duration = Duration::from_millis(10);

pub struct Probe {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    samples: Mutex<Samples>,
    asking: AtomicBool,
    over: AtomicBool,
}

impl Probe {
    pub fn start(engine: Engine, sandbox: Arc<Sandbox>) -> Probe {
        let shared = Arc::new(Shared {
            samples: Mutex::default(),
            asking: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let mine = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !mine.over.load(Ordering::Relaxed) {
                std::thread::park_timeout(PAUSE);
                if mine.asking.load(Ordering::Relaxed) {
                    let took = decide(&engine, &sandbox);
                    mine.samples.lock().unwrap().append(took);
                }
            }
        });
        Probe { shared, thread }
    }

    pub fn begin(&self) {
        *self.shared.samples.lock().unwrap() = Samples::default();
        self.shared.asking.store(true, Ordering::Relaxed);
    }

    pub fn end(&self) -> Samples {
        self.shared.asking.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.shared.samples.lock().unwrap())
    }

    pub fn stop(self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Nothing before there is a farm to decide for.
fn decide(engine: &Engine, sandbox: &Sandbox) -> Samples {
    let mut samples = Samples::default();
    let question = Question::Place(PlacementQuestion {
        router: false,
        flavor: "m1.small".into(),
        image: Some(ImageId(1)),
        class: site::name(site::WORKERS),
        size: Size::new(1, 512, 1),
        count: 1,
        cause: "create".into(),
        only: Vec::new(),
        avoid: Vec::new(),
        taken: Vec::new(),
        reserved: Vec::new(),
    });
    let start = Instant::now();
    let now = engine.now();
    let asking = engine.read(|state| {
        let farm = *state.rows.farms.keys().next()?;
        let party = Party::of_farm(state, farm, &Principal::system())?;
        Some(gather(state, now, party, None, question))
    });
    if let Some(asking) = asking {
        let view = engine.view();
        let moment = Moment { now, revision: view.revision, seed: 1, id: DecisionId(1), dry_run: true };
        serde_json::to_vec(&asking.decide(sandbox, &view, moment)).unwrap();
        samples.push(start.elapsed());
    }
    samples
}
