//! Account numbers: what a farm is called where EC2 has twelve digits.

use std::collections::BTreeSet;

use cascina_core::farm::Farm;
use cascina_core::id::FarmId;
use cascina_core::state::State;

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;

/// Twelve digits.
const ACCOUNTS: u64 = 1_000_000_000_000;

/// The account of a farm. It follows from the farm's id alone; two farms of a site share one as good as
/// never, and nothing is granted by it.
pub fn of(farm: FarmId) -> String {
    // The finish of SplitMix64, so that neighbours are far apart.
    let mut mixed = farm.0;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    format!("{:012}", mixed % ACCOUNTS)
}

/// The account of what is nobody's but the site's.
pub fn of_site() -> String {
    of(FarmId(0))
}

/// Whether it can be an account at all.
pub fn is_one(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Accounts as requests name them: by their numbers, `self`, `all`, or what Amazon calls itself.
#[derive(Debug)]
pub struct Accounts {
    numbers: BTreeSet<String>,
    /// Everybody.
    pub all: bool,
}

impl Accounts {
    /// # Errors
    ///
    /// `InvalidUserID.Malformed` for what names nobody.
    pub fn new(call: &Call, given: &[String]) -> Result<Accounts, Fault> {
        let mut accounts = Accounts { numbers: BTreeSet::new(), all: false };
        for text in given {
            match text.as_str() {
                "self" => {
                    accounts.numbers.insert(call.account.clone());
                }
                "all" => accounts.all = true,
                // They have nothing here.
                "amazon" | "aws-marketplace" | "aws-backup-vault" | "microsoft" => {}
                number if is_one(number) => {
                    accounts.numbers.insert(number.to_owned());
                }
                other => {
                    return Err(Code::InvalidUserIdMalformed.fault(format!("Invalid user id: \"{}\"", short(other))));
                }
            }
        }
        Ok(accounts)
    }

    pub fn has(&self, number: &str) -> bool {
        self.numbers.contains(number)
    }

    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        self.numbers.iter().map(String::as_str)
    }
}

/// The farm with this account, if there is one that is not over.
pub fn find<'a>(state: &'a State, account: &str) -> Option<&'a Farm> {
    let mut farms = state.rows.farms.values().filter(|farm| !farm.state.is_over());
    farms.find(|farm| of(farm.id) == account).map(AsRef::as_ref)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn twelve_digits_each() {
        // Kept by clients, so it must never change.
        assert_eq!(of(FarmId(0)), "000000000000");
        let accounts: HashSet<_> = (0..100_000_u64).map(|i| of(FarmId(0x66aa_bbcc_0000_0000 + (i << 22)))).collect();
        assert_eq!(accounts.len(), 100_000);
        assert!(accounts.iter().all(|text| is_one(text)));
    }
}
