//! Protocols and ports, as EC2 writes them and as rules have them.

use std::borrow::Cow;

use cascina_core::security_group::{Ports, Traffic};

use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;

/// Where ports or types are not told apart.
const ANY: i64 = -1;

/// Reads a protocol, by its name or number, with ports, or for ICMP a type and a code. Whatever ports
/// come with other protocols mean nothing.
///
/// # Errors
///
/// `InvalidParameterValue` for what is none.
pub fn read(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<Traffic, Fault> {
    Ok(match protocol.to_ascii_lowercase().as_str() {
        "-1" | "all" => Traffic::All,
        "tcp" | "6" => Traffic::Tcp(ports(from, to)?),
        "udp" | "17" => Traffic::Udp(ports(from, to)?),
        "icmp" | "1" => {
            let (kind, code) = kinds(from, to)?;
            Traffic::Icmp { kind, code }
        }
        "icmpv6" | "58" => {
            let (kind, code) = kinds(from, to)?;
            Traffic::Icmp6 { kind, code }
        }
        other => {
            let digits = !other.is_empty() && other.bytes().all(|byte| byte.is_ascii_digit());
            match other.parse() {
                Ok(number) if digits => Traffic::Other { number },
                _ => {
                    let text = format!("Invalid value '{}' for IP protocol. Unknown protocol.", short(protocol));
                    return Err(Code::InvalidParameterValue.fault(text));
                }
            }
        }
    })
}

fn ports(from: Option<i64>, to: Option<i64>) -> Result<Ports, Fault> {
    let (Some(from), Some(to)) = (from, to) else {
        let text = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
        return Err(Code::InvalidParameterValue.fault(text));
    };
    let port = |number: i64| {
        let fault = || Code::InvalidParameterValue.fault(format!("Invalid TCP/UDP port number ({number})"));
        u16::try_from(number).map_err(|_| fault())
    };
    let ports = Ports { from: port(from)?, to: port(to)? };
    if ports.from > ports.to {
        return Err(Code::InvalidParameterValue.fault(format!("Invalid TCP/UDP port range ({from}:{to})")));
    }
    Ok(ports)
}

/// ICMP's type and code.
fn kinds(kind: Option<i64>, code: Option<i64>) -> Result<(Option<u8>, Option<u8>), Fault> {
    let number = |name: &str, given: Option<i64>| match given.filter(|number| *number != ANY) {
        None => Ok(None),
        Some(number) => match u8::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Code::InvalidParameterValue.fault(format!("ICMP {name} ({number}) out of range"))),
        },
    };
    match (number("type", kind)?, number("code", code)?) {
        (None, Some(code)) => {
            let text = format!("ICMP code ({code}) cannot be given for all ICMP types (-1)");
            Err(Code::InvalidParameterValue.fault(text))
        }
        both => Ok(both),
    }
}

/// `ipProtocol`
pub fn protocol(traffic: Traffic) -> Cow<'static, str> {
    match traffic {
        Traffic::All => "-1".into(),
        Traffic::Tcp(_) => "tcp".into(),
        Traffic::Udp(_) => "udp".into(),
        Traffic::Icmp { .. } => "icmp".into(),
        Traffic::Icmp6 { .. } => "icmpv6".into(),
        Traffic::Other { number } => number.to_string().into(),
    }
}

/// `fromPort` and `toPort`; None for protocols that have neither ports nor types.
pub fn range(traffic: Traffic) -> Option<(i32, i32)> {
    let number = |given: Option<u8>| given.map_or(-1, i32::from);
    match traffic {
        Traffic::All | Traffic::Other { .. } => None,
        Traffic::Tcp(ports) | Traffic::Udp(ports) => Some((ports.from.into(), ports.to.into())),
        Traffic::Icmp { kind, code } | Traffic::Icmp6 { kind, code } => Some((number(kind), number(code))),
    }
}

/// As Amazon writes it in what it says of a rule.
pub fn words(traffic: Traffic) -> String {
    match traffic {
        Traffic::All => "ALL".into(),
        Traffic::Tcp(ports) => format!("TCP, from port: {}, to port: {}", ports.from, ports.to),
        Traffic::Udp(ports) => format!("UDP, from port: {}, to port: {}", ports.from, ports.to),
        Traffic::Icmp { kind, code } => format!("ICMP, type: {}, code: {}", or_all(kind), or_all(code)),
        Traffic::Icmp6 { kind, code } => format!("ICMPv6, type: {}, code: {}", or_all(kind), or_all(code)),
        Traffic::Other { number } => format!("protocol: {number}"),
    }
}

fn or_all(number: Option<u8>) -> String {
    number.map_or("ALL".into(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: Traffic = Traffic::Tcp(Ports { from: 80, to: 81 });

    #[test]
    fn protocols_have_names_and_numbers() {
        for protocol in ["tcp", "TCP", "6"] {
            assert_eq!(read(protocol, Some(80), Some(81)), Ok(WEB));
        }
        assert_eq!(read("17", Some(0), Some(65535)), Ok(Traffic::Udp(Ports::ALL)));
        let any = Traffic::Icmp { kind: None, code: None };
        for (kind, code) in [(None, None), (Some(-1), Some(-1)), (Some(-1), None)] {
            assert_eq!(read("1", kind, code), Ok(any));
        }
        let echo = Traffic::Icmp { kind: Some(8), code: None };
        assert_eq!(read("icmp", Some(8), Some(-1)), Ok(echo));
        assert_eq!(read("58", Some(128), Some(0)), Ok(Traffic::Icmp6 { kind: Some(128), code: Some(0) }));
        // Ports mean nothing here, and Terraform sends some.
        for (protocol, traffic) in [("-1", Traffic::All), ("all", Traffic::All), ("50", Traffic::Other { number: 50 })]
        {
            assert_eq!(read(protocol, Some(0), Some(0)), Ok(traffic));
            assert_eq!(read(protocol, None, None), Ok(traffic));
            assert_eq!(range(traffic), None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let icmp = |kind, code| Traffic::Icmp { kind, code };
        for traffic in [
            WEB,
            Traffic::Udp(Ports::ALL),
            icmp(None, None),
            icmp(Some(3), None),
            icmp(Some(3), Some(4)),
            Traffic::Icmp6 { kind: Some(255), code: Some(0) },
            Traffic::Other { number: 0 },
            Traffic::All,
        ] {
            let (from, to) = range(traffic).unzip();
            assert_eq!(read(&protocol(traffic), from.map(i64::from), to.map(i64::from)), Ok(traffic));
        }
    }

    #[test]
    fn what_is_no_traffic() {
        for (protocol, from, to) in [
            ("tcp", Some(30), Some(20)),
            ("tcp", Some(1), Some(65536)),
            ("udp", Some(-1), Some(-1)),
            ("tcp", Some(22), None),
            ("tcp", None, None),
            ("icmp", Some(-1), Some(3)),
            ("icmp", Some(256), Some(0)),
            ("icmp", Some(0), Some(-2)),
            ("smoke", None, None),
            ("256", None, None),
            ("+6", None, None),
            ("-2", None, None),
            ("", None, None),
        ] {
            let fault = read(protocol, from, to).unwrap_err();
            assert_eq!(fault.code, Code::InvalidParameterValue, "{protocol} {from:?} {to:?}");
        }
        assert_eq!(read("tcp", Some(30), Some(20)).unwrap_err().message, "Invalid TCP/UDP port range (30:20)");
    }

    #[test]
    fn words_for_people() {
        assert_eq!(words(WEB), "TCP, from port: 80, to port: 81");
        assert_eq!(words(Traffic::Icmp { kind: Some(8), code: None }), "ICMP, type: 8, code: ALL");
    }
}
