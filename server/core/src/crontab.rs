//! Lines of a crontab: five fields and a time zone, weekdays from 0 (Sunday) to 7 (Sunday again).
//!
//! The `cron` crate reads seven fields and counts weekdays from 1 for Sunday, so a line is translated for
//! it, and nobody has to know. What a clock skips in spring never comes; what it repeats in autumn comes
//! once, the first time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use cron::Schedule;
use serde::{Deserialize, Serialize};

use crate::units::Timestamp;

#[derive(Clone)]
pub struct Crontab {
    line: String,
    zone: Tz,
    schedule: Schedule,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrontabError {
    #[error(
        "`{line}` is not a crontab line: {why}; allowed: five fields (minute hour day month weekday), such as \
         `30 2 * * 1-5`"
    )]
    Line { line: String, why: String },
    #[error("`{0}` is not a time zone; allowed: names of the IANA database, such as `Europe/Rome` or `UTC`")]
    Zone(String),
}

impl Crontab {
    pub fn new(line: &str, zone: &str) -> Result<Crontab, CrontabError> {
        let short: String = line.chars().take(100).collect();
        let wrong = |why: String| CrontabError::Line { line: short.clone(), why };
        let zone = Tz::from_str(zone).map_err(|_| CrontabError::Zone(zone.chars().take(100).collect()))?;
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(wrong(format!("it has {} fields", fields.len())));
        };
        if line.len() > 200 {
            return Err(wrong("it has more than 200 bytes".into()));
        }
        let weekday = weekdays(weekday).map_err(&wrong)?;
        let translated = format!("0 {minute} {hour} {day} {month} {weekday} *");
        let schedule = Schedule::from_str(&translated).map_err(|error| wrong(error.to_string()))?;
        Ok(Crontab { line: fields.join(" "), zone, schedule })
    }

    /// The first time after this one; None if there is none any more.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let ms = i64::try_from(after.0).ok()?;
        let local: DateTime<Tz> = self.zone.timestamp_millis_opt(ms).single()?;
        let next = self.schedule.after(&local).next()?;
        u64::try_from(next.timestamp_millis()).ok().map(Timestamp)
    }

    pub fn line(&self) -> &str {
        &self.line
    }

    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }
}

/// Numbers of weekdays as the crate has them, 1 for Sunday. Names are the same in both.
fn weekdays(field: &str) -> Result<String, String> {
    let number = |text: &str| -> Result<u32, String> {
        let day: u32 = text.parse().map_err(|_| format!("`{text}` is no weekday"))?;
        if day > 7 { Err(format!("weekday {day}, where 0 to 7 are allowed")) } else { Ok(day) }
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let mut items = Vec::new();
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        if let Some((from, to)) = range.split_once('-').filter(|(from, to)| is_number(from) && is_number(to)) {
            let (from, to) = (number(from)?, number(to)?);
            if from > to {
                return Err(format!("weekdays from {from} to {to}, which is backwards"));
            }
            let step = step.map_or(Ok(1), |step| step.parse::<usize>().map_err(|_| format!("step `{step}`")))?;
            if step == 0 {
                return Err("a step of 0".into());
            }
            // A range may end on 7, which is 0 too: each day by itself.
            items.extend((from..=to).step_by(step).map(|day| (day % 7 + 1).to_string()));
        } else if is_number(range) {
            match step {
                None => items.push((number(range)? % 7 + 1).to_string()),
                Some(_) => return Err(format!("`{item}`: a step needs a range or `*`")),
            }
        } else {
            items.push(item.to_owned());
        }
    }
    Ok(items.join(","))
}

impl fmt::Display for Crontab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.line, self.zone.name())
    }
}

impl fmt::Debug for Crontab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Crontab {
    fn eq(&self, other: &Crontab) -> bool {
        self.line == other.line && self.zone == other.zone
    }
}

impl Eq for Crontab {}

#[derive(Serialize, Deserialize)]
struct Written {
    line: String,
    zone: String,
}

impl Serialize for Crontab {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { line: self.line.clone(), zone: self.zone.name().into() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Crontab {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Crontab, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Crontab::new(&written.line, &written.zone).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str, zone: &str, after: &str) -> String {
        let after = DateTime::parse_from_rfc3339(after).unwrap().timestamp_millis();
        let next = Crontab::new(line, zone).unwrap().next_after(Timestamp(after as u64)).unwrap();
        DateTime::from_timestamp_millis(next.0 as i64).unwrap().to_rfc3339()
    }

    #[test]
    fn five_fields_and_standard_weekdays() {
        // 2026-01-01 is a Thursday.
        for (line, expected) in [
            ("30 2 * * *", "2026-01-01T02:30:00+00:00"),
            ("*/15 * * * *", "2026-01-01T00:15:00+00:00"),
            ("0 0 * * 0", "2026-01-04T00:00:00+00:00"),
            ("0 0 * * 7", "2026-01-04T00:00:00+00:00"),
            ("0 0 * * 1-5", "2026-01-02T00:00:00+00:00"),
            ("0 0 * * 6,1", "2026-01-03T00:00:00+00:00"),
            ("0 0 * * 5-7", "2026-01-02T00:00:00+00:00"),
            ("0 0 * * mon", "2026-01-05T00:00:00+00:00"),
            ("0 12 1 2 *", "2026-02-01T12:00:00+00:00"),
        ] {
            assert_eq!(next(line, "UTC", "2026-01-01T00:00:00Z"), expected, "{line}");
        }
    }

    #[test]
    fn zones_have_their_clocks() {
        assert_eq!(next("30 2 * * *", "Europe/Rome", "2026-01-01T00:00:00Z"), "2026-01-01T01:30:00+00:00");
        // On 29 March 2026 half past two is skipped.
        assert_eq!(next("30 2 * * *", "Europe/Rome", "2026-03-28T02:00:00Z"), "2026-03-30T00:30:00+00:00");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, zone, part) in [
            ("* * * *", "UTC", "4 fields"),
            ("* * * * * *", "UTC", "6 fields"),
            ("* * * * 8", "UTC", "0 to 7"),
            ("* * * * 5-2", "UTC", "backwards"),
            ("61 * * * *", "UTC", "61 * * * *"),
            ("x * * * *", "UTC", "not a crontab line"),
            ("* * * * *", "Mars/Base", "IANA"),
        ] {
            let error = Crontab::new(line, zone).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn text_and_back() {
        let tab = Crontab::new("0 6 * * 1", "Europe/Rome").unwrap();
        let json = serde_json::to_string(&tab).unwrap();
        assert_eq!(serde_json::from_str::<Crontab>(&json).unwrap(), tab);
    }
}
