//! Whether guests run with KVM on a host. That libvirt offers it does not prove it: under some hypervisors a guest
//! ends at once, or never gets through its firmware. So a machine with nothing in it is started.

use std::time::Duration;

use virt::domain::Domain;
use virt_sys as sys;

use super::driver::Site;
use super::settings::Acceleration;
use super::storage::Store;
use super::trouble::{Trouble, found};
use super::xml::{Accelerator, PROBE, PROBED, probe};

/// Firmware that runs at all has done so in less than one.
const PATIENCE: Duration = Duration::from_secs(10);
/// What firmware says is short.
const MOST: u64 = 64 << 10;
const LOG: &str = "cascina-probe.log";

/// How guests of a host run, and why so, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) accelerator: Accelerator,
    pub(super) why: String,
}

impl Verdict {
    fn kvm(why: impl Into<String>) -> Verdict {
        Verdict { accelerator: Accelerator::Kvm, why: why.into() }
    }

    fn tcg(why: impl Into<String>) -> Verdict {
        Verdict { accelerator: Accelerator::Tcg, why: why.into() }
    }
}

impl Site {
    pub(super) fn accelerator(&self) -> Result<Accelerator, Trouble> {
        Ok(self.acceleration()?.accelerator)
    }

    /// Found out once for a connection.
    pub(super) fn acceleration(&self) -> Result<Verdict, Trouble> {
        match self.settings().accelerator {
            Acceleration::Kvm => return Ok(Verdict::kvm("the settings say so")),
            Acceleration::Tcg => return Ok(Verdict::tcg("the settings say so")),
            Acceleration::Auto => {}
        }
        let open = self.link.quick()?;
        let mut known = open.verdict.lock();
        if let Some(verdict) = &*known {
            return Ok(verdict.clone());
        }
        let offered = open.get_domain_capabilities(None, Some("x86_64"), None, Some("kvm"), 0);
        let verdict = match offered {
            Ok(_) => match self.probe(Accelerator::Kvm)? {
                Ok(()) => Verdict::kvm("a machine was started with it"),
                Err(why) => Verdict::tcg(format!("KVM is offered and does not work: {why}")),
            },
            Err(error) if super::trouble::is_connection(&error) => return Err(error.into()),
            Err(_) => Verdict::tcg("the host does not offer KVM: its processor, firmware or kernel lacks it"),
        };
        tracing::info!(host = %self.host.name, accelerator = ?verdict.accelerator, why = verdict.why, "how guests run");
        Ok(known.insert(verdict).clone())
    }

    /// Inside, why a machine does not run so.
    pub(super) fn probe(&self, accelerator: Accelerator) -> Result<Result<(), String>, Trouble> {
        let open = self.link.quick()?;
        // Of a server that asks at the same time, or of one that hangs.
        if let Some(there) = found(Domain::lookup_by_name(&open, PROBE))? {
            found(there.destroy())?;
        }
        let consoles = self.consoles()?;
        consoles.remove_named(LOG)?;
        let xml = probe(accelerator, &self.settings().machine, &self.settings().consoles.join(LOG))?;
        // It goes with the connection.
        let domain = match Domain::create_xml(&open, &xml, sys::VIR_DOMAIN_START_AUTODESTROY) {
            Ok(domain) => domain,
            Err(error) if super::trouble::is_connection(&error) => return Err(error.into()),
            Err(error) => return Ok(Err(short(error.message()))),
        };
        let mut ended = false;
        let said = self.wait_until(PATIENCE, || {
            ended = !found(domain.is_active())?.unwrap_or(false);
            Ok(ended || has_come_through(&consoles)?)
        });
        let through = said.and_then(|_| has_come_through(&consoles));
        let gone = found(domain.destroy());
        consoles.remove_named(LOG)?;
        if let Err(trouble) = gone
            && !ended
        {
            return Err(trouble);
        }
        Ok(match (through?, ended) {
            (true, _) => Ok(()),
            (false, true) => Err("a machine that was started with it ended by itself".into()),
            (false, false) => Err(format!("a machine did not come through its firmware in {PATIENCE:?}")),
        })
    }
}

fn has_come_through(consoles: &Store) -> Result<bool, Trouble> {
    let Some(log) = consoles.find_named(LOG)? else { return Ok(false) };
    let size = log.get_info()?.capacity.min(MOST);
    if size == 0 {
        return Ok(false);
    }
    let said = consoles.download(&log, 0, size)?;
    Ok(String::from_utf8_lossy(&said).contains(PROBED))
}

/// QEMU says much, with the date before it.
fn short(why: &str) -> String {
    let line = why.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(why);
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}
