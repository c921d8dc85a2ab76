//! Ranges as people write them in the site file: `w-[01-35]`, `203.0.113.10-203.0.113.29`.

use std::net::Ipv4Addr;

use cascina_core::name::Name;
use ipnet::Ipv4Net;

/// Most names that one range may stand for; a slip of the pen should not make a million hosts.
const MOST: u64 = 20_000;

/// All names that `text` stands for: `name`, or `before[01-35]after` with the width of the first number.
pub fn names(text: &str) -> Result<Vec<Name>, String> {
    let name = |text: &str| text.parse::<Name>().map_err(|error| error.to_string());
    let Some((before, rest)) = text.split_once('[') else { return Ok(vec![name(text)?]) };
    let wrong = || format!("`{text}` is not a range of names; allowed: `name` or `before[01-35]after`");
    let (range, after) = rest.split_once(']').ok_or_else(wrong)?;
    let (first, last) = range.split_once('-').ok_or_else(wrong)?;
    let number = |digits: &str| -> Result<u64, String> {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse().map_err(|_| wrong()) } else { Err(wrong()) }
    };
    let (low, high, width) = (number(first)?, number(last)?, first.len());
    if low > high {
        return Err(format!("`{text}` counts backwards: {first} is more than {last}"));
    }
    if high - low >= MOST {
        return Err(format!("`{text}` stands for more than {MOST} names"));
    }
    (low..=high).map(|i| name(&format!("{before}{i:0width$}{after}"))).collect()
}

/// First and last address of `a-b`, `a/prefix` or `a`. Of a subnet, its network and broadcast
/// addresses are not given away.
pub fn addresses(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    let wrong = || {
        format!(
            "`{text}` is not a range of addresses; allowed: `203.0.113.10-203.0.113.29`, `203.0.113.0/28` or one address"
        )
    };
    let address = |part: &str| part.trim().parse::<Ipv4Addr>().map_err(|_| wrong());
    if text.contains('/') {
        let net: Ipv4Net = text.trim().parse().map_err(|_| wrong())?;
        let hosts = || net.hosts();
        return hosts().next().zip(hosts().last()).ok_or_else(wrong);
    }
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (address(first)?, address(last)?),
        None => (address(text)?, address(text)?),
    };
    if first > last {
        return Err(format!("`{text}` counts backwards"));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_width() {
        let all = names("w-[01-35]").unwrap();
        assert_eq!((all.len(), all[0].as_str(), all[34].as_str()), (35, "w-01", "w-35"));
        assert_eq!(names("s-[8-10].lab").unwrap()[2].as_str(), "s-10.lab");
        assert_eq!(names("alone").unwrap().len(), 1);
    }

    #[test]
    fn slips_are_told() {
        for wrong in ["w-[3-1]", "w-[1-99999999]", "w-[a-b]", "w-[1-2", "w-[-2]", "W-[1-2]", "w-[+1-2]"] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
        for wrong in ["203.0.113.9-203.0.113.1", "203.0.113", "x", "1.2.3.4/40"] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_of_a_subnet() {
        let (first, last) = addresses("203.0.113.0/28").unwrap();
        assert_eq!((first.octets()[3], last.octets()[3]), (1, 14));
    }
}
