//! A call that has been let in: who makes it, on which farm, and what it may use.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::{Command, Outcome};
use cascina_core::id::{AccessKeyId, FarmId, TenantId};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::units::Timestamp;
use cascina_engine::{Engine, EngineError, Idempotency, Request};

use crate::code::Code;
use crate::fault::Fault;
use crate::page::{Asked, Page};
use crate::settings::Settings;

/// How long a change waits for what is under way with the same things …
const BUSY: Duration = Duration::from_secs(5);
/// … and how often it looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Characters of a client's token.
const TOKEN: RangeInclusive<usize> = 1..=64;

#[derive(Clone)]
pub struct Call {
    pub engine: Engine,
    pub settings: Arc<Settings>,
    pub action: &'static str,
    pub who: Principal,
    pub key: AccessKeyId,
    /// All that an action sees and changes is this farm's.
    pub farm: FarmId,
    pub tenant: TenantId,
    /// The farm as EC2 knows it, in twelve digits.
    pub account: String,
    /// Of the API, as the client names it.
    pub version: String,
    pub request_id: String,
    /// The header `Host`.
    pub host: String,
    pub now: Timestamp,
    /// Nothing may change; [`Call::submit`] sees to it.
    pub dry_run: bool,
    /// SHA-256 over action and parameters, in hex.
    pub request: String,
    /// Tells queries apart whose pages they are.
    pub query: [u8; 8],
}

impl Call {
    /// Has the engine carry out a command. `conflict` is what this action says of things that are not in
    /// the right state.
    ///
    /// # Errors
    ///
    /// The engine's refusal, and `DryRunOperation` if nothing may change.
    pub async fn submit(&self, command: Command, conflict: Code) -> Result<Outcome, Fault> {
        self.submit_once(command, conflict, None).await
    }

    /// The same, once for a client's token: whoever repeats it gets the first outcome again.
    ///
    /// # Errors
    ///
    /// Also `IdempotentParameterMismatch` if the token was used for something else.
    pub async fn submit_once(&self, command: Command, conflict: Code, token: Option<&str>) -> Result<Outcome, Fault> {
        let idempotency = token.map(|token| self.idempotency(token)).transpose()?;
        let request = Request { principal: self.who.clone(), command, idempotency };
        if self.dry_run {
            let rehearsed = self.engine.rehearse(&request).await;
            return Err(rehearsed.map_or_else(|error| Fault::from_engine(error, conflict), |()| Fault::dry_run()));
        }
        // Amazon's clients do one thing right after the other, such as a snapshot of what they just attached.
        let give_up = tokio::time::Instant::now() + BUSY;
        loop {
            match self.engine.submit(request.clone()).await {
                Err(EngineError::Refusal(Refusal::Busy(_))) if tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer.map_err(|error| Fault::from_engine(error, conflict)),
            }
        }
    }

    /// Has the engine carry out what `check` makes of the state as it is. If the engine says that the state
    /// is not the right one after all, it has changed since, and `check` may know the name of that.
    ///
    /// # Errors
    ///
    /// Those of `check`, the engine's refusal, and `DryRunOperation` if nothing may change.
    pub async fn submit_checked<T>(
        &self,
        check: impl Fn(&State) -> Result<(Command, T), Fault>,
    ) -> Result<(Outcome, T), Fault> {
        let (command, found) = self.engine.read(&check)?;
        match self.submit(command, Code::IncorrectState).await {
            Ok(outcome) => Ok((outcome, found)),
            Err(fault) if fault.code == Code::IncorrectState => {
                self.engine.read(&check)?;
                Err(fault)
            }
            Err(fault) => Err(fault),
        }
    }

    /// How Amazon names a thing for all the world, such as a `security-group`.
    pub fn arn(&self, kind: &str, id: impl Display) -> String {
        format!("arn:aws:ec2:{}:{}:{kind}/{id}", self.settings.region, self.account)
    }

    fn idempotency(&self, token: &str) -> Result<Idempotency, Fault> {
        if !TOKEN.contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::invalid("ClientToken", token, "It should be 1 to 64 visible ASCII characters"));
        }
        // A farm's users may use the same token for different things, and so may its actions.
        let key = format!("{}/{}/{token}", self.farm, self.action);
        Ok(Idempotency { key, request: self.request.clone() })
    }

    /// Which part of a list is wanted; `named` says whether things were asked for by their ids.
    ///
    /// # Errors
    ///
    /// See [`Page::new`].
    pub fn page<K: Ord + Display + FromStr>(
        &self,
        most: Option<i64>,
        token: Option<&str>,
        named: bool,
        range: RangeInclusive<u32>,
    ) -> Result<Page<K>, Fault> {
        Page::new(Asked { most, token, named, query: self.query }, range)
    }
}
