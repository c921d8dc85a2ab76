//! Threads that ask policies, as many as there are cores: deciding computes, and those who serve must
//! not wait for it. They take one question after the other off a queue, so that a busy server does not
//! wake a thread for each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::Fault;

type Job = Box<dyn FnOnce() + Send>;

/// The threads end when it is dropped, after what is in the queue.
pub struct Deciders(mpsc::Sender<Job>);

impl Deciders {
    pub fn start(threads: usize) -> Result<Deciders, Fault> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads {
            let jobs = Arc::clone(&jobs);
            let work = move || {
                loop {
                    // The lock goes before the work begins: it covers this statement only.
                    let job = jobs.lock().recv();
                    let Ok(job) = job else { return };
                    // Whoever asked hears of it, since nothing is sent; the thread goes on.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            };
            let thread = std::thread::Builder::new().name("decider".into()).spawn(work);
            thread.map_err(|error| Fault::Internal(format!("a decider's thread: {error}")))?;
        }
        Ok(Deciders(sender))
    }

    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more if the request has gone.
            let _ = sender.send(work());
        });
        self.0.send(job).map_err(|_| Fault::Unavailable("stopping".into()))?;
        receiver.await.map_err(|_| Fault::Internal("deciding failed; the server's log says why".into()))
    }
}
