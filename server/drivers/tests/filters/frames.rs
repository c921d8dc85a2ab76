//! Frames as a guest could make them. Each carries a mark, by which a receiver knows it again.

use std::net::Ipv4Addr;

use cascina_core::network::Mac;

pub const BROADCAST: Mac = Mac([0xff; 6]);
pub const ARP: u16 = 0x0806;
pub const IPV4: u16 = 0x0800;

pub fn mark(number: u16) -> [u8; 4] {
    let [a, b] = number.to_be_bytes();
    [0xca, 0xfe, a, b]
}

pub fn frame(to: Mac, from: Mac, kind: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = [&to.0[..], &from.0, &kind.to_be_bytes(), body].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

/// With the mark in what fills it up.
pub fn arp(from: Mac, operation: u8, sender: (Mac, Ipv4Addr), target: Ipv4Addr, number: u16) -> Vec<u8> {
    let body = [
        &[0, 1, 8, 0, 6, 4, 0, operation][..],
        &sender.0.0,
        &sender.1.octets(),
        &[0; 6],
        &target.octets(),
        &mark(number),
    ]
    .concat();
    frame(BROADCAST, from, ARP, &body)
}

pub fn udp(source: (Ipv4Addr, u16), target: (Ipv4Addr, u16), number: u16) -> Vec<u8> {
    let data = mark(number);
    let length = 8 + data.len() as u16;
    let segment =
        [&source.1.to_be_bytes()[..], &target.1.to_be_bytes(), &length.to_be_bytes(), &[0, 0], &data].concat();
    let mut header = [
        &[0x45, 0][..],
        &(20 + length).to_be_bytes(),
        &[0, 0, 0, 0, 64, 17, 0, 0],
        &source.0.octets(),
        &target.0.octets(),
    ]
    .concat();
    let sum = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, segment].concat()
}

pub fn ipv6(number: u16) -> Vec<u8> {
    [&[0x60, 0, 0, 0, 0, 4, 59, 64][..], &[1; 32], &mark(number)].concat()
}
