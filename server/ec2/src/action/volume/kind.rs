//! Types of volumes, and what may be said of the speed of each.

use cascina_core::units::Gib;
use cascina_core::volume::{Pace, VolumeKind};

use crate::code::Code;
use crate::fault::Fault;

/// MiB a second of gp3 that is asked for none.
const GP3_THROUGHPUT: u32 = 125;
const GP3_IOPS: u32 = 3000;

pub fn name(kind: VolumeKind) -> &'static str {
    match kind {
        VolumeKind::Standard => "standard",
        VolumeKind::Gp2 => "gp2",
        VolumeKind::Gp3 => "gp3",
        VolumeKind::Io1 => "io1",
        VolumeKind::Io2 => "io2",
        VolumeKind::St1 => "st1",
        VolumeKind::Sc1 => "sc1",
    }
}

/// The speed that goes with a type, of what a request says or what a volume of this type has had so far.
///
/// # Errors
///
/// If the type needs what is not said, or has none of what is, or not so much.
pub fn pace(kind: VolumeKind, asked: Pace, so_far: Pace) -> Result<Pace, Fault> {
    let name = name(kind);
    let (iops, throughput) = match kind {
        VolumeKind::Io1 => (Some((100, 64_000)), None),
        VolumeKind::Io2 => (Some((100, 256_000)), None),
        VolumeKind::Gp3 => (Some((GP3_IOPS, 80_000)), Some((GP3_THROUGHPUT, 2000))),
        VolumeKind::Standard | VolumeKind::Gp2 | VolumeKind::St1 | VolumeKind::Sc1 => (None, None),
    };
    let checked = |what: &str, asked: Option<u32>, so_far, range: Option<(u32, u32)>| match (asked, range) {
        (Some(_), None) => Err(Code::InvalidParameterCombination
            .fault(format!("The parameter {what} is not supported for {name} volumes."))),
        (Some(value), Some((least, most))) if !(least..=most).contains(&value) => {
            let text = format!("Volume {what} of {value} is not possible; {name} has {least} to {most}.");
            Err(Code::InvalidParameterValue.fault(text))
        }
        (asked, Some(_)) => Ok(asked.or(so_far)),
        (None, None) => Ok(None),
    };
    let pace = Pace {
        iops: checked("iops", asked.iops, so_far.iops, iops)?,
        throughput: checked("throughput", asked.throughput, so_far.throughput, throughput)?,
    };
    if pace.iops.is_none() && matches!(kind, VolumeKind::Io1 | VolumeKind::Io2) {
        let text = format!("The parameter iops must be specified for {name} volumes.");
        return Err(Code::MissingParameter.fault(text));
    }
    Ok(pace)
}

/// The speed that Amazon says of a type when nothing else was asked for.
pub fn shown(kind: VolumeKind, pace: Pace, size: Gib) -> Pace {
    let (iops, throughput) = match kind {
        VolumeKind::Gp2 => (u32::try_from(size.0.saturating_mul(3)).ok().map(|iops| iops.clamp(100, 16_000)), None),
        VolumeKind::Gp3 => (Some(GP3_IOPS), Some(GP3_THROUGHPUT)),
        VolumeKind::Standard | VolumeKind::Io1 | VolumeKind::Io2 | VolumeKind::St1 | VolumeKind::Sc1 => (None, None),
    };
    Pace { iops: pace.iops.or(iops), throughput: pace.throughput.or(throughput) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Pace = Pace { iops: None, throughput: None };

    fn asked(iops: impl Into<Option<u32>>, throughput: impl Into<Option<u32>>) -> Pace {
        Pace { iops: iops.into(), throughput: throughput.into() }
    }

    #[test]
    fn each_type_has_its_own() {
        for kind in [VolumeKind::Standard, VolumeKind::Gp2, VolumeKind::St1, VolumeKind::Sc1] {
            assert_eq!(pace(kind, NONE, asked(3000, 125)), Ok(NONE));
            let code = |asked| pace(kind, asked, NONE).unwrap_err().code;
            assert_eq!(code(asked(100, None)), Code::InvalidParameterCombination);
            assert_eq!(code(asked(None, 125)), Code::InvalidParameterCombination);
        }
        assert_eq!(pace(VolumeKind::Gp3, asked(4000, 500), NONE), Ok(asked(4000, 500)));
        assert_eq!(pace(VolumeKind::Gp3, asked(4000, None), asked(3500, 250)), Ok(asked(4000, 250)));
        assert_eq!(pace(VolumeKind::Io2, asked(100, None), NONE), Ok(asked(100, None)));
        let code = |kind, asked| pace(kind, asked, NONE).unwrap_err().code;
        assert_eq!(code(VolumeKind::Io1, NONE), Code::MissingParameter);
        assert_eq!(code(VolumeKind::Io1, asked(99, None)), Code::InvalidParameterValue);
        assert_eq!(code(VolumeKind::Gp3, asked(None, 124)), Code::InvalidParameterValue);
    }

    #[test]
    fn what_is_shown_grows_with_gp2() {
        let iops = |size| shown(VolumeKind::Gp2, NONE, Gib(size)).iops;
        assert_eq!((iops(1), iops(100), iops(10_000)), (Some(100), Some(300), Some(16_000)));
        assert_eq!(shown(VolumeKind::Gp3, asked(None, 500), Gib(1)), asked(3000, 500));
        assert_eq!(shown(VolumeKind::Standard, NONE, Gib(1)), NONE);
    }
}
