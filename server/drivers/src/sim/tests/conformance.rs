//! The simulated driver keeps the rules of all drivers, and the rules find a driver that does not.

use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::conformance::{Trial, Violation, check, check_images, check_moves};
use crate::sim::{Fault, Rule, SimDriver};
use crate::{GuestState, Hypervisor};

fn trial() -> Trial {
    Trial { patience: Duration::from_millis(300), ..Trial::example("image", "router-image") }
}

#[tokio::test]
async fn simulated_hosts_conform() {
    let driver = SimDriver::new(world(1), 0.0);
    assert_eq!(check(&driver, &host("w1"), &trial()).await, [] as [Violation; 0]);
    assert!(driver.totals().is_empty());
    assert_eq!(check(&driver, &host("w1"), &trial()).await, [] as [Violation; 0], "a second time");
}

#[tokio::test]
async fn a_connection_that_breaks_often_does_not_matter() {
    let driver = SimDriver::new(world(1), 0.0);
    let broken = |effect| Rule { probability: 0.1.try_into().unwrap(), ..Rule::always(Fault::Crash { effect }) };
    driver.set_faults(vec![broken(true), broken(false)]);
    let trial = Trial { patience: Duration::from_secs(20), ..trial() };
    assert_eq!(check(&driver, &host("w1"), &trial).await, [] as [Violation; 0]);
    assert!(driver.faults().iter().all(|armed| armed.fired > 0));
}

#[tokio::test]
async fn images_spread_between_simulated_hosts() {
    let driver = SimDriver::new(world(1), 0.0);
    let hosts = [&host("w1"), &host("w2")];
    for time in 1..3 {
        assert_eq!(check_images(&driver, hosts, &trial()).await, [] as [Violation; 0], "time {time}");
        assert!(driver.totals().is_empty());
    }
    let broken = |effect| Rule { probability: 0.1.try_into().unwrap(), ..Rule::always(Fault::Crash { effect }) };
    driver.set_faults(vec![broken(true), broken(false)]);
    let trial = Trial { patience: Duration::from_secs(20), ..trial() };
    assert_eq!(check_images(&driver, hosts, &trial).await, [] as [Violation; 0]);
    assert!(driver.faults().iter().all(|armed| armed.fired > 0));
}

#[tokio::test]
async fn guests_move_between_simulated_hosts() {
    let driver = SimDriver::new(world(1), 0.0);
    let hosts = [&host("w1"), &host("w2")];
    for time in 1..3 {
        assert_eq!(check_moves(&driver, hosts, &trial()).await, [] as [Violation; 0], "time {time}");
        assert!(driver.totals().is_empty());
    }
    let broken = |effect| Rule { probability: 0.1.try_into().unwrap(), ..Rule::always(Fault::Crash { effect }) };
    driver.set_faults(vec![broken(true), broken(false)]);
    let trial = Trial { patience: Duration::from_secs(20), ..trial() };
    assert_eq!(check_moves(&driver, hosts, &trial).await, [] as [Violation; 0]);
}

/// Mistakes that a driver could make.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    DestroyOnlyWhatIsThere,
    ForgetStoppedGuests,
    StageOverRunningGuests,
    RemoveNetworksInUse,
    BootNeedsNoDisk,
    MixUpFarms,
    OldRouterConfigurationsFail,
    NeverAnswerProbes,
    LateFirewallsWin,
    ForgetFirewalls,
    RefuseToShrink,
    RemoveVolumesInUse,
    StealVolumes,
    DetachOnlyWhatIsThere,
    StopDropsVolumes,
    BootKeepsOldVolumes,
    SnapshotsNeedTheirSource,
    EndlessConsoles,
    ForgetSnapshots,
}

struct Faulty(SimDriver, Mistake);

#[async_trait]
impl Hypervisor for Faulty {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError> {
        let Faulty(driver, mistake) = self;
        let no = Err(DriverError::Refused { host: host.name.clone(), call: call.as_str(), why: "no".into() });
        let there = |guest| {
            let world = driver.world();
            world.hosts()[&host.name].guests.get(&guest).cloned()
        };
        match (mistake, &call) {
            (Mistake::DestroyOnlyWhatIsThere, HostCall::Destroy { guest }) if there(*guest).is_none() => no,
            (Mistake::StageOverRunningGuests, HostCall::StageDisk { spec, .. }) => {
                driver.call(host, HostCall::Destroy { guest: spec.guest }).await?;
                driver.call(host, call).await
            }
            (Mistake::RemoveNetworksInUse, HostCall::RemoveNetwork { .. }) => {
                let _ = driver.call(host, call).await;
                Ok(Reply::Done)
            }
            (Mistake::BootNeedsNoDisk, HostCall::Boot { spec }) => {
                driver.call(host, stage(spec)).await.ok();
                driver.call(host, call).await
            }
            (Mistake::OldRouterConfigurationsFail, HostCall::ApplyRouter { guest, revision, .. })
                if there(*guest).and_then(|guest| guest.router).is_some_and(|(has, _)| has > *revision) =>
            {
                no
            }
            (Mistake::NeverAnswerProbes, HostCall::ProbeRouter { .. }) => std::future::pending().await,
            (Mistake::ForgetStoppedGuests | Mistake::MixUpFarms, HostCall::Inventory) => {
                let Reply::Inventory(mut inventory) = driver.call(host, call).await? else { return no };
                match mistake {
                    Mistake::MixUpFarms => inventory.guests.iter_mut().for_each(|guest| guest.farm.0 = 1),
                    _ => inventory.guests.retain(|guest| guest.state != GuestState::Stopped),
                }
                Ok(Reply::Inventory(inventory))
            }
            (Mistake::LateFirewallsWin, HostCall::ApplyFirewall { network, revision, .. })
                if driver.world().hosts()[&host.name].firewall(*network) > *revision =>
            {
                let has = driver.world().hosts()[&host.name].networks.get(network).cloned();
                driver.call(host, HostCall::RemoveNetwork { network: *network }).await?;
                driver.call(host, HostCall::DefineNetwork { network: has.unwrap() }).await?;
                driver.call(host, call).await
            }
            (Mistake::RefuseToShrink, HostCall::ResizeVolume { volume, size, .. })
                if driver.world().stores().values().any(|store| store.volumes[volume].size > *size) =>
            {
                no
            }
            (Mistake::RemoveVolumesInUse, HostCall::RemoveVolume { .. }) => {
                let _ = driver.call(host, call).await;
                Ok(Reply::Done)
            }
            (Mistake::StealVolumes, HostCall::AttachVolume { guest, volume, at }) if there(*guest).is_some() => {
                for (_, guest) in driver.world().holders(volume.volume) {
                    let detach = HostCall::DetachVolume { guest: *guest, volume: volume.volume, at: at.clone() };
                    driver.call(host, detach).await?;
                }
                driver.call(host, call).await
            }
            (Mistake::DetachOnlyWhatIsThere, HostCall::DetachVolume { guest, volume, .. })
                if !there(*guest).is_some_and(|guest| guest.has(*volume)) =>
            {
                no
            }
            (Mistake::StopDropsVolumes, HostCall::Stop { guest }) => {
                for volume in there(*guest).into_iter().flat_map(|guest| guest.spec.volumes).map(|at| at.volume) {
                    let detach = HostCall::DetachVolume { guest: *guest, volume, at: trial().at };
                    driver.call(host, detach).await?;
                }
                driver.call(host, call).await
            }
            (Mistake::BootKeepsOldVolumes, HostCall::Boot { spec }) => {
                let mut spec = spec.clone();
                for at in there(spec.guest).into_iter().flat_map(|guest| guest.spec.volumes) {
                    if spec.volumes.iter().all(|other| other.volume != at.volume) {
                        spec.volumes.push(at);
                    }
                }
                driver.call(host, HostCall::Boot { spec }).await
            }
            (Mistake::SnapshotsNeedTheirSource, HostCall::MakeSnapshot { of: Disk::Root(id), .. })
                if there(Guest::Instance(*id)).is_none() =>
            {
                no
            }
            (Mistake::EndlessConsoles, HostCall::Console { guest }) if there(*guest).is_some() => {
                Ok(Reply::Console(vec![b'.'; (64 << 10) + 1]))
            }
            (Mistake::ForgetFirewalls, HostCall::Inventory) => {
                let Reply::Inventory(mut inventory) = driver.call(host, call).await? else { return no };
                inventory.networks.iter_mut().for_each(|network| network.firewall = 0);
                Ok(Reply::Inventory(inventory))
            }
            (Mistake::ForgetSnapshots, HostCall::Stored { .. }) => {
                let Reply::Stored(mut stored) = driver.call(host, call).await? else { return no };
                stored.snapshots.clear();
                Ok(Reply::Stored(stored))
            }
            _ => driver.call(host, call).await,
        }
    }
}

#[tokio::test]
async fn mistakes_are_found() {
    for (mistake, rule) in [
        (Mistake::DestroyOnlyWhatIsThere, "a guest that is not there can be destroyed"),
        (Mistake::ForgetStoppedGuests, "a stopped guest is in the inventory"),
        (Mistake::StageOverRunningGuests, "staging again leaves a guest running"),
        (Mistake::RemoveNetworksInUse, "a network in use is not removed"),
        (Mistake::BootNeedsNoDisk, "a guest without a disk does not boot"),
        (Mistake::MixUpFarms, "a booted guest runs"),
        (Mistake::OldRouterConfigurationsFail, "an older configuration that comes late does no harm"),
        (Mistake::NeverAnswerProbes, "a router tells which configuration it has"),
        (Mistake::LateFirewallsWin, "an older firewall changes nothing"),
        (Mistake::ForgetFirewalls, "the inventory has the revision of a firewall"),
        (Mistake::RefuseToShrink, "a smaller size that comes late does no harm"),
        (Mistake::RemoveVolumesInUse, "a volume that a guest has is not removed"),
        (Mistake::StealVolumes, "a volume that a guest has is not given to another"),
        (Mistake::DetachOnlyWhatIsThere, "a guest without the volume can be without it"),
        (Mistake::StopDropsVolumes, "a volume that a guest has is not removed"),
        (Mistake::BootKeepsOldVolumes, "a volume that a boot took away can go to another guest"),
        (Mistake::SnapshotsNeedTheirSource, "making a snapshot again whose disk is gone does no harm"),
        (Mistake::EndlessConsoles, "a guest that runs has a console"),
        (Mistake::ForgetSnapshots, "a snapshot that was made is stored, once, with its farm"),
    ] {
        let driver = Faulty(SimDriver::new(world(1), 0.0), mistake);
        let found = check(&driver, &host("w1"), &trial()).await;
        assert!(found.iter().any(|violation| violation.rule == rule), "{mistake:?}: {found:#?}");
    }
}
