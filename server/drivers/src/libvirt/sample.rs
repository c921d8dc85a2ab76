//! What running guests have used.

use cascina_core::units::Mib;

use super::driver::Site;
use super::seen::Here;
use super::trouble::Trouble;
use super::xml::Port;
use crate::GuestSample;

impl Site {
    pub(super) fn samples(&self) -> Result<Vec<GuestSample>, Trouble> {
        let connect = self.link.quick()?;
        let mut samples = Vec::new();
        for here in self.all_here(&connect)? {
            if here.is_active()? && !here.seen.marks.arriving {
                // One that ended meanwhile has nothing to tell.
                samples.extend(sample(&here).ok());
            }
        }
        Ok(samples)
    }
}

fn sample(here: &Here) -> Result<GuestSample, Trouble> {
    let counted = |count: i64| u64::try_from(count).unwrap_or(0);
    let info = here.domain.get_info()?;
    let resident =
        here.domain.memory_stats(0)?.into_iter().find(|stat| stat.tag == virt_sys::VIR_DOMAIN_MEMORY_STAT_RSS);
    let (mut read, mut written) = (0, 0);
    for disk in &here.live()?.disks {
        let stats = here.domain.get_block_stats(&disk.target)?;
        read += counted(stats.rd_bytes);
        written += counted(stats.wr_bytes);
    }
    // Of the inside only: what a router carries is its guests'.
    let port = here.domain.interface_stats(Port::inside(here.guest()).as_str())?;
    Ok(GuestSample {
        guest: here.guest(),
        cpu_ns: info.cpu_time,
        resident: Mib(resident.map_or(info.memory, |stat| stat.val) >> 10),
        disk_read_bytes: read,
        disk_written_bytes: written,
        // Of the port: what the host sends the guest receives.
        net_received_bytes: counted(port.rx_bytes),
        net_sent_bytes: counted(port.tx_bytes),
    })
}
