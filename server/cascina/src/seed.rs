//! What instances on real hosts read when they boot.

use cascina_context::seed::{Addressing, Format, Network, Seed};
use cascina_core::state::Guest;
use cascina_drivers::GuestSpec;

/// The disk that is put beside an instance's own. Nothing in an error repeats what the tenant gave.
pub fn disk(spec: &GuestSpec, mtu: u16) -> Result<Vec<u8>, String> {
    let Guest::Instance(id) = spec.guest else { return Err(format!("{} is no instance", spec.guest)) };
    let network = Network { mac: spec.mac, mtu: Some(mtu), addressing: Addressing::Dhcp };
    let seed = Seed::new(id, &spec.name, &spec.ssh_keys, spec.user_data.clone(), Some(network));
    let disk = seed.map_err(|error| error.to_string())?.disk(Format::NoCloud);
    Ok(disk.map_err(|error| error.to_string())?.into_bytes())
}
