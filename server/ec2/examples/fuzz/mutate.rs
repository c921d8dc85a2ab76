//! Seeds, changed at random.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Inputs do not grow beyond this.
const LONGEST: usize = 16 << 10;

/// What means something somewhere.
const WORDS: &[&[u8]] = &[
    b"&",
    b"=",
    b"+",
    b"%",
    b"%00",
    b"%0A",
    b"%FF",
    b"%C3%A8",
    b"%2e",
    b".",
    b"..",
    b".1",
    b".0",
    b".01",
    b".4294967296",
    b".999999999.",
    b"-1",
    b"18446744073709551616",
    b"true",
    b"\xc3\xa8",
    b"\xff",
    b"\0",
    b"\n",
    b"\n\n",
    b"*",
    b"?",
    b"\\",
    b"<",
    b"]]>",
    b"&amp;",
    b"&Action=",
    b"&DryRun=true",
    b"&MaxResults=5",
    b"&NextToken=",
    b"&Filter.1.Name=tag:",
    b"&Filter.1.Value.1=",
    b"&X-Amz-Signature=",
    b"&X-Amz-Security-Token=",
    b"&SignatureVersion=2",
    b"X-Amz-Date: ",
    b"Authorization: ",
    b"SignedHeaders=",
    b"Credential=",
    b"aws4_request",
    b"UNSIGNED-PAYLOAD",
    b"host;",
    b";",
    b"/",
    b"//",
    b"i-",
    b"i-00000000000000001",
    b"0.0.0.0/0",
    b"255.255.255.255",
    b"::/0",
    b"0000-00-00T00:00:00Z",
    b"99991231T235959Z",
];

pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    rng: StdRng,
}

impl Mutator {
    pub fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Mutator {
        assert!(!seeds.is_empty());
        Mutator { seeds, rng: StdRng::seed_from_u64(seed) }
    }

    fn seed(&mut self) -> Vec<u8> {
        let place = self.rng.random_range(0..self.seeds.len());
        self.seeds[place].clone()
    }

    /// A part of something that long.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.rng.random_range(0..=length);
        let most = (length - from).min(64);
        from..from + self.rng.random_range(0..=most)
    }

    pub fn next(&mut self) -> Vec<u8> {
        let mut data = self.seed();
        for _ in 0..self.rng.random_range(0..=6_u32) {
            self.change(&mut data);
        }
        data.truncate(LONGEST);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.rng.random_range(0..=data.len());
        match self.rng.random_range(0..8_u32) {
            0 if at < data.len() => data[at] ^= 1 << self.rng.random_range(0..8_u32),
            1 if at < data.len() => data[at] = self.rng.random(),
            0..=2 => {
                let word = WORDS[self.rng.random_range(0..WORDS.len())];
                data.splice(at..at, word.iter().copied());
            }
            3 => {
                let part = self.part(data.len());
                data.drain(part);
            }
            4 => {
                let part = self.part(data.len());
                let copy = data[part].to_vec();
                data.splice(at..at, copy);
            }
            5 => {
                let other = self.seed();
                let part = self.part(other.len());
                data.splice(at..at, other[part].iter().copied());
            }
            6 => data.truncate(at),
            // A whole parameter of another seed.
            _ => {
                let other = self.seed();
                let params: Vec<&[u8]> = other.split(|&byte| byte == b'&').collect();
                data.push(b'&');
                data.extend_from_slice(params[self.rng.random_range(0..params.len())]);
            }
        }
    }
}
