//! The ways in which signatures write a moment.

use cascina_core::units::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

fn timestamp(moment: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp)
}

fn utc(moment: DateTime) -> Option<Timestamp> {
    timestamp(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// `20260102T030405Z`, and nothing else.
pub fn basic(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    let form = |(place, byte): (usize, &u8)| match place {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    if !bytes.iter().enumerate().all(form) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i16>().ok();
    let small = |from: usize| text[from..from + 2].parse::<i8>().ok();
    utc(DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?)
}

/// A moment as `basic` reads it.
pub fn to_basic(moment: Timestamp) -> Option<String> {
    let moment = jiff::Timestamp::from_millisecond(i64::try_from(moment.0).ok()?).ok()?;
    Some(moment.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// As in the header `Date`: `Fri, 02 Jan 2026 03:04:05 GMT`, or like [`basic`].
pub fn of_header(text: &str) -> Option<Timestamp> {
    let by_mail = || timestamp(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    basic(text).or_else(by_mail)
}

/// `2026-01-02T03:04:05`, with a fraction or without, with an offset or in UTC.
pub fn extended(text: &str) -> Option<Timestamp> {
    let with_offset = || timestamp(text.parse::<jiff::Timestamp>().ok()?);
    // A date alone would do for the parser.
    let plain = || utc(text.parse::<DateTime>().ok()?);
    if !text.contains(['T', 't', ' ']) || text.contains('[') {
        return None;
    }
    with_offset().or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Option<Timestamp> = Some(Timestamp(1_767_323_045_000));

    #[test]
    fn basic_is_strict() {
        assert_eq!(basic("20260102T030405Z"), THEN);
        assert_eq!(to_basic(THEN.unwrap()).as_deref(), Some("20260102T030405Z"));
        for wrong in [
            "20260102T030405",
            "20261302T030405Z",
            "20260102T250405Z",
            "2026010T2030405Z",
            "",
            "２0260102T0304Z",
            "19691231T235959Z",
        ] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn others_are_not() {
        assert_eq!(of_header("Fri, 02 Jan 2026 03:04:05 GMT"), THEN);
        assert_eq!(of_header("20260102T030405Z"), THEN);
        assert_eq!(of_header("yesterday"), None);
        for good in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T03:04:05.000",
            "2026-01-02T04:04:05+01:00",
        ] {
            assert_eq!(extended(good), THEN, "{good}");
        }
        for wrong in ["2026-01-02", "20260102", "now", "", "2026-01-02T03:04:05[UTC]", "1960-01-02T03:04:05Z"] {
            assert_eq!(extended(wrong), None, "{wrong}");
        }
    }
}
